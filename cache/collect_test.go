package cache

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// history publishes five generations of a suite a day apart, each with a package of its own
// and one that all have, and stores the packages.
func history(f *fixture) (generations []catalog.Generation, own []file, common file) {
	common = file{"common", unit}
	for i := range 5 {
		p := file{fmt.Sprintf("own-%d", i), unit}
		own = append(own, p)
		g := f.generation("stable", common, p)
		f.publish(g)
		f.mustFill(common, p)
		generations = append(generations, g)
		f.clock = f.clock.Add(24 * time.Hour)
	}
	return generations, own, common
}

func (f *fixture) collected(dryRun bool) Collected {
	f.t.Helper()
	out, err := f.Collect(f.t.Context(), dryRun, catalog.Gone{})
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) wantGenerations(want ...catalog.Generation) {
	f.t.Helper()
	all, err := f.Catalog.Generations(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var numbers, wanted []catalog.Ref
	for _, g := range all {
		numbers = append(numbers, g.Ref())
	}
	for _, g := range want {
		wanted = append(wanted, g.Ref())
	}
	if diff := cmp.Diff(wanted, numbers); diff != "" {
		f.t.Errorf("generations (-want +got):\n%s", diff)
	}
}

func TestCollectKeepsWhatRetentionPromises(t *testing.T) {
	f := newFixture(t, Options{})
	generations, own, common := history(f)
	f.put([]byte("what nothing names"))
	// Of the last three before the current one, all are retained, whatever their age.
	f.clock = f.clock.AddDate(1, 0, 0)
	would := f.collected(true)
	f.wantGenerations(generations...)
	did := f.collected(false)
	if diff := cmp.Diff(would, did); diff != "" {
		t.Errorf("a dry run said otherwise (-dry +did):\n%s", diff)
	}
	f.wantGenerations(generations[1:]...)
	if diff := cmp.Diff([]string{"own-1", "own-2", "own-3", "own-4", "common"}, f.stored(append(own, common)...)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if did.Files != 6 { // a package, its index, two Releases, a manifest, and what nothing names
		t.Errorf("%+v", did)
	}
	for _, g := range generations[1:] {
		f.wantWhole(g)
	}
	if again := f.collected(false); again.Files != 0 || again.Generations != nil {
		t.Errorf("once more: %+v", again)
	}
}

func TestCollectKeepsWhatIsYoung(t *testing.T) {
	f := newFixture(t, Options{})
	var generations []catalog.Generation
	for i := range 8 {
		g := f.generation("stable", file{fmt.Sprint(i), 10})
		f.publish(g)
		generations = append(generations, g)
		f.clock = f.clock.Add(time.Hour)
	}
	f.collected(false)
	f.wantGenerations(generations...)
	f.clock = f.clock.Add(72 * time.Hour)
	f.collected(false)
	f.wantGenerations(generations[4:]...)
}

func TestCollectKeepsTheNewestOfEverySuite(t *testing.T) {
	f := newFixture(t, Options{})
	f.generation("stable")
	f.generation("stable", file{"a", 10})
	newest := f.generation("stable", file{"b", 10})
	other := f.generation("testing")
	f.collected(false)
	f.wantGenerations(newest, other)
	f.wantWhole(newest)
	if next := f.generation("stable"); next.Number != newest.Number+1 {
		t.Errorf("the next generation has number %d", next.Number)
	}
}

func TestCollectSparesWhatIsHeldOrRead(t *testing.T) {
	f := newFixture(t, Options{})
	f.generation("stable")
	held, read := f.put([]byte("held")), f.put([]byte("read"))
	release := f.Hold(held)
	f.Begin(read)
	if out := f.collected(true); out.Files != 0 {
		t.Errorf("a dry run would remove %+v", out)
	}
	f.collected(false)
	if !f.has(held) || !f.has(read) {
		t.Error("a file in use was removed")
	}
	release()
	f.End(read)
	if out := f.collected(false); out.Files != 2 {
		t.Errorf("afterwards: %+v", out)
	}
}

func TestCollectRemovesNothingWhileAGenerationCannotBeRead(t *testing.T) {
	f := newFixture(t, Options{})
	g := f.generation("stable", packages(2)...)
	f.mustFill(packages(2)...)
	if err := f.Blobs.Delete(t.Context(), g.Manifest); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Collect(t.Context(), false, catalog.Gone{}); !errors.Is(err, errUnknownNeeds) {
		t.Errorf("%v", err)
	}
	if len(f.stored(packages(2)...)) != 2 {
		t.Error("files were removed")
	}
}

// Generations come and go, with their parts taken from what others left,
// while files are collected, evicted and read.
func TestNothingNeededGoesWhileEverythingHappens(t *testing.T) {
	f := limited(t, 6)
	first := f.generation("stable", packages(2)...)
	f.publish(first)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for _, work := range []func(i int) error{
		func(int) error { _, err := f.Collect(t.Context(), false, catalog.Gone{}); return err },
		func(i int) error {
			if err := f.fill(packages(20)[i%20]); !errors.Is(err, blob.ErrNoSpace) { // nobody reclaims here
				return err
			}
			return nil
		},
		func(int) error { return f.storeUses(t.Context()) },
	} {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if err := work(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 60 {
		// Three different generations in turn, so that each finds what it needs on its way out.
		g := f.heldGeneration("stable", packages(1+i%3)...)
		f.wantWhole(g)
		f.publish(g)
	}
	close(done)
	wg.Wait()
	all, err := f.Catalog.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		f.wantWhole(g)
	}
}

// A retained generation that cannot be read is not served, and must not keep
// everything else for ever.
func TestCollectGoesOnBesideARetainedGenerationThatCannotBeRead(t *testing.T) {
	f := newFixture(t, Options{})
	generations, own, common := history(f)
	f.drop(generations[3].Manifest)
	f.put([]byte("what nothing names"))
	if out := f.collected(false); out.Files == 0 {
		t.Errorf("%+v", out)
	}
	if diff := cmp.Diff([]string{"own-2", "own-4", "common"}, f.stored(own[2], own[4], common)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	f.wantWhole(generations[4])
}
