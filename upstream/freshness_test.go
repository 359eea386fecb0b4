package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"aptmirror/upstream/upstreamtest"
)

// refused refreshes and expects a refusal.
func (m *mirror) refused(reason Reason, texts ...string) {
	m.t.Helper()
	_, err := m.Refresh(m.t.Context(), m.archive, "stable")
	re := (*RefusedError)(nil)
	if !errors.As(err, &re) || re.Reason != reason {
		m.t.Fatalf("got %v, want a refusal for %s", err, reason)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			m.t.Errorf("message %q does not say %q", err, text)
		}
	}
}

// small makes a published archive and a mirror that has taken it in.
func small(t *testing.T, mirrors ...string) (*upstreamtest.Archive, *mirror) {
	t.Helper()
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := newMirror(t, a, mirrors...)
	m.refresh()
	return a, m
}

func TestAChangedIdentityIsHeldUntilSomebodyAccepts(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *upstreamtest.Suite)
		text   string
	}{
		"Origin":        {func(s *upstreamtest.Suite) { s.Origin = "Other" }, `Origin changed from "Example" to "Other"`},
		"Label":         {func(s *upstreamtest.Suite) { s.Label = "Other" }, `Label changed from "Example" to "Other"`},
		"Codename":      {func(s *upstreamtest.Suite) { s.Codename = "trixie" }, `Codename changed from "bookworm" to "trixie"`},
		"pin":           {func(s *upstreamtest.Suite) { s.NotAutomatic = true }, "default priority changed from 500 to 1;"},
		"backports pin": {func(s *upstreamtest.Suite) { s.NotAutomatic, s.ButAutomaticUpgrades = true, true }, "from 500 to 100"},
	} {
		t.Run(name, func(t *testing.T) {
			a, m := small(t)
			tc.change(a.Suite)
			a.Publish()
			m.refused(InfoChanged, tc.text)
			held := m.check().Held
			if held == nil || !strings.Contains(held.What, tc.text) || held.Reason != string(InfoChanged) {
				t.Fatalf("held is %+v", held)
			}
			since := held.Since
			m.at(time.Now().Add(time.Minute))
			m.refused(InfoChanged)
			if got := m.check().Held.Since; !got.Equal(since) {
				t.Errorf("held since %s became %s", since, got)
			}
			if _, err := m.Accept("test", "stable"); err != nil {
				t.Fatal(err)
			}
			a.Publish() // newer than what was accepted, changed in the same way
			if r := m.refresh(); r.Generation.Number != 2 {
				t.Errorf("after accepting: generation %d, want 2", r.Generation.Number)
			}
			if c := m.check(); c.Held != nil || c.Error != "" {
				t.Errorf("afterwards the state is %+v", c)
			}
			a.Suite.Label = "Yet another"
			a.Publish()
			m.refused(InfoChanged, "Yet another")
		})
	}
}

func TestWhatMayChangeIsNotHeld(t *testing.T) {
	a, m := small(t)
	a.Suite.Version, a.Suite.Description = "13", "something else"
	a.Publish()
	if r := m.refresh(); !r.New {
		t.Error("not taken in")
	}
}

// A change that upstream takes back needs nobody.
func TestWhatIsHeldIsForgottenWhenUpstreamGoesBack(t *testing.T) {
	a, m := small(t)
	a.Suite.Origin = "Other"
	a.Publish()
	m.refused(InfoChanged)
	a.Suite.Origin = "Example"
	a.Publish()
	m.refresh()
	if held := m.check().Held; held != nil {
		t.Errorf("held is %+v", held)
	}
	if _, err := m.Accept("test", "stable"); !errors.Is(err, ErrNothingHeld) {
		t.Errorf("accepting nothing: %v", err)
	}
}

func TestARollbackCanBeAccepted(t *testing.T) {
	a, m := small(t)
	a.Publish()
	m.refresh()
	a.Replay(1)
	m.refused(RolledBack)
	if _, err := m.Accept("test", "stable"); err != nil {
		t.Fatal(err)
	}
	if r := m.refresh(); r.Generation.Number != 3 {
		t.Errorf("generation %d, want 3", r.Generation.Number)
	}
}

func TestAnEquivocationCanBeAccepted(t *testing.T) {
	a := upstreamtest.New(t)
	date := time.Now().Add(-time.Hour).Truncate(time.Second)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish(upstreamtest.At(date))
	m := newMirror(t, a)
	m.refresh()
	a.AddPackage(upstreamtest.Package{Name: "other"})
	a.Publish(upstreamtest.At(date))
	m.refused(Equivocating, "two versions")
	if _, err := m.Accept("test", "stable"); err != nil {
		t.Fatal(err)
	}
	if r := m.refresh(); r.Generation.Number != 2 {
		t.Errorf("generation %d, want 2", r.Generation.Number)
	}
}

// What no consent can mend is not held: clients would refuse it, too.
func TestAnExpiredReleaseIsNotHeld(t *testing.T) {
	a, m := small(t)
	a.Suite.ValidUntil = time.Now().Add(time.Hour)
	a.Publish()
	m.at(time.Now().Add(2 * time.Hour))
	m.refused(Expired)
	if held := m.check().Held; held != nil {
		t.Errorf("held is %+v", held)
	}
}

// A mirror that says "not changed" for ever freezes an archive as well as one
// that sends the same bytes again.
func TestAReleaseOlderThanMaxAgeIsFrozen(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{"200": upstreamtest.Always200, "304": upstreamtest.Always304} {
		t.Run(name, func(t *testing.T) {
			a, m := small(t)
			m.archive.MaxAge = 24 * time.Hour
			m.refresh()
			a.Fault("InRelease", fault)
			m.at(time.Now().Add(25 * time.Hour))
			m.refused(Frozen, "max_age")
		})
	}
}

func TestAgeWarning(t *testing.T) {
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(n float64) time.Time { return date.Add(time.Duration(n * 24 * float64(time.Hour))) }
	for _, tc := range []struct {
		name       string
		maxAge     int // days
		validUntil time.Time
		now        time.Time
		want       string
	}{
		{"no end", 0, time.Time{}, day(1000), ""},
		{"young", 0, day(8), day(5.9), ""},
		{"last quarter", 0, day(8), day(6), "in 48h0m0s, clients refuse it"},
		{"over", 0, day(8), day(9), "since 2026-01-09 00:00:00 UTC clients refuse it"},
		{"max_age first", 4, day(8), day(3), "in 24h0m0s, it is older than max_age allows"},
		{"max_age alone", 4, time.Time{}, day(3), "max_age"},
		{"Valid-Until first", 40, day(8), day(7), "clients refuse it"},
	} {
		a := &Archive{MaxAge: time.Duration(tc.maxAge) * 24 * time.Hour}
		got := a.AgeWarning(date, tc.validUntil, tc.now)
		if got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// serving answers with these bytes.
func serving(data []byte) upstreamtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ upstreamtest.File) { w.Write(data) }
}

func TestAMirrorThatIsBehindIsPassedOver(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	old := bytes.Clone(a.Get("dists/stable/InRelease"))
	second := a.Mirror()
	m := newMirror(t, a, second.URL())
	a.Publish()
	m.refresh()

	a.Publish()
	a.Fault("InRelease", serving(old))
	if r := m.refresh(); r.Generation.Number != 2 {
		t.Errorf("with one mirror behind: generation %d, want 2", r.Generation.Number)
	}
	second.Fault("InRelease", serving(old))
	m.refused(RolledBack)

	// The other one may have what is newer, as far as anybody knows.
	second.ClearFaults()
	second.Fault("InRelease", upstreamtest.NotFound)
	second.Fault("Release", upstreamtest.NotFound)
	_, err := m.Refresh(t.Context(), m.archive, "stable")
	if re := (*RefusedError)(nil); err == nil || errors.As(err, &re) || !strings.Contains(err.Error(), "older than the one of") {
		t.Errorf("with one behind and one unreachable: %v", err)
	}
	if m.check().Held == nil {
		t.Error("what is behind cannot be accepted")
	}
}
