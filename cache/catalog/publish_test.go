package catalog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPublishMovesThePointerItWasShown(t *testing.T) {
	f := newFixture(t)
	a, b := f.add("stable", entries("stable", "a", nil)), f.add("stable", entries("stable", "b", nil))
	missing := Ref{"upstream", "stable", 99}
	for _, step := range []struct {
		name         string
		expect, next Ref
		want         error
		current      Ref
	}{
		{"replacing what is not there", b.Ref(), a.Ref(), ErrConflict, Ref{}},
		{"a generation that does not exist", Ref{}, missing, ErrNotFound, Ref{}},
		{"the first", Ref{}, a.Ref(), nil, a.Ref()},
		{"the first once more", Ref{}, b.Ref(), ErrConflict, a.Ref()},
		{"the second", a.Ref(), b.Ref(), nil, b.Ref()},
		{"from an old state", a.Ref(), b.Ref(), ErrConflict, b.Ref()},
		{"back", b.Ref(), a.Ref(), nil, a.Ref()},
	} {
		if _, err := f.Publish(t.Context(), Move{Repository: "debian", Suite: "stable", Expect: step.expect, Next: step.next}, testTime); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
		if p, _ := f.Publication("debian", "stable"); p.Current != step.current {
			t.Errorf("%s: current is %v, want %v", step.name, p.Current, step.current)
		}
	}
	if _, err := f.Publication("other", "stable"); err != ErrNotFound {
		t.Errorf("another repository: %v", err)
	}
}

func TestOfConcurrentPublishersOneWins(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	current := Ref{}
	for round := range 5 {
		var candidates []Generation
		for i := range 8 {
			candidates = append(candidates, f.add("stable", entries("stable", fmt.Sprint(round, i), nil)))
		}
		results := make([]error, len(candidates))
		var group sync.WaitGroup
		for i, g := range candidates {
			group.Go(func() {
				_, results[i] = f.Publish(t.Context(), Move{Repository: "debian", Suite: "stable", Expect: current, Next: g.Ref()}, testTime)
			})
		}
		group.Wait()
		winners := 0
		for i, err := range results {
			switch {
			case err == nil:
				winners, current = winners+1, candidates[i].Ref()
			case !errors.Is(err, ErrConflict):
				t.Error(err)
			}
		}
		if winners != 1 {
			t.Fatalf("%d publishers won", winners)
		}
		f.wantFile("debian", "dists/stable/InRelease", fmt.Sprint("release ", round, current.Number-candidates[0].Number))
	}
}

func TestPublishedIncreasesByWholeSeconds(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	g := []Generation{f.add("stable", entries("stable", "a", nil)), f.add("stable", entries("stable", "b", nil))}
	for i, step := range []struct{ now, want time.Duration }{
		{500 * time.Millisecond, 0},
		{700 * time.Millisecond, time.Second},
		{1999 * time.Millisecond, 2 * time.Second},
		{3 * time.Second, 3 * time.Second},
		{-time.Hour, 4 * time.Second},
		{time.Minute, time.Minute},
	} {
		p := f.publish("debian", g[i%2], testTime.Add(step.now).Local())
		if want := testTime.Add(step.want); !p.Published.Equal(want) || p.Published.Nanosecond() != 0 {
			t.Errorf("published at %v: %v, want %v", step.now, p.Published, want)
		}
		file, err := f.Resolve("debian", "dists/stable/InRelease", anySuite)
		if err != nil || !file.Modified.Equal(p.Published) {
			t.Errorf("its InRelease is of %v, %v; want %v", file.Modified, err, p.Published)
		}
	}
}

// Each case publishes generations 1, 2, 3, ... at these hours.
func TestRetention(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hours []int
		want  []uint64
	}{
		{"the first has nothing before it", []int{0}, nil},
		{"three stay for ever", []int{0, 1000, 2000, 3000, 4000}, []uint64{4, 3, 2}},
		{"all of 72 hours stay", []int{0, 10, 20, 30, 40, 50, 60}, []uint64{6, 5, 4, 3, 2, 1}},
		{"one that ended 72 hours ago goes", []int{0, 1, 2, 3, 4, 73}, []uint64{5, 4, 3, 2}},
		{"one that ended just before stays", []int{0, 1, 2, 3, 4, 72}, []uint64{5, 4, 3, 2, 1}},
		{"a wrong clock does not keep old ones for ever", []int{9000, 9001, 0, 1, 2, 3, 100}, []uint64{6, 5, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p Publication
			for i, h := range tc.hours {
				p.advance(Move{Next: Ref{"upstream", "stable", uint64(i + 1)}}, testTime.Add(time.Duration(h)*time.Hour))
			}
			if diff := cmp.Diff(tc.want, numbers(p.Retained)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRetentionIsBounded(t *testing.T) {
	var p Publication
	for i := range 2 * retainMost {
		p.advance(Move{Next: Ref{"upstream", "stable", uint64(i + 1)}}, testTime.Add(time.Duration(i)*time.Second))
	}
	if len(p.Retained) != retainMost {
		t.Errorf("%d generations are retained, want %d", len(p.Retained), retainMost)
	}
}

func TestGenerationsThatComeBackAreRetainedOnce(t *testing.T) {
	var p Publication
	for i, n := range []uint64{1, 2, 3, 1, 2, 2, 1} {
		p.advance(Move{Next: Ref{"upstream", "stable", n}}, testTime.Add(time.Duration(i)*time.Hour))
	}
	if diff := cmp.Diff([]uint64{2, 3}, numbers(p.Retained)); p.Current.Number != 1 || diff != "" {
		t.Errorf("current %d: %s", p.Current.Number, diff)
	}
}

func numbers(retained []Retained) (all []uint64) {
	for _, r := range retained {
		all = append(all, r.Number)
	}
	return all
}

func TestPublishOfWhatCannotBeReadChangesNothing(t *testing.T) {
	for name, repositories := range map[string][]string{"served": {"debian"}, "not served": {"other"}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.serve(repositories[0], "stable")
			good := f.add("stable", entries("stable", "good", nil))
			p := f.publish("debian", good, testTime)
			bad := f.add("stable", entries("stable", "bad", nil))
			if err := f.blobs.Delete(t.Context(), bad.Manifest); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Publish(t.Context(), Move{Repository: "debian", Suite: "stable", Expect: good.Ref(), Next: bad.Ref()}, testTime.Add(time.Hour)); err == nil {
				t.Error("a generation without manifest was published")
			}
			f.reopen()
			f.serve("debian", "stable")
			f.wantFile("debian", "dists/stable/InRelease", "release good")
			if now, err := f.Publication("debian", "stable"); !cmp.Equal(now, p) {
				t.Errorf("the publication is %v, %v; want %v", now, err, p)
			}
		})
	}
}

func TestPublishStopsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	g := f.add("stable", entries("stable", "a", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Publish(ctx, Move{Repository: "debian", Suite: "stable", Expect: Ref{}, Next: g.Ref()}, testTime); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that the context ended", err)
	}
	if _, err := f.Publication("debian", "stable"); err != ErrNotFound {
		t.Errorf("it was published nevertheless: %v", err)
	}
}

// A write that fails at its end may have moved the pointer: then nobody would
// publish that generation again, and clients must not be left with the old one.
func TestClientsSeeWhatTheRowSays(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	f.publish("debian", f.add("stable", entries("stable", "a", nil)), testTime)
	g := f.add("stable", entries("stable", "b", nil))
	before, err := f.Publication("debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	dir := f.Catalog.dir
	f.Catalog.dir, f.Catalog.free = filepath.Join(dir, "gone"), func(string) (int64, error) { return 1 << 40, nil }
	_, err = f.Publish(t.Context(), Move{Repository: "debian", Suite: "stable", Expect: before.Current, Next: g.Ref()}, testTime.Add(time.Hour))
	f.Catalog.dir = dir
	if err == nil {
		t.Fatal("a write that could not be finished is no error")
	}
	if p, err := f.Publication("debian", "stable"); err != nil || p.Current != g.Ref() {
		t.Fatalf("the row says %v, %v", p.Current, err)
	}
	f.wantFile("debian", "dists/stable/InRelease", "release b")
}
