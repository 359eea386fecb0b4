package snapshots

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy"
	"aptmirror/upstream/upstreamtest"
)

func TestMomentsAreServedAsTheStateThen(t *testing.T) {
	a := upstreamtest.New(t)
	d := newSite(t, a, "stable")
	times := d.history(3)
	s := New(d.Config)
	find := func(at time.Time) string {
		t.Helper()
		served, err := s.Find(t.Context(), "debian", at.UTC().Format(momentFormat))
		if err != nil {
			t.Fatal(err)
		}
		return served
	}
	for i, at := range times {
		first, again := find(at), find(at.Add(time.Hour-time.Second))
		if first != again || servedNumber(t, d, first) != uint64(i+1) {
			t.Errorf("at %s, %s and later %s is served", at, first, again)
		}
	}
	for at, want := range map[time.Time]string{times[0].Add(-time.Second): "the first known state is of " + times[0].UTC().Format(momentFormat), d.now.Add(time.Hour): "yet to come"} {
		_, err := s.Find(t.Context(), "debian", at.UTC().Format(momentFormat))
		if unknown := (*proxy.UnknownSnapshotError)(nil); !errors.As(err, &unknown) || !strings.Contains(unknown.Text, want) {
			t.Errorf("of %s: %v, want %q", at, err, want)
		}
	}
}

// The daemon may end between two suites of a moment.
func TestAMomentThatWasCutShortIsServedWhole(t *testing.T) {
	a := published(t)
	a.AddSuite("updates")
	a.AddPackage(upstreamtest.Package{Name: "newer", Suite: "updates"})
	a.Publish()
	d := newSite(t, a, "stable", "updates")
	d.sync()
	now := d.now
	pins, began, err := d.pinsAt(d.InForce(), "debian", now)
	if err != nil || len(pins) != 2 {
		t.Fatal(pins, err)
	}
	if err := d.publishState(t.Context(), pins[0], began.UTC().Format(momentFormat), "test"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once made ready, it is served at once
		d.restart()
		served, err := d.Find(t.Context(), "debian", now.UTC().Format(momentFormat))
		if err != nil {
			t.Fatal(err)
		}
		for _, suite := range []string{"stable", "updates"} {
			if _, err := d.Catalog.Resolve(served, "dists/"+suite+"/InRelease", func(string) bool { return true }); err != nil {
				t.Errorf("suite %s: %v", suite, err)
			}
		}
	}
}

func servedNumber(t *testing.T, d *site, repository string) uint64 {
	t.Helper()
	if _, err := d.Catalog.Resolve(repository, "dists/stable/InRelease", func(string) bool { return true }); err != nil {
		t.Errorf("%s: %v", repository, err)
	}
	p, err := d.Catalog.Publication(repository, "stable")
	if err != nil {
		t.Fatal(err)
	}
	return p.Current.Number
}

func TestAMomentThatIsNoLongerKeptNamesTheNearestSnapshot(t *testing.T) {
	a := upstreamtest.New(t)
	d := newSite(t, a, "stable")
	times := d.history(2)
	d.create("second")
	d.history(4)
	d.now = d.now.AddDate(0, 1, 0)
	if _, err := d.store.Collect(t.Context(), false, catalog.Gone{}); err != nil {
		t.Fatal(err)
	}
	s := New(d.Config)
	_, err := s.Find(t.Context(), "debian", times[0].UTC().Format(momentFormat))
	if unknown := (*proxy.UnknownSnapshotError)(nil); !errors.As(err, &unknown) || !strings.Contains(unknown.Text, "no longer kept; nearest is snapshot second of ") {
		t.Errorf("%v", err)
	}
	if served, err := s.Find(t.Context(), "debian", times[1].UTC().Format(momentFormat)); err != nil || servedNumber(t, d, served) != 2 {
		t.Errorf("%s, %v", served, err)
	}
}

func TestSnapshotsAreFoundByNameAlsoAfterARestart(t *testing.T) {
	a := published(t)
	d := newSite(t, a, "stable")
	d.sync()
	d.create("june")
	for range 2 {
		served, err := New(d.Config).Find(t.Context(), "debian", "june")
		if err != nil || servedNumber(t, d, served) != 1 {
			t.Errorf("%s, %v", served, err)
		}
		d.restart()
	}
	for i := range 5 {
		d.create(fmt.Sprint("july-", i))
	}
	for id, want := range map[string]string{"jule": "there are july-", "june2": "there are june, ", "..": "there are july-4, july-3, july-2, 3 more", "20260101": "3 more"} {
		_, err := New(d.Config).Find(t.Context(), "debian", id)
		if unknown := (*proxy.UnknownSnapshotError)(nil); !errors.As(err, &unknown) || !strings.Contains(unknown.Text, want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
	_, err := New(d.Config).Find(t.Context(), "other", "june")
	if unknown := (*proxy.UnknownSnapshotError)(nil); !errors.As(err, &unknown) || !strings.Contains(unknown.Text, "and no other") {
		t.Errorf("of another repository: %v", err)
	}
}

// What was taken out of the configuration is not served under old names either.
func TestSnapshotsEndWithTheirSuites(t *testing.T) {
	a := published(t)
	d := newSite(t, a, "stable")
	d.sync()
	d.create("june")
	d.config.Repositories[0].Name = "renamed"
	d.restart()
	if served, err := New(d.Config).Find(t.Context(), "debian", "june"); err == nil || d.Catalog.HasRepository(catalog.SnapshotRepository("debian", "june")) {
		t.Errorf("%q is served", served)
	}
}

func TestMomentsMakeRoomForOthers(t *testing.T) {
	d := newSite(t, published(t), "stable")
	d.sync()
	p, err := d.Catalog.Publication("debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	s := New(d.Config)
	var first string
	for i := range keptMoments + 3 {
		d.now = d.now.Add(time.Minute)
		if p, err = d.Catalog.Publish(t.Context(), catalog.Move{Repository: "debian", Suite: "stable", Expect: p.Current, Next: p.Current}, d.now); err != nil {
			t.Fatal(err)
		}
		served, err := s.Find(t.Context(), "debian", d.now.UTC().Format(momentFormat))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = served
		}
		s.touch(first) // somebody uses it all the time
	}
	publications, err := d.Catalog.Publications(t.Context())
	if err != nil || len(publications) != keptMoments+1 {
		t.Errorf("%d publications, %v", len(publications), err)
	}
	if !d.Catalog.HasRepository(first) {
		t.Error("the one that is used was withdrawn")
	}
}

// Asking for ever new moments makes no work without end, and takes nothing away
// from those who are reading others.
func TestMomentsThatAreReadMakeNoRoom(t *testing.T) {
	d := newSite(t, published(t), "stable")
	d.sync()
	p, err := d.Catalog.Publication("debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	find := func() (served string, err error) {
		d.now = d.now.Add(time.Second)
		if p, err = d.Catalog.Publish(t.Context(), catalog.Move{Repository: "debian", Suite: "stable", Expect: p.Current, Next: p.Current}, d.now); err != nil {
			t.Fatal(err)
		}
		return d.Find(t.Context(), "debian", d.now.UTC().Format(momentFormat))
	}
	first, err := find()
	for range keptMoments - 1 {
		if err == nil {
			_, err = find()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if served, err := find(); err == nil || !d.Catalog.HasRepository(first) {
		t.Errorf("one more is served as %s, %v", served, err)
	}
	d.now = d.now.Add(busyMoment)
	if _, err := find(); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

func TestMomentsThatNobodyAsksForAreWithdrawn(t *testing.T) {
	a := upstreamtest.New(t)
	d := newSite(t, a, "stable")
	times := d.history(2)
	served := map[string]string{}
	find := func(name string, at time.Time) {
		t.Helper()
		var err error
		if served[name], err = d.Find(t.Context(), "debian", at.UTC().Format(momentFormat)); err != nil {
			t.Fatal(err)
		}
	}
	find("unused", times[0])
	find("used", times[1])
	for range 8 {
		d.now = d.now.Add(24 * time.Hour)
		find("used", times[1])
		if err := d.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if d.Catalog.HasRepository(served["unused"]) || !d.Catalog.HasRepository(served["used"]) {
		t.Error("the wrong moments are served")
	}
	d.Keeper = New(d.Config) // as after a restart
	for range 8 {
		if err := d.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(24 * time.Hour)
	}
	if d.Catalog.HasRepository(served["used"]) {
		t.Error("what nobody asked for since the restart is served")
	}
}
