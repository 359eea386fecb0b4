package catalog

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refs(generations []Generation) (all []Ref) {
	for _, g := range generations {
		all = append(all, g.Ref())
	}
	return all
}

func TestUnneededAreThoseThatNobodyHasAndThatAreNotTheNewest(t *testing.T) {
	generation := func(suite string, number uint64) Generation {
		return Generation{Archive: "a", Suite: suite, Number: number}
	}
	all := []Generation{generation("s", 1), generation("s", 2), generation("s", 3), generation("s", 4), generation("t", 7), generation("t", 8)}
	publications := []Publication{
		{Current: all[2].Ref(), Retained: []Retained{{Ref: all[1].Ref()}}},
		{Current: all[5].Ref()},
	}
	if diff := cmp.Diff([]Ref{all[0].Ref(), all[4].Ref()}, refs(State{Generations: all, Publications: publications}.Unneeded(Gone{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Ref{all[0].Ref(), all[1].Ref(), all[2].Ref(), all[4].Ref()}, refs(State{Generations: all}.Unneeded(Gone{}))); diff != "" {
		t.Errorf("without publications (-want +got):\n%s", diff)
	}
}

func TestExpireCutsWhatNoBoundAsksForAnyMore(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	for i := range 8 {
		name := string(rune('a' + i))
		g := f.add("stable", entries("stable", name, map[string]string{"pool/" + name: name}))
		f.publish("debian", g, testTime.Add(time.Duration(i)*time.Hour))
	}
	f.wantFile("debian", "pool/a", "a")
	if err := f.Expire(t.Context(), testTime.Add(20*time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.wantFile("debian", "pool/a", "a")
	if err := f.Expire(t.Context(), testTime.Add(100*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"a", "b", "c", "d"} {
		f.wantFile("debian", "pool/"+gone, "")
	}
	for _, kept := range []string{"e", "f", "g", "h"} {
		f.wantFile("debian", "pool/"+kept, kept)
	}
	removed, err := f.RemoveUnneeded(t.Context(), Gone{})
	if err != nil || len(removed) != 4 {
		t.Fatalf("removed %v, %v", refs(removed), err)
	}
	f.reopen()
	f.serve("debian", "stable")
	f.wantFile("debian", "pool/d", "")
	f.wantFile("debian", "pool/e", "e")
	if d := f.Damaged(); d != nil {
		t.Errorf("damaged: %v", d)
	}
	if _, err := f.Generation("upstream", "stable", 4); !errors.Is(err, ErrNotFound) {
		t.Errorf("generation 4: %v", err)
	}
}

func TestSteadyKeepsGenerationsFromBeingAdded(t *testing.T) {
	f := newFixture(t)
	f.add("stable", entries("stable", "a", nil))
	added := make(chan uint64)
	err := f.Steady(t.Context(), func(s State) error {
		if len(s.Generations) != 1 {
			t.Errorf("%d generations", len(s.Generations))
		}
		go func() { added <- f.add("stable", entries("stable", "b", nil)).Number }()
		select {
		case <-added:
			t.Error("a generation was added meanwhile")
		default:
		}
		again, err := f.Generations(t.Context())
		if len(again) != 1 {
			t.Errorf("%d generations at the end", len(again))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := <-added; n != 2 {
		t.Errorf("generation %d", n)
	}
}

func TestNotesSurviveReopening(t *testing.T) {
	f := newFixture(t)
	var got string
	if err := f.Note("scrub", &got); !errors.Is(err, ErrNotFound) {
		t.Errorf("a note that nobody wrote: %v", err)
	}
	for _, value := range []string{"one", "two"} {
		if err := f.SaveNote("scrub", value); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen()
	if err := f.Note("scrub", &got); err != nil || got != "two" {
		t.Errorf("%q, %v", got, err)
	}
	if err := f.SaveNote("", 1); err == nil {
		t.Error("a note without a name is kept")
	}
}
