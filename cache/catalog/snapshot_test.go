package catalog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func pinOf(p Publication) Pin { return Pin{p.Repository, p.Suite, p.Current, p.Published} }

func (f *fixture) snapshot(name string, publications ...Publication) Snapshot {
	f.t.Helper()
	s := Snapshot{Name: name, Created: testTime, By: "uid 0"}
	for _, p := range publications {
		s.Pins = append(s.Pins, pinOf(p))
	}
	if err := f.AddSnapshot(f.t.Context(), s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestSnapshotsSurviveReopening(t *testing.T) {
	f := newFixture(t)
	p := f.publish("debian", f.add("stable", entries("stable", "1", nil)), testTime)
	want := f.snapshot("before-upgrade", p)
	f.reopen()
	got, err := f.Snapshot("before-upgrade")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	want.Completed, want.Pins = testTime, nil
	if err := f.SaveSnapshot(want); err != nil {
		t.Fatal(err)
	}
	if got, err = f.Snapshot("before-upgrade"); err != nil || got.Completed.IsZero() || len(got.Pins) != 1 {
		t.Errorf("saved: %+v, %v", got, err)
	}
	if err := f.SaveSnapshot(Snapshot{Name: "another"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("saving one that is not there: %v", err)
	}
}

func TestAddSnapshotRefuses(t *testing.T) {
	f := newFixture(t)
	p := f.publish("debian", f.add("stable", entries("stable", "1", nil)), testTime)
	f.snapshot("there", p)
	gone := pinOf(p)
	gone.Ref.Number = 7
	for name, c := range map[string]struct {
		s    Snapshot
		want error
	}{
		"a name that is taken":        {Snapshot{Name: "there", Pins: []Pin{pinOf(p)}}, ErrExists},
		"a generation that is gone":   {Snapshot{Name: "new", Pins: []Pin{gone}}, ErrNotFound},
		"nothing to pin":              {Snapshot{Name: "new"}, nil},
		"a name that is a moment":     {Snapshot{Name: "20261122T093000Z", Pins: []Pin{pinOf(p)}}, nil},
		"a name that is the present":  {Snapshot{Name: "now", Pins: []Pin{pinOf(p)}}, nil},
		"a name that is read as one":  {Snapshot{Name: "20260101T000000.5Z", Pins: []Pin{pinOf(p)}}, nil},
		"a name with a slash":         {Snapshot{Name: "a/b", Pins: []Pin{pinOf(p)}}, nil},
		"a name of dots":              {Snapshot{Name: "..", Pins: []Pin{pinOf(p)}}, nil},
		"a name with a line end":      {Snapshot{Name: "a\n", Pins: []Pin{pinOf(p)}}, nil},
		"a name that is too long":     {Snapshot{Name: strings.Repeat("a", 101), Pins: []Pin{pinOf(p)}}, nil},
		"more suites than reasonable": {Snapshot{Name: "new", Pins: make([]Pin, maxPins+1)}, nil},
	} {
		if err := f.AddSnapshot(t.Context(), c.s); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := f.Snapshots(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWhatASnapshotPinsStays(t *testing.T) {
	f := newFixture(t)
	first := f.add("stable", entries("stable", "0", nil))
	f.snapshot("old", f.publish("debian", first, testTime))
	for i := range 5 {
		f.publish("debian", f.add("stable", entries("stable", string(rune('a'+i)), nil)), testTime.AddDate(0, 0, 10*(i+1)))
	}
	if err := f.Expire(t.Context(), testTime.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if removed, err := f.RemoveUnneeded(t.Context(), Gone{}); err != nil || len(removed) != 1 || removed[0].Number == first.Number {
		t.Errorf("removed %v, %v", refs(removed), err)
	}
	if err := f.RemoveSnapshot(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if removed, err := f.RemoveUnneeded(t.Context(), Gone{}); err != nil || len(removed) != 1 || removed[0].Number != first.Number {
		t.Errorf("without the snapshot, removed %v, %v", refs(removed), err)
	}
}

func TestTheGenerationBeforeABuiltOneStays(t *testing.T) {
	f := newFixture(t)
	var all []Generation
	for i := range 7 {
		all = append(all, f.built("stable", string(rune('a'+i)), nil))
	}
	f.move("production", all[0], testTime)
	f.move("production", all[1], testTime.AddDate(0, 0, 10))
	for i := range 5 { // signed again, and published elsewhere, long after
		f.move("production", all[1], testTime.AddDate(0, 0, 20+i))
		f.move("site", all[i+2], testTime.AddDate(0, 0, 20+i))
	}
	if err := f.Expire(t.Context(), testTime.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.RemoveUnneeded(t.Context(), Gone{}); err != nil {
		t.Fatal(err)
	}
	p := f.move("production", all[0], testTime.AddDate(1, 0, 0))
	if p.Previous != all[1].Ref() {
		t.Errorf("after going back, the one before is %s", p.Previous)
	}
}

func TestASnapshotThatARingServesIsNotRemoved(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", nil)
	f.snapshot("june", f.move("site", g, testTime))
	ring, err := f.Publish(t.Context(), Move{Repository: "production", Suite: "stable", Next: g.Ref(), Signed: f.signed(g, testTime), Snapshot: "june", By: "uid 0"}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	ring = f.move("production", g, testTime.Add(time.Hour)) // signed again
	inUse := (*SnapshotInUseError)(nil)
	if err := f.RemoveSnapshot(t.Context(), "june"); !errors.As(err, &inUse) || inUse.Repository != "production" || ring.Snapshot != "june" {
		t.Errorf("removing what a ring serves: %v", err)
	}
	f.move("production", f.built("stable", "2", nil), testTime.Add(2*time.Hour))
	if err := f.RemoveSnapshot(t.Context(), "june"); err != nil {
		t.Error(err)
	}
	if err := f.RemoveSnapshot(t.Context(), "june"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
}

func TestRemovingASnapshotWithdrawsWhatIsServedOfIt(t *testing.T) {
	f := newFixture(t)
	f.serve("site", "stable")
	g := f.built("stable", "1", nil)
	f.snapshot("june", f.move("site", g, testTime))
	name := SnapshotRepository("site", "june")
	f.move(name, g, testTime.Add(time.Hour))
	f.ServeRepository(name, []string{"stable"})
	f.wantFile(name, "dists/stable/main/binary-amd64/Packages", "index 1")
	if err := f.RemoveSnapshot(t.Context(), "june"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Resolve(name, "dists/stable/Release", anySuite); !errors.Is(err, ErrNoRepository) {
		t.Errorf("what is removed is served: %v", err)
	}
	if _, err := f.Publication(name, "stable"); !errors.Is(err, ErrNotFound) {
		t.Errorf("its publication: %v", err)
	}
	if moves, err := f.History(t.Context(), name, "stable", 9); err != nil || len(moves) != 0 {
		t.Errorf("its history: %v, %v", moves, err)
	}
	f.wantFile("site", "dists/stable/main/binary-amd64/Packages", "index 1")
}

func TestCutSnapshotRepositoryTakesItApart(t *testing.T) {
	if repository, id, ok := CutSnapshotRepository(SnapshotRepository("site", "june")); !ok || repository != "site" || id != "june" {
		t.Errorf("%q, %q, %v", repository, id, ok)
	}
	if _, _, ok := CutSnapshotRepository("site"); ok {
		t.Error("a configured repository is taken for a snapshot")
	}
}
