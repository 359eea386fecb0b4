package status

import (
	"sync"
	"time"
)

const day = 24 * time.Hour

// The traffic of a day is kept in quarters of an hour, that of a month in
// pieces of six hours: as fine as a chart of it shows.
const (
	fineStep, fineCount     = 15 * time.Minute, 96
	coarseStep, coarseCount = 6 * time.Hour, 120
)

// traffic remembers how much was served.
type traffic struct {
	mu           sync.Mutex // guards both rings
	fine, coarse *ring
}

func newTraffic() *traffic {
	return &traffic{fine: newRing(fineStep, fineCount), coarse: newRing(coarseStep, coarseCount)}
}

// ring is a row of equal stretches of time that ends with the current one.
type ring struct {
	step    time.Duration
	periods []period // oldest first
	last    int64    // number of steps since 1970 at the last period
}

// period is what happened in one stretch of time. It is kept as an array.
type period struct {
	Hits, Misses  int64 // requests for files: answered from the store, or from upstream
	Refused, Bad  int64 // requests that were refused; that could not be answered
	Stored, Fresh int64 // bytes to clients: from the store, or just fetched
	Fetched       int64 // bytes from upstream, for whatever
}

func newRing(step time.Duration, n int) *ring { return &ring{step: step, periods: make([]period, n)} }

// at gives the current period, with those between empty. A clock that goes
// back by less than a step counts for the newest; where it goes back further, it
// was ahead, and what came to lie in the future is forgotten.
func (r *ring) at(now time.Time) *period {
	number := now.Unix() / int64(r.step/time.Second)
	n := int64(len(r.periods))
	switch gap := number - r.last; {
	case gap >= n || gap <= -n:
		clear(r.periods)
		r.last = number
	case gap > 0:
		copy(r.periods, r.periods[gap:])
		clear(r.periods[n-gap:])
		r.last = number
	case gap < -1:
		copy(r.periods[-gap:], r.periods)
		clear(r.periods[:-gap])
		r.last = number
	}
	return &r.periods[n-1]
}

func (t *traffic) add(r Request, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fine.at(now).add(r)
	t.coarse.at(now).add(r)
}

func (p *period) add(r Request) {
	switch r.Outcome {
	case Hit:
		p.Hits++
		p.Stored += r.Bytes
	case Fill, Pass:
		p.Misses++
		p.Fresh += r.Bytes
	case Refused:
		p.Refused++
	case Unavailable, Cut, Failed:
		p.Bad++
	}
}

func (t *traffic) fetched(bytes int64, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fine.at(now).Fetched += bytes
	t.coarse.at(now).Fetched += bytes
}

// rows gives copies of both rings up to now, oldest first.
func (t *traffic) rows(now time.Time) (fine, coarse span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fine.span(now), t.coarse.span(now)
}

// span is a stretch of time in equal steps, the last of which is not over.
type span struct {
	start   time.Time
	step    time.Duration
	periods []period
}

func (r *ring) span(now time.Time) span {
	r.at(now)
	n := int64(len(r.periods))
	start := time.Unix((r.last-n+1)*int64(r.step/time.Second), 0).UTC()
	return span{start, r.step, append([]period(nil), r.periods...)}
}

func (s span) total() (sum period) {
	for _, p := range s.periods {
		sum.Hits, sum.Misses = sum.Hits+p.Hits, sum.Misses+p.Misses
		sum.Refused, sum.Bad = sum.Refused+p.Refused, sum.Bad+p.Bad
		sum.Stored, sum.Fresh = sum.Stored+p.Stored, sum.Fresh+p.Fresh
		sum.Fetched += p.Fetched
	}
	return sum
}

// hitRate is the share of files that came from the store; ok is false where
// nobody asked for any.
func (p period) hitRate() (rate float64, ok bool) {
	if p.Hits+p.Misses == 0 {
		return 0, false
	}
	return float64(p.Hits) / float64(p.Hits+p.Misses), true
}

// trafficKept is the note of a traffic.
type trafficKept struct {
	Fine   ringKept `json:"fine"`
	Coarse ringKept `json:"coarse"`
}

// ringKept leaves out what is empty: a quiet night takes no room.
type ringKept struct {
	Last    int64              `json:"last"`
	Periods map[int64][7]int64 `json:"periods"` // by number of steps since 1970
}

func (t *traffic) note() trafficKept {
	t.mu.Lock()
	defer t.mu.Unlock()
	return trafficKept{t.fine.note(), t.coarse.note()}
}

func (r *ring) note() ringKept {
	kept := ringKept{Last: r.last, Periods: map[int64][7]int64{}}
	first := r.last - int64(len(r.periods)) + 1
	for i, p := range r.periods {
		if p != (period{}) {
			kept.Periods[first+int64(i)] = [7]int64{p.Hits, p.Misses, p.Refused, p.Bad, p.Stored, p.Fresh, p.Fetched}
		}
	}
	return kept
}

func (t *traffic) restore(kept trafficKept) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fine.restore(kept.Fine)
	t.coarse.restore(kept.Coarse)
}

func (r *ring) restore(kept ringKept) {
	r.last = kept.Last
	first := r.last - int64(len(r.periods)) + 1
	for number, v := range kept.Periods {
		if i := number - first; i >= 0 && i < int64(len(r.periods)) {
			r.periods[i] = period{v[0], v[1], v[2], v[3], v[4], v[5], v[6]}
		}
	}
}
