package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

// fillUp stores packages of 3 MB until they are bytes together, and gives them.
func fillUp(f *fixture, bytes int) (all []file) {
	f.t.Helper()
	const size = 3_000_000
	for i := 0; i*size < bytes; i++ {
		p := file{fmt.Sprintf("package-%05d", i), size}
		all = append(all, p)
		f.mustFill(p)
		f.clock = f.clock.Add(time.Minute)
	}
	return all
}

// overhead is how many times as much as the files take up on disk.
func (f *fixture) overhead() (factor float64, stored int64) {
	f.t.Helper()
	space, err := f.Space(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return float64(space.Disk) / float64(space.Stored), space.Stored
}

func TestSpaceOfEvictedFilesComesBack(t *testing.T) {
	for name, pick := range map[string]func(i, n int) bool{
		"the older half":   func(i, n int) bool { return i < n/2 },
		"every other file": func(i, _ int) bool { return i%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Options{MaxSize: 1 << 30}) // files of 16 MiB
			all := fillUp(f, 200e6)
			f.generation("stable", all...)
			for i, p := range all {
				if pick(i, len(all)) {
					if _, err := f.remove(t.Context(), p.digest()); err != nil {
						t.Fatal(err)
					}
					f.room.removed(int64(p.size))
				}
			}
			before, _ := f.overhead()
			if err := f.reclaim(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after, _ := f.overhead(); after > diskShare+0.2 {
				t.Errorf("%.2f times what is live is on disk, %.2f before", after, before)
			}
			if f.room.waiting() != 0 {
				t.Errorf("%d bytes still count as waiting", f.room.waiting())
			}
			for _, p := range all {
				if !f.has(p.digest()) {
					continue
				}
				if err := f.Blobs.Verify(t.Context(), p.digest()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestMaintainStoresUsesWhenItEnds(t *testing.T) {
	f := newFixture(t, Options{})
	d := f.put([]byte("a file"))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Maintain(ctx, func(err error) { t.Error(err) }) })
	f.Begin(d)
	f.End(d)
	cancel()
	wg.Wait()
	if u, err := f.Blobs.LastUse(d); err != nil || !u.Last.Equal(testTime) {
		t.Errorf("last used %v, %v", u.Last, err)
	}
}

// BenchmarkSpaceReturns evicts half of a store while clients read the other
// half, and measures until at most 1.3 times what is live is on disk. With
// CACHE_BENCH_FULL=1 the store has 4 GiB, otherwise an eighth.
func BenchmarkSpaceReturns(b *testing.B) {
	size := int64(512 << 20)
	if os.Getenv("CACHE_BENCH_FULL") == "1" {
		size = 4 << 30
	}
	for name, pick := range map[string]func(i, n int) bool{
		"oldest": func(i, n int) bool { return i < n/2 },
		"random": func(int, int) bool { return rand.IntN(2) == 0 },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := newFixture(b, Options{MaxSize: size})
				all := fillUp(f, int(size))
				first := map[blob.Digest]time.Time{} // those to go first
				var kept []blob.Digest
				for i, p := range all {
					if pick(i, len(all)) {
						first[p.digest()] = testTime.AddDate(-1, 0, 0)
					} else {
						kept = append(kept, p.digest())
					}
				}
				if err := errors.Join(f.storeUses(b.Context()), f.Blobs.Touch(b.Context(), first)); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				f.measureReturn(b, size/2, kept)
			}
		})
	}
}

// measureReturn evicts n bytes while clients read the digests.
func (f *fixture) measureReturn(b *testing.B, n int64, kept []blob.Digest) {
	ctx, cancel := context.WithCancel(b.Context())
	clients := startClients(ctx, f, kept)
	began := time.Now()
	if _, err := f.evict(ctx, n); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "s-evicting")
	before, _ := f.overhead()
	clients.Go(func() { f.Maintain(ctx, func(err error) { b.Error(err) }) })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	after, live := f.overhead()
	for ; after > diskShare; after, live = f.overhead() {
		if <-tick.C; time.Since(began) > 10*time.Minute {
			b.Fatalf("after ten minutes %.2f times what is live is on disk", after)
		}
	}
	b.ReportMetric(time.Since(began).Seconds(), "s-until-back")
	cancel()
	clients.Wait()
	b.ReportMetric(before, "disk/live-before")
	b.ReportMetric(after, "disk/live")
	b.ReportMetric(float64(live)/1e6, "MB-live")
	b.ReportMetric(float64(clients.slowest.Milliseconds()), "ms-slowest-file")
	b.ReportMetric(float64(clients.bytes)/1e6/time.Since(began).Seconds(), "MB/s-read")
}

// clients read files until their context ends.
type clients struct {
	sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	slowest time.Duration
	bytes   int64
}

func startClients(ctx context.Context, f *fixture, files []blob.Digest) *clients {
	c := &clients{}
	for range 4 {
		c.Go(func() {
			for ctx.Err() == nil {
				d := files[rand.IntN(len(files))]
				began := time.Now()
				n, err := f.readFile(d)
				if err != nil && !errors.Is(err, blob.ErrNotFound) {
					f.t.Error(err)
				}
				c.mu.Lock()
				c.bytes += n
				c.slowest = max(c.slowest, time.Since(began))
				c.mu.Unlock()
			}
		})
	}
	return c
}

func (f *fixture) readFile(d blob.Digest) (int64, error) {
	f.Begin(d)
	defer f.End(d)
	r, err := f.Blobs.Open(d)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.WriteTo(io.Discard)
}
