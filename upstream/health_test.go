package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestAMirrorThatIsDownIsAskedLast(t *testing.T) {
	a := upstreamtest.New(t)
	one := a.AddPackage(upstreamtest.Package{Name: "one", Size: 1000})
	two := a.AddPackage(upstreamtest.Package{Name: "two", Size: 1000})
	a.Publish()
	m := newMirror(t, a, a.Mirror().URL())
	g := m.refresh().Generation
	a.Fault("*", upstreamtest.Status(http.StatusServiceUnavailable, ""))
	for _, p := range []upstreamtest.Package{one, two} {
		if data, err := m.read(m.file(g, p.Filename)); err != nil || !bytes.Equal(data, p.Deb) {
			t.Errorf("read %d bytes, %v", len(data), err)
		}
	}
	if a.Count(one.Filename) != 1 || a.Count(two.Filename) != 0 {
		t.Errorf("the mirror that is down was asked %d times, then %d times", a.Count(one.Filename), a.Count(two.Filename))
	}
	if got := m.Mirrors(m.archive); got[0].LastUntil.IsZero() || !strings.Contains(got[0].Why, "503") || !got[1].LastUntil.IsZero() {
		t.Errorf("mirrors: %+v", got)
	}
	m.at(m.Now().Add(downPause))
	if got := m.Mirrors(m.archive); !got[0].LastUntil.IsZero() {
		t.Errorf("after the pause: %+v", got)
	}
}

func TestAMirrorThatLiesInInReleaseIsSetAside(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish(upstreamtest.Tampered())
	m := newMirror(t, a)
	m.refused("bad-signature")
	if got := m.Mirrors(m.archive)[0]; got.LastUntil.Before(m.Now().Add(liePause-time.Second)) || !strings.Contains(got.Why, "InRelease: bad-signature") {
		t.Errorf("got %+v", got)
	}
}

func TestPausesGrowWithEveryFailureAndEndWithSuccess(t *testing.T) {
	var h health
	now, why := time.Now(), errors.New("no")
	pause := func() time.Duration { return h.aside["m"].until.Sub(now) }
	for _, want := range []time.Duration{10, 20, 40, 80} {
		h.down("m", why, 0, now)
		if pause() != want*time.Second {
			t.Errorf("pause %s, want %ds", pause(), want)
		}
		h.down("m", why, 0, now.Add(time.Second)) // another request that failed with the first
		now = now.Add(want * time.Second)
	}
	h.good("m", now)
	h.down("m", why, 0, now)
	if pause() != downPause {
		t.Errorf("after a success: pause %s", pause())
	}
	h.lied("m", why, now)
	h.good("m", now)
	if pause() != liePause {
		t.Errorf("after a lie and a success: pause %s", pause())
	}
	for range 20 {
		now = now.Add(pause())
		h.lied("m", why, now)
	}
	if pause() != longestLiePause {
		t.Errorf("after many lies: pause %s", pause())
	}
}

// One that trusts the wrong keys says nothing about the mirror to the others.
func TestArchivesOfOneAddressJudgeItForThemselves(t *testing.T) {
	a, stranger := upstreamtest.New(t), upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := newMirror(t, a)
	keys, err := pgp.LoadKeyring(stranger.KeyringFile())
	if err != nil {
		t.Fatal(err)
	}
	wrong := *m.archive
	wrong.Name, wrong.Keyring = "wrong", keys
	m.SetArchives([]*Archive{m.archive, &wrong})
	if _, err := m.Refresh(t.Context(), &wrong, "stable"); err == nil {
		t.Fatal("the keys of another archive were taken")
	}
	m.refresh()
	if got := m.Mirrors(&wrong)[0]; got.LastUntil.IsZero() {
		t.Error("to the archive that it lied to, the mirror is in good standing")
	}
	if got := m.Mirrors(m.archive)[0]; !got.LastUntil.IsZero() {
		t.Errorf("to the other it is asked last: %s", got.Why)
	}
}
