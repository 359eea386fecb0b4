package upstream

import (
	"fmt"
	"sync"
	"time"

	"aptmirror/cache/blob"
)

// Upstream is left alone for a while about a file that could not be had, so
// that clients who ask again at once do not hammer it.
const (
	firstRest   = 4 * time.Second
	longestRest = time.Minute
	// maxResting bounds the files remembered; beyond it some are forgotten early.
	maxResting = 4096
)

// resting remembers the fills that failed. The zero value knows none.
type resting struct {
	mu    sync.Mutex // guards known
	known map[restKey]rest
}

type restKey struct {
	archive string
	digest  blob.Digest
}

type rest struct {
	err    error
	until  time.Time
	length time.Duration
}

// restError is a failure that is told again without another look.
type restError struct{ rest }

func (e *restError) Error() string {
	return fmt.Sprintf("%v; upstream is not asked again before %s", e.err, stamp(e.until))
}

func (e *restError) Unwrap() error { return e.err }

// check gives the failure of a file that upstream is left alone about.
func (r *resting) check(k restKey, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.known[k]; ok && now.Before(was.until) {
		return &restError{was}
	}
	return nil
}

// failed begins a rest, twice as long as one that has just ended.
func (r *resting) failed(k restKey, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[restKey]rest{}
	}
	length := firstRest
	if was, ok := r.known[k]; ok && now.Before(was.until.Add(longestRest)) {
		length = min(2*was.length, longestRest)
	}
	r.makeRoom(now)
	r.known[k] = rest{err, now.Add(length), length}
}

// makeRoom drops what is over, and if that is not enough, any one. It needs r.mu.
func (r *resting) makeRoom(now time.Time) {
	if len(r.known) < maxResting {
		return
	}
	for k, was := range r.known {
		if now.After(was.until.Add(longestRest)) {
			delete(r.known, k)
		}
	}
	for k := range r.known {
		if len(r.known) < maxResting {
			return
		}
		delete(r.known, k)
	}
}

func (r *resting) succeeded(k restKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, k)
}
