package status

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/proxy/identity"
)

func TestRingMovesWithTheClock(t *testing.T) {
	start := time.Unix(0, 0).Add(1000 * time.Hour)
	r := newRing(time.Hour, 4)
	hits := func() (all []int64) {
		for _, p := range r.periods {
			all = append(all, p.Hits)
		}
		return all
	}
	for _, step := range []struct {
		at   time.Duration
		want []int64
	}{
		{0, []int64{0, 0, 0, 1}},
		{59 * time.Minute, []int64{0, 0, 0, 2}},
		{time.Hour, []int64{0, 0, 2, 1}},
		{3 * time.Hour, []int64{2, 1, 0, 1}},
		{2 * time.Hour, []int64{2, 1, 0, 2}}, // the clock went back
		{4 * time.Hour, []int64{1, 0, 2, 1}},
		{2 * time.Hour, []int64{0, 0, 1, 1}}, // it was ahead
		{-8 * time.Hour, []int64{0, 0, 0, 1}},
		{8 * time.Hour, []int64{0, 0, 0, 1}},
		{900 * time.Hour, []int64{0, 0, 0, 1}},
	} {
		r.at(start.Add(step.at)).Hits++
		if diff := cmp.Diff(step.want, hits()); diff != "" {
			t.Errorf("after %v: %s", step.at, diff)
		}
	}
	if s := r.span(start.Add(901 * time.Hour)); !s.start.Equal(start.Add(898*time.Hour)) || s.periods[2].Hits != 1 || s.periods[3].Hits != 0 {
		t.Errorf("span %+v", s)
	}
}

func TestTrafficCounts(t *testing.T) {
	x := newTraffic()
	for _, r := range []Request{
		{Outcome: Hit, Bytes: 100}, {Outcome: Hit}, {Outcome: Fill, Bytes: 10}, {Outcome: Pass, Bytes: 1}, {Outcome: Refused}, {Outcome: Unavailable},
		{Outcome: Cut, Bytes: 7}, {Outcome: Failed}, {Outcome: Missing}, {Outcome: Left, Bytes: 9}, {Outcome: Done, Bytes: 9},
	} {
		x.add(r, noon)
	}
	x.fetched(500, noon)
	fine, coarse := x.rows(noon)
	want := period{Hits: 2, Misses: 2, Refused: 1, Bad: 3, Stored: 100, Fresh: 11, Fetched: 500}
	if fine.total() != want || coarse.total() != want {
		t.Errorf("%+v and %+v, want %+v", fine.total(), coarse.total(), want)
	}
	if rate, ok := want.hitRate(); rate != 0.5 || !ok {
		t.Errorf("hit rate %v, %v", rate, ok)
	}
	if _, ok := (period{Refused: 3}).hitRate(); ok {
		t.Error("there is a hit rate without hits and misses")
	}
}

// What a board remembers is there after a restart, as old as it is.
func TestNotesSurvive(t *testing.T) {
	kept := notes{}
	b := populated(t, calm())
	b.Notes = kept
	b.Save()
	whole := b.clients.list()
	if len(whole) < 40 {
		t.Fatalf("only %d clients", len(whole))
	}
	later := b.Config
	later.Now = func() time.Time { return noon.Add(2 * time.Hour) }
	again := New(later)
	if diff := cmp.Diff(b.clients.list(), again.clients.list(), cmp.AllowUnexported(named{})); diff != "" {
		t.Errorf("clients (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(b.clients.turnedAway(), again.clients.turnedAway()); diff != "" || len(again.clients.turnedAway()) != 2 {
		t.Errorf("refused clients (-before +after):\n%s", diff)
	}
	_, before := b.traffic.rows(noon)
	_, after := again.traffic.rows(noon)
	if diff := cmp.Diff(before.periods, after.periods); diff != "" {
		t.Errorf("traffic (-before +after):\n%s", diff)
	}
	if fine, _ := again.traffic.rows(later.Now()); fine.periods[95] != (period{}) || fine.periods[87] == (period{}) {
		t.Error("the traffic is not two hours older")
	}
	if size := len(kept[trafficNote]); size > 20_000 {
		t.Errorf("the note of the traffic has %d bytes", size)
	}
}

// Notes of another version, or damaged ones, are no reason not to start.
func TestOddNotesAreForgotten(t *testing.T) {
	for _, raw := range []string{`"x"`, `{"fine":{"last":-5,"periods":{"-9223372036854775808":[1],"7":[1,2,3,4,5,6,7,8]}}}`, `{"clients":7}`, `{"clients":{"dns:a":{}},"turned":[{}]}`, ``} {
		b := New(Config{Notes: notes{trafficNote: []byte(raw), clientsNote: []byte(raw)}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
			State: func(context.Context) (*State, error) { return calm(), nil }})
		b.Observe(request(1, noon))
		if page := get(t, b.Handler(), "/status"); page.Code != 200 {
			t.Errorf("%s: %d", raw, page.Code)
		}
	}
}

func FuzzNotes(f *testing.F) {
	kept := notes{}
	b := board(f, calm())
	b.Observe(request(3, noon))
	b.Notes = kept
	b.Save()
	for _, raw := range kept {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var kept trafficKept
		traffic := newTraffic()
		if json.Unmarshal(raw, &kept) == nil {
			traffic.restore(kept)
		}
		traffic.add(request(1, noon), noon)
		if fine, coarse := traffic.rows(noon); len(fine.periods) != fineCount || len(coarse.periods) != coarseCount {
			t.Error("the traffic that was remembered is out of bounds")
		}
		var seen clientsKept
		clients := newClients()
		if json.Unmarshal(raw, &seen) == nil {
			clients.restore(seen)
		}
		clients.seen(request(1, noon), noon)
		if len(clients.list()) > maxClients || len(clients.turnedAway()) > maxTurned {
			t.Error("the clients that were remembered are out of bounds")
		}
	})
}

func TestClientsAreBounded(t *testing.T) {
	c := newClients()
	for i := range maxClients + 1 {
		c.seen(Request{Identity: identity.Identity{Name: fmt.Sprint("dns:", i)}}, noon.Add(time.Duration(i)*time.Second))
	}
	all := c.list()
	if len(all) != maxClients-maxClients/10+1 || all[0].Name != fmt.Sprint("dns:", maxClients) {
		t.Errorf("%d clients, the last %s", len(all), all[0].Name)
	}
	if last := all[len(all)-1].Name; last != fmt.Sprint("dns:", maxClients/10) {
		t.Errorf("the oldest is %s", last)
	}
	for i := range 3 * maxTurned {
		c.refused(fmt.Sprintf("192.0.2.%d:1", i), identity.Revoked, "no", noon.Add(time.Duration(i)*time.Second))
	}
	if turned := c.turnedAway(); len(turned) != maxTurned || turned[0].Host != fmt.Sprintf("192.0.2.%d", 3*maxTurned-1) {
		t.Errorf("%d refused, the last %s", len(turned), turned[0].Host)
	}
}

// The note has to fit into one transaction of the catalog.
func TestTheNoteOfClientsIsBounded(t *testing.T) {
	c := newClients()
	for i := range maxClients {
		id := identity.Identity{Name: fmt.Sprintf("uri:spiffe://%s/%d", strings.Repeat("x", 170), i), NotAfter: noon}
		c.seen(Request{Identity: id, Bytes: 1e15}, noon.Add(time.Duration(i)*time.Second))
	}
	c.seen(Request{Identity: identity.Identity{Name: "uri:" + strings.Repeat("x", 2000)}}, noon)
	raw, err := json.Marshal(c.note())
	if err != nil || len(raw) > 1_000_000 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	again := newClients()
	again.restore(c.note())
	if all := again.list(); len(all) != keptClients || all[0].Name != c.list()[0].Name {
		t.Errorf("%d clients are remembered", len(all))
	}
}

// Nothing is written where nothing has happened.
func TestTheSameNoteIsNotWrittenAgain(t *testing.T) {
	kept := notes{}
	b := board(t, calm())
	b.Notes = kept
	b.Observe(request(1, noon))
	b.Save()
	clear(kept)
	b.Save()
	if len(kept) != 0 {
		t.Errorf("written again: %d", len(kept))
	}
	b.Observe(request(1, noon))
	b.Save()
	if len(kept) != 2 {
		t.Errorf("written: %d", len(kept))
	}
}

func TestRefusalsOfOneKindAreOneLine(t *testing.T) {
	c := newClients()
	for i := range 5 {
		c.refused(fmt.Sprintf("[2001:db8::1]:%d", 4000+i), identity.Expired, "expired", noon.Add(time.Duration(i)))
	}
	want := []turned{{Host: "2001:db8::1", Text: "expired", Reason: "expired", Last: noon.Add(4), Count: 5}}
	if diff := cmp.Diff(want, c.turnedAway()); diff != "" {
		t.Error(diff)
	}
}

// Notes are written now and then, and at the end.
func TestRunSaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := notes{}
		b := board(t, calm())
		b.Notes = kept
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		time.Sleep(saveEvery + time.Second)
		synctest.Wait()
		if len(kept) != 2 {
			t.Errorf("notes %v", kept)
		}
		b.Observe(request(1, noon))
		cancel()
		if err := <-done; err != nil || !strings.Contains(string(kept[clientsNote]), "host01") {
			t.Errorf("%v, notes %s", err, kept[clientsNote])
		}
	})
}
