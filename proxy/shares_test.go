package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// grantOf gives the limits of one rule.
func grantOf(t *testing.T, name string, rate int64, connections int) identity.Grant {
	t.Helper()
	g := must(identity.NewGrants([]identity.Rule{{Identity: "*", Read: []string{"*"}, Rate: rate, Connections: connections}}))(t)
	return g.For(identity.Identity{Name: name})
}

func shareServer() *Server {
	return &Server{Config: Config{Now: time.Now}, stall: stallTimeout, waits: shareTimeout}
}

// All connections of an identity together get what its grant says, another
// identity as much again.
func TestRateIsSharedByAnIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shareServer()
		const rate, answers, size = 100_000, 4, 250_000
		start := time.Now()
		var group sync.WaitGroup
		for _, name := range []string{"dns:a", "dns:b"} {
			for range answers {
				group.Go(func() {
					e := s.begin(&deadlines{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
					var err error
					if e.share, err = s.enter(t.Context(), grantOf(t, name, rate, 0)); err != nil {
						t.Error(err)
					}
					defer s.leave(e.share)
					for rest := size; rest > 0; rest -= 50_000 {
						if n, err := e.Write(make([]byte, 50_000)); n != 50_000 || err != nil {
							t.Errorf("sent %d, %v", n, err)
						}
					}
				})
			}
		}
		group.Wait()
		if took, want := time.Since(start), answers*size/rate*time.Second; took < want-time.Second || took > want+time.Second {
			t.Errorf("it took %s, want %s", took, want)
		}
	})
}

// One request after the other is no way around the rate.
func TestRateOutlivesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shareServer()
		start := time.Now()
		for range 100 {
			share := must(s.enter(t.Context(), grantOf(t, "dns:a", 10_000, 0)))(t)
			if err := share.pause(t.Context(), 1_000); err != nil {
				t.Fatal(err)
			}
			s.leave(share)
		}
		if took := time.Since(start); took < 9*time.Second {
			t.Errorf("100,000 bytes at 10,000 a second took %s", took)
		}
	})
}

func TestARateDoesNotOutliveItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shareServer()
		ctx, cancel := context.WithCancel(t.Context())
		e := s.begin(&deadlines{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		e.share = must(s.enter(ctx, grantOf(t, "dns:a", 1, 0)))(t)
		time.AfterFunc(time.Second, cancel)
		if n, err := e.Write(make([]byte, 1<<20)); !errors.Is(err, context.Canceled) || n > 2_000 {
			t.Errorf("sent %d, %v", n, err)
		}
	})
}

func TestSharesThatNobodyUsesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shareServer()
		held := must(s.enter(t.Context(), grantOf(t, "dns:held", 1_000_000, 1)))(t)
		for i := range 10 * sweepAt {
			s.leave(must(s.enter(t.Context(), grantOf(t, fmt.Sprint("dns:", i), 1_000_000, 1)))(t))
		}
		if n := len(s.shares.all); n > 2*sweepAt {
			t.Errorf("%d shares", n)
		}
		if s.shares.all[held.limits] != held {
			t.Error("a share in use was forgotten")
		}
	})
}

func TestNoLimitsCostNothing(t *testing.T) {
	s, grant := shareServer(), grantOf(t, "dns:a", 0, 0)
	if n := testing.AllocsPerRun(100, func() {
		share, err := s.enter(t.Context(), grant)
		if share != nil || err != nil {
			t.Error(share, err)
		}
		s.leave(share)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Of one identity, as many requests are answered as its grant says, as many
// again wait their turn, and the rest is sent away; others notice nothing.
func TestOneIdentityCannotHaveEverything(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.waits = time.Hour })
	first := s.packageOf(300_000)
	gate := make(chan struct{})
	s.publish("debian", "bookworm", map[string]file{
		deb:       {kind: catalog.KindPackage, body: first, absent: true},
		inRelease: {kind: catalog.KindRelease, body: []byte("Origin: example\n")},
	})
	if err := s.cache.Blobs.Delete(t.Context(), blob.Sum(first)); err != nil {
		t.Fatal(err)
	}
	s.filler.set(first, source{send: func(_ context.Context, w *blob.Writer) {
		<-gate
		w.Write(first)
		w.Commit()
	}})
	cert := s.client("two.example.org")
	var greedy []*connection
	for range 4 { // two are answered, two wait
		c := s.dial(cert)
		c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
		greedy = append(greedy, c)
	}
	eventually(t, "two wait", func() bool {
		s.server.shares.mu.Lock()
		defer s.server.shares.mu.Unlock()
		for _, share := range s.server.shares.all {
			return len(share.queue) == 2
		}
		return false
	})
	a := s.dial(cert).get("/debian/" + inRelease)
	if a.code != 503 || !strings.Contains(a.status, "dns:two.example.org has 2 requests under way") || a.header.Get("Retry-After") == "" {
		t.Errorf("the fifth: %s", a.status)
	}
	if a := s.get("a.example.org", "/debian/"+inRelease); a.code != 200 {
		t.Errorf("another identity: %s", a.status)
	}
	close(gate)
	for i, c := range greedy {
		if a := c.answer("GET"); a.code != 200 || a.body != string(first) {
			t.Errorf("request %d: %s, %d bytes", i, a.status, len(a.body))
		}
	}
	eventually(t, "it is logged", func() bool {
		lines, _ := s.log.lines("too many requests")
		return len(lines) == 1 && strings.Contains(lines[0], "level=INFO")
	})
}

func TestRequestsDoNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, grant := shareServer(), grantOf(t, "dns:a", 0, 1)
		share := must(s.enter(t.Context(), grant))(t)
		start := time.Now()
		if _, err := s.enter(t.Context(), grant); !errors.Is(err, errCrowded) || time.Since(start) != shareTimeout {
			t.Errorf("waited %s, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.enter(ctx, grant); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that leaves: %v", err)
		}
		s.leave(share)
		s.leave(must(s.enter(t.Context(), grant))(t))
	})
}

func TestRateReachesTheWire(t *testing.T) {
	s := newSite(t)
	body := s.packageOf(100_000)
	start := time.Now()
	if a := s.get("slow.example.org", "/debian/"+deb); a.body != string(body) {
		t.Errorf("got %s, %d bytes", a.status, len(a.body))
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("100,000 bytes at 200,000 a second took %s", took)
	}
}

// packageOf publishes one package of n bytes.
func (s *site) packageOf(n int) []byte {
	s.t.Helper()
	body := pattern(n, 7)
	s.publish("debian", "bookworm", map[string]file{
		deb:       {kind: catalog.KindPackage, body: body},
		inRelease: {kind: catalog.KindRelease, body: []byte("Origin: example\n")},
	})
	return body
}
