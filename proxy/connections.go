package proxy

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

// Connections counts connections since the server was made.
type Connections struct {
	Open     int64 // now
	Busy     int64 // with a request that is being answered
	Accepted int64
	// Evicted were waiting for a request when others needed their place, and
	// Refused came when every place was taken by a request under way.
	Evicted, Refused int64
	Handshakes       int64 // TLS handshakes that succeeded
	FailedHandshakes int64
}

// Connections says how many connections there are and were.
func (s *Server) Connections() Connections {
	c := &s.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	counts.Open = int64(len(c.open))
	for b := range c.open {
		if b.waits.Load() == answering {
			counts.Busy++
		}
	}
	counts.Handshakes, counts.FailedHandshakes = c.handshakes.Load(), c.failed.Load()
	return counts
}

// countHandshake is called at the end of a handshake by TLS itself.
func (s *Server) countHandshake(tls.ConnectionState) error {
	s.connections.handshakes.Add(1)
	return nil
}

// connections bounds how many there are. When all places are taken, the one
// that has waited longest without a request that is answered makes room, be it
// between two requests, slow with its handshake or refused: nobody keeps others
// out by holding connections that do nothing. Requests under way are never cut;
// where there are nothing but those, the new connection is closed at once,
// before a handshake that would cost more than the answer.
type connections struct {
	max                int          // 0: no bound
	turns              atomic.Int64 // counts waits, so that the longest is known
	handshakes, failed atomic.Int64

	mu     sync.Mutex // guards the fields below
	open   map[*batch]struct{}
	counts Connections
}

// Values of batch.waits that are no turn.
const (
	answering = 0  // a request is under way
	evicted   = -1 // closed to make room
)

// enter counts a new connection; false: there is no room, not even after out,
// if any, is closed.
func (c *connections) enter(b *batch) (out *batch, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Accepted++
	if c.max > 0 && len(c.open) >= c.max {
		if out = c.evict(); out == nil {
			c.counts.Refused++
			return nil, false
		}
	}
	if c.open == nil {
		c.open = map[*batch]struct{}{}
	}
	c.open[b] = struct{}{}
	b.all = c
	b.waits.Store(c.turns.Add(1))
	return out, true
}

// evict takes out the connection that has waited longest, if any waits; mu is
// held. It looks at all of them: places are rarely all taken.
func (c *connections) evict() *batch {
	for {
		var longest *batch
		var turn int64
		for b := range c.open {
			if waits := b.waits.Load(); waits != answering && (longest == nil || waits < turn) {
				longest, turn = b, waits
			}
		}
		if longest == nil {
			return nil
		}
		if longest.waits.CompareAndSwap(turn, evicted) { // no request has come meanwhile
			delete(c.open, longest)
			c.counts.Evicted++
			return longest
		}
	}
}

// begin says that a request is answered from now on; false: the connection is
// closed already.
func (b *batch) begin() bool {
	if b == nil || b.all == nil {
		return true
	}
	waits := b.waits.Load()
	return waits != evicted && b.waits.CompareAndSwap(waits, answering)
}

// end says that the connection waits from now on.
func (b *batch) end() {
	if b != nil && b.all != nil {
		b.waits.Store(b.all.turns.Add(1))
	}
}

// Close implements net.Conn.
func (b *batch) Close() error {
	if c := b.all; c != nil {
		c.mu.Lock()
		delete(c.open, b)
		c.mu.Unlock()
	}
	return b.Conn.Close()
}

// batches makes a batch of every connection of a listener, as far as there is
// room.
type batches struct {
	net.Listener
	all *connections
}

func (l batches) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		b := &batch{Conn: conn}
		out, ok := l.all.enter(b)
		if out != nil {
			out.Conn.Close()
		}
		if ok {
			return b, nil
		}
		conn.Close()
	}
}
