package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"aptmirror/proxy/identity"
)

const (
	// shareTimeout is how long a request waits for others of the same identity
	// to end, short of the 30 s after which apt gives up.
	shareTimeout = 10 * time.Second
	// minBurst keeps slow rates from sending byte by byte, in bytes; others
	// send what comes in an eighth of a second at once.
	minBurst = 1 << 10
	// sweepAt is how many shares there are before those that nobody uses any
	// more are looked for.
	sweepAt = 256
)

// limits are what a grant allows; each pair has a share of its own, so that
// new grants count for the next request.
type limits struct {
	identity    string
	rate        int64 // bytes a second, 0: no limit
	connections int   // requests at a time, 0: no limit
}

// share is what the requests of one identity have together.
type share struct {
	limits
	pace *rate.Limiter // nil: no limit
	// slots has one for each request that may be answered, and queue one for
	// each that may wait, as many again; nil: no limit.
	slots, queue chan struct{}
	users        int // requests that hold the share; shares.mu guards it
}

// shares has a share of every identity with limits that asked lately.
type shares struct {
	mu    sync.Mutex // guards the fields below
	all   map[limits]*share
	sweep int // size of all at which it is swept
}

// errCrowded: the identity has more requests than may even wait.
var errCrowded = errors.New("too many requests at a time")

// enter waits until one more request of an identity may be answered. The share
// is nil where the grant has no limits; the caller calls leave.
func (s *Server) enter(ctx context.Context, grant identity.Grant) (*share, error) {
	l := limits{grant.Identity.Name, grant.Rate(), grant.Connections()}
	if l.rate == 0 && l.connections == 0 {
		return nil, nil
	}
	share := s.shares.take(l)
	if err := share.wait(ctx, s.waits); err != nil {
		s.shares.giveBack(share)
		return nil, fmt.Errorf("%s has %d requests under way and may have no more: %w", l.identity, l.connections, err)
	}
	return share, nil
}

// leave ends what enter began.
func (s *Server) leave(share *share) {
	if share == nil {
		return
	}
	if share.slots != nil {
		<-share.slots
	}
	s.shares.giveBack(share)
}

func (s *shares) take(l limits) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[l]
	if found == nil {
		if s.all == nil {
			s.all = map[limits]*share{}
		}
		s.clean()
		found = newShare(l)
		s.all[l] = found
	}
	found.users++
	return found
}

// clean forgets shares without requests whose rate has been made up for, so
// that a new one would be no advantage; mu is held.
func (s *shares) clean() {
	if len(s.all) < max(s.sweep, sweepAt) {
		return
	}
	for l, share := range s.all {
		if share.users == 0 && (share.pace == nil || share.pace.Tokens() >= float64(share.pace.Burst())) {
			delete(s.all, l)
		}
	}
	s.sweep = 2 * len(s.all)
}

func (s *shares) giveBack(share *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share.users--
}

func newShare(l limits) *share {
	s := &share{limits: l}
	if l.connections > 0 {
		s.slots, s.queue = make(chan struct{}, l.connections), make(chan struct{}, l.connections)
	}
	if l.rate > 0 {
		s.pace = rate.NewLimiter(rate.Limit(l.rate), int(max(l.rate/8, minBurst)))
	}
	return s
}

// wait takes a slot.
func (s *share) wait(ctx context.Context, most time.Duration) error {
	if s.slots == nil {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.queue <- struct{}{}:
		defer func() { <-s.queue }()
	default:
		return errCrowded
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errCrowded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// piece is how much of n bytes may be sent after pause.
func (s *share) piece(n int) int {
	if s == nil || s.pace == nil {
		return n
	}
	return min(n, s.pace.Burst())
}

// pause waits until n bytes, at most a piece, may be sent.
func (s *share) pause(ctx context.Context, n int) error {
	if s == nil || s.pace == nil {
		return nil
	}
	return s.pace.WaitN(ctx, n)
}
