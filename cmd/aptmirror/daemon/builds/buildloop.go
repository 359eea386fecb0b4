package builds

import (
	"context"
	"sync"
	"time"

	"aptmirror/cmd/aptmirror/daemon/inforce"
)

const (
	// buildLook is how often a serving daemon looks whether something is due that
	// no event tells of: the end of a hold, a signature's half life.
	buildLook = time.Minute
	// longestLook is the pause after builds that failed again and again, which
	// doubles: what is due stays due, and each try is a job on record.
	longestLook = time.Hour

	// restShare is how many times as long as its last build took a suite rests
	// before it is built again because something has changed. Whoever uploads one
	// package after the other would keep a processor busy with nothing else.
	restShare = 4
	// longestRest bounds that: what is uploaded is served soon.
	longestRest = 10 * time.Minute
)

// buildLoop builds what changes and signs what is due, the first change at once
// and those that come while a suite rests together.
type buildLoop struct {
	changes <-chan string                // why a build is asked for
	due     func(context.Context) string // why one is needed although nothing was changed; "" if none is
	suites  func() []inforce.BuiltSuite
	build   func(ctx context.Context, why string, resting map[inforce.BuiltSuite]bool) error
	rests   *rests
	now     func() time.Time
}

func (w *Workshop) Forever(ctx context.Context) error {
	return (&buildLoop{
		changes: w.changes, due: w.Due, build: w.Job, rests: &w.rests, now: w.Now,
		suites: func() []inforce.BuiltSuite { return w.InForce().Order() },
	}).run(ctx)
}

// run goes on until ctx ends.
func (l *buildLoop) run(ctx context.Context) error {
	look, waiting := buildLook, ""
	var rested <-chan time.Time // when the first of the suites has rested that wait
	for why := "start"; ; {
		if why != "" {
			var rest time.Time
			rest, look = l.round(ctx, why, look)
			if waiting, rested = why, nil; !rest.IsZero() {
				rested = time.After(min(rest.Sub(l.now()), longestRest))
			}
		}
		select {
		case why = <-l.changes:
		case <-rested:
			why = waiting
		case <-time.After(look):
			why = l.due(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// round builds the suites that do not rest. It gives until when the first of the
// others does, zero without one, and how long to wait until the next look.
func (l *buildLoop) round(ctx context.Context, why string, look time.Duration) (rest time.Time, next time.Duration) {
	suites := l.suites()
	resting, rest := l.rests.among(suites, l.now())
	switch {
	case len(resting) > 0 && len(resting) == len(suites):
		return rest, look
	case l.build(ctx, why, resting) != nil:
		return rest, min(2*look, longestLook)
	}
	return rest, buildLook
}

// rests says until when suites rest. Its zero value has none that does.
type rests struct {
	mu    sync.Mutex
	until map[inforce.BuiltSuite]time.Time // mu
}

// note has a suite rest after a build.
func (r *rests) note(b inforce.BuiltSuite, began, ended time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[inforce.BuiltSuite]time.Time{}
	}
	r.until[b] = ended.Add(min(restShare*max(ended.Sub(began), 0), longestRest))
}

// end has no suite rest any more.
func (r *rests) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.until)
}

// among gives the suites that rest, and until when the first of them does.
func (r *rests) among(suites []inforce.BuiltSuite, now time.Time) (resting map[inforce.BuiltSuite]bool, first time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resting = map[inforce.BuiltSuite]bool{}
	for _, b := range suites {
		until := r.until[b]
		if left := until.Sub(now); left <= 0 || left > longestRest { // the clock was set back
			continue
		}
		if resting[b] = true; first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return resting, first
}
