package catalog

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryTellsWhoPublishedWhat(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", nil)
	p, err := f.Publish(t.Context(), Move{Repository: "production", Suite: "stable", Next: g.Ref(), Signed: f.signed(g, testTime), Snapshot: "june", By: "uid 0", Why: "tested"}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	f.move("production/2", g, testTime) // another repository, with a name that begins alike
	again := f.move("production", g, testTime.Add(time.Hour))
	f.reopen()
	got, err := f.History(t.Context(), "production", "stable", 10)
	want := []Moved{
		{Repository: "production", Suite: "stable", Published: again.Published, Before: g.Ref(), Current: g.Ref(), Snapshot: "june"},
		{Repository: "production", Suite: "stable", Published: p.Published, Current: g.Ref(), Snapshot: "june", By: "uid 0", Why: "tested"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAtGivesWhatWasCurrentAtAMoment(t *testing.T) {
	f := newFixture(t)
	var all []Generation
	for i := range 3 {
		all = append(all, f.add("stable", entries("stable", fmt.Sprint(i), nil)))
		f.publish("debian", all[i], testTime.Add(time.Duration(i)*time.Hour))
	}
	f.publish("debiar", all[0], testTime) // its rows come right after
	for _, c := range []struct {
		after time.Duration
		want  int // index, -1 for none
	}{{-time.Second, -1}, {0, 0}, {time.Second, 0}, {time.Hour - time.Second, 0}, {time.Hour, 1}, {2*time.Hour - time.Nanosecond, 1}, {2 * time.Hour, 2}, {1e6 * time.Hour, 2}} {
		m, err := f.At("debian", "stable", testTime.Add(c.after))
		if c.want < 0 && !errors.Is(err, ErrNotFound) || c.want >= 0 && (err != nil || m.Current != all[c.want].Ref()) {
			t.Errorf("%s after the beginning: %+v, %v; want %d", c.after, m, err, c.want)
		}
	}
	if m, err := f.Oldest("debian", "stable"); err != nil || m.Current != all[0].Ref() {
		t.Errorf("the oldest is %+v, %v", m, err)
	}
	if _, err := f.Oldest("debian", "testing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the oldest of nothing: %v", err)
	}
	if _, err := f.At("debian", "stable", time.Time{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("before all time: %v", err)
	}
}

func TestHistoryIsTrimmedToTheNewestOfEverySuite(t *testing.T) {
	f := newFixture(t)
	g := f.add("stable", entries("stable", "1", nil))
	h := f.add("stable", entries("stable", "2", nil))
	for i := range 6 {
		f.publish("debian", []Generation{g, h}[i%2], testTime)
		f.publish("other", []Generation{g, h}[i%2], testTime)
	}
	if err := f.trimHistory(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, repository := range []string{"debian", "other"} {
		got, err := f.History(t.Context(), repository, "stable", 10)
		if err != nil || len(got) != 2 || got[0].Published.Sub(testTime) != 5*time.Second {
			t.Errorf("%s: %+v, %v", repository, got, err)
		}
	}
}
