package upstream

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// trickle is a body that gives pieces of one size at fixed intervals.
type trickle struct {
	ctx   context.Context
	piece int
	pause time.Duration
	left  int
}

func (s *trickle) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if err := wait(s.ctx, s.pause); err != nil {
		return 0, err
	}
	n := min(s.piece, len(p), s.left)
	s.left -= n
	return n, nil
}

func (s *trickle) Close() error { return nil }

func TestABodyThatIsTooSlowFails(t *testing.T) {
	for _, tc := range []struct {
		name  string
		piece int
		pause time.Duration
		slow  time.Duration // how long the reader takes for each piece
		want  error
		most  time.Duration
	}{
		{"one byte a second", 1, time.Second, 0, errTooSlow, rateWindow + time.Second},
		{"nothing", 1 << 20, time.Hour, 0, errStalled, stallTimeout},
		{"fast enough", 2000, time.Second, 0, nil, 24 * time.Hour},
		{"in bursts", 60000, 29 * time.Second, 0, nil, 24 * time.Hour},
		{"slow reader", 2000, time.Second, time.Minute, nil, 24 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				g := newGuard(ctx, &trickle{ctx, tc.piece, tc.pause, 1_000_000}, cancel)
				defer g.Close()
				start, n := time.Now(), 0
				var err error
				for buffer := make([]byte, 128<<10); err == nil; {
					var got int
					got, err = g.Read(buffer)
					n += got
					time.Sleep(tc.slow) // the clock of the bubble
				}
				if took := time.Since(start); took > tc.most {
					t.Errorf("it took %s", took)
				}
				if tc.want == nil && (err != io.EOF || n != 1_000_000) || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("read %d bytes, %v; want %v", n, err, tc.want)
				}
			})
		})
	}
}

// Bodies of one archive share its bandwidth.
func TestBandwidthIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, bodies, size = 10_000, 4, 50_000
		limit := &limiter{rate: rate}
		start := time.Now()
		done := make(chan error)
		for range bodies {
			go func() {
				ctx, cancel := context.WithCancelCause(t.Context())
				g := newGuard(ctx, &trickle{ctx, size, 0, size}, cancel)
				g.limit = limit
				defer g.Close()
				_, err := io.Copy(io.Discard, g)
				done <- err
			}()
		}
		for range bodies {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took, want := time.Since(start), time.Duration(bodies*size/rate)*time.Second; took < want-time.Second || took > want+time.Second {
			t.Errorf("it took %s, want %s", took, want)
		}
	})
}
