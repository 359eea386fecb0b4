package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

const withRing = siteRepository + `
[[repository]]
name = "production"
sign_with = ["keys/site.asc"]
origin = "Example"
label = "production"
valid_for = "7d"
  [[repository.suite]]
  name = "stable"
  from = ["repository:site/stable"]
  publish = "manual"
`

func (s *builtSite) publishTo(snapshot, repository string) admin.Published {
	s.t.Helper()
	r, err := s.PublishSnapshot(s.t.Context(), admin.Caller{UID: 7}, admin.PublishRequest{Snapshot: snapshot, Repository: repository, Why: "tested"}, func(admin.Event) {})
	if err != nil || len(r.Suites) != 1 {
		s.t.Fatalf("%+v, %v", r, err)
	}
	return r.Suites[0]
}

func (s *builtSite) rollBack(repository string) admin.Published {
	s.t.Helper()
	r, err := s.Rollback(s.t.Context(), admin.Caller{UID: 7}, admin.RollbackRequest{Repository: repository}, func(admin.Event) {})
	if err != nil || len(r.Suites) != 1 {
		s.t.Fatalf("%+v, %v", r, err)
	}
	return r.Suites[0]
}

// brings publishes a new version upstream and what the hold of it lets through
// at last.
func (s *builtSite) brings(version string) {
	s.t.Helper()
	s.archive.RemovePackage("hello")
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: version})
	s.archive.Publish(upstreamtest.At(s.now.Add(-time.Minute)))
	s.sync("site", "stable")
	s.now = s.now.Add(8 * 24 * time.Hour)
	s.sync("site", "stable")
}

// wantNewer expects the Release of a suite to be later than before, and gives
// its Date.
func (s *builtSite) wantNewer(repository string, before time.Time) time.Time {
	s.t.Helper()
	release, _ := s.release(repository, "stable")
	if !release.Date.After(before) || release.ValidUntil.Sub(release.Date) != 7*24*time.Hour {
		s.t.Errorf("%s is dated %s, valid until %s; before it was %s", repository, release.Date, release.ValidUntil, before)
	}
	return release.Date
}

func TestARingChangesOnlyByHandAndBothWays(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	if _, err := s.cache.Catalog.Publication("production", "stable"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a ring was published by itself: %v", err)
	}
	create(t, s.Daemon, "one")
	if p := s.publishTo("one", "production"); p.From != nil || p.Unchanged || p.Snapshot != "one" {
		t.Errorf("%+v", p)
	}
	date := s.wantNewer("production", time.Time{})
	s.brings("2.0")
	create(t, s.Daemon, "two")
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("before the promotion clients see %v", got)
	}
	s.publishTo("two", "production")
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 2.0"}) {
		t.Errorf("after the promotion clients see %v", got)
	}
	date = s.wantNewer("production", date)
	if p := s.rollBack("production"); p.Snapshot != "one" {
		t.Errorf("%+v", p)
	}
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("after going back clients see %v", got)
	}
	date = s.wantNewer("production", date)
	s.rollBack("production")
	s.wantNewer("production", date)
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 2.0"}) {
		t.Errorf("after going back again clients see %v", got)
	}
	if p := s.publishTo("two", "production"); !p.Unchanged {
		t.Errorf("what is served already was published: %+v", p)
	}
	s.wantHistory()
}

// Packages that upstream has dropped since cannot be given any more.
func TestARollbackTellsWhatIsMissing(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	create(t, s.Daemon, "one")
	s.publishTo("one", "production")
	s.brings("2.0")
	create(t, s.Daemon, "two")
	s.publishTo("two", "production")
	told := ""
	r, err := s.Rollback(t.Context(), admin.Caller{}, admin.RollbackRequest{Repository: "production", DryRun: true}, func(e admin.Event) { told += e.Text })
	if err != nil || len(r.Suites) != 1 || !strings.Contains(told, "1 of 1 packages of what was served before are not in the store") {
		t.Errorf("%q, %+v, %v", told, r, err)
	}
}

func (s *builtSite) wantHistory() {
	s.t.Helper()
	h, err := s.History(s.t.Context(), admin.HistoryRequest{Repository: "production"})
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, m := range h.Moves {
		got = append(got, m.By+" "+m.Snapshot+" "+m.Why)
	}
	want := []string{"uid 7 two rollback", "uid 7 one rollback", "uid 7 two snapshot two: tested", "uid 7 one snapshot one: tested"}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestWhatARingServesStays(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	create(t, s.Daemon, "one")
	s.publishTo("one", "production")
	_, err := s.DeleteSnapshot(t.Context(), admin.Caller{}, admin.SnapshotName{Name: "one"})
	if fault := (*admin.Error)(nil); !errors.As(err, &fault) || !strings.Contains(fault.Text, "snapshot one is what repository production, suite stable, serves: publish another") {
		t.Errorf("%v", err)
	}
	for _, version := range []string{"2.0", "3.0", "4.0", "5.0"} {
		s.brings(version)
	}
	create(t, s.Daemon, "five")
	s.publishTo("five", "production")
	if _, err := s.DeleteSnapshot(t.Context(), admin.Caller{}, admin.SnapshotName{Name: "one"}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.AddDate(0, 1, 0)
	if _, err := s.cache.Collect(t.Context(), false, catalog.Gone{}); err != nil {
		t.Fatal(err)
	}
	if p := s.rollBack("production"); p.Snapshot != "" {
		t.Errorf("a snapshot that is gone is named: %+v", p)
	}
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("clients see %v", got)
	}
}

func TestRingsAndSnapshotsAreSignedAgainInTime(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	create(t, s.Daemon, "one")
	s.publishTo("one", "production")
	for range 5 {
		s.now = s.now.Add(5 * 24 * time.Hour) // half of ten days, more than half of seven
		s.builds.Job(t.Context(), "test", nil)
		for _, repository := range []string{"production", "site/snapshot/one"} {
			if release, _ := s.release(repository, "stable"); !release.ValidUntil.After(s.now.Add(3 * 24 * time.Hour)) {
				t.Errorf("%s is valid until %s only, and it is %s", repository, release.ValidUntil, s.now)
			}
		}
	}
	if h, err := s.History(t.Context(), admin.HistoryRequest{Repository: "production", Suite: "stable", All: true}); err != nil || len(h.Moves) != 6 || h.Moves[0].Snapshot != "one" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestMomentsOfBuiltRepositoriesAreSigned(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	then := s.now
	s.now = s.now.Add(30 * 24 * time.Hour)
	served, err := s.snapshots.Find(t.Context(), "site", then.UTC().Format("20060102T150405Z"))
	if err != nil {
		t.Fatal(err)
	}
	if release, _ := s.release(served, "stable"); !release.ValidUntil.After(s.now) {
		t.Errorf("%s is valid until %s, and it is %s", served, release.ValidUntil, s.now)
	}
}

func TestADryRunTellsWhatWouldChange(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	create(t, s.Daemon, "one")
	request := admin.PublishRequest{Snapshot: "one", Repository: "production", DryRun: true}
	preview := func() *admin.PublishResult {
		t.Helper()
		r, err := s.PublishSnapshot(t.Context(), admin.Caller{}, request, func(admin.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := preview(); len(r.Suites) != 1 || r.Suites[0].Changes != nil || !r.DryRun {
		t.Errorf("before anything is published: %+v", r)
	}
	s.publishTo("one", "production")
	s.brings("2.0")
	create(t, s.Daemon, "two")
	request.Snapshot = "two"
	if r := preview(); r.Suites[0].Changes.Total.Upgraded != 1 {
		t.Errorf("%+v", r.Suites[0].Changes)
	}
	if got := s.sees("production", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("after looking clients see %v", got)
	}
}

func TestPublishingRefusesWhatMakesNoSense(t *testing.T) {
	s := newBuiltSite(t, games(t), withRing)
	s.sync("site", "stable")
	create(t, s.Daemon, "all")
	if _, err := s.CreateSnapshot(t.Context(), admin.Caller{}, admin.SnapshotRequest{Name: "mirror", Repositories: []string{"debian"}}, func(admin.Event) {}); err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]admin.PublishRequest{
		`no snapshot "none"`:                    {Snapshot: "none", Repository: "production"},
		`no repository is called "elsewhere"`:   {Snapshot: "all", Repository: "elsewhere"},
		"repository site is no ring":            {Snapshot: "all", Repository: "site"},
		"repository debian is no ring":          {Snapshot: "all", Repository: "debian"},
		"suite testing, is no ring":             {Snapshot: "all", Repository: "production", Suite: "testing"},
		"has nothing of repository:site/stable": {Snapshot: "mirror", Repository: "production"},
	} {
		_, err := s.PublishSnapshot(t.Context(), admin.Caller{}, r, func(admin.Event) {})
		if fault := (*admin.Error)(nil); !errors.As(err, &fault) || fault.Exit != admin.ExitUsage || !strings.Contains(fault.Text, want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	_, err := s.Rollback(t.Context(), admin.Caller{}, admin.RollbackRequest{Repository: "production"}, func(admin.Event) {})
	if fault := (*admin.Error)(nil); !errors.As(err, &fault) || !strings.Contains(fault.Text, "nothing to go back to") {
		t.Errorf("rollback: %v", err)
	}
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs.Jobs) != 3 {
		t.Errorf("mistakes are recorded as jobs: %+v, %v", jobs, err)
	}
}

// Only what the site signs again stays good for clients.
func TestASnapshotTellsWhenClientsRefuseIt(t *testing.T) {
	a := games(t)
	a.Suite.ValidFor = 7 * 24 * time.Hour
	a.Publish()
	s := newBuiltSite(t, a, siteRepository)
	s.sync("site", "stable")
	create(t, s.Daemon, "june")
	june, err := s.Snapshot(t.Context(), admin.SnapshotName{Name: "june"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.cache.Catalog.Latest(t.Context(), "debian", "stable")
	if err != nil || g.ValidUntil.IsZero() {
		t.Fatalf("%+v, %v", g, err)
	}
	for _, p := range june.Pins {
		if want := map[string]time.Time{"debian": g.ValidUntil}[p.Repository]; !p.ValidUntil.Equal(want) {
			t.Errorf("%s is valid until %s, want %s", p.Repository, p.ValidUntil, want)
		}
	}
	if len(june.Pins) != 2 {
		t.Errorf("%+v", june.Pins)
	}
}

func create(t *testing.T, d *Daemon, name string) *admin.SnapshotDetails {
	t.Helper()
	s, err := d.CreateSnapshot(t.Context(), admin.Caller{}, admin.SnapshotRequest{Name: name}, func(admin.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
