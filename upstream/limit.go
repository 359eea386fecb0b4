package upstream

import (
	"sync"
	"time"
)

// limiter spreads the bytes of all bodies of one archive over time, so that
// together they stay below a rate. Nothing is saved up for later.
type limiter struct {
	rate int64 // bytes a second

	mu   sync.Mutex // guards next
	next time.Time  // when what was taken so far is paid for
}

// shortestPiece keeps slow rates from reading byte by byte.
const shortestPiece = 1 << 10

// piece is the largest number of bytes to take at once: a tenth of a second's.
func (l *limiter) piece() int { return int(max(l.rate/10, shortestPiece)) }

// take notes n bytes that have come and gives how long to wait for the next.
func (l *limiter) take(n int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
	return l.next.Sub(now)
}
