package upstream

import (
	"sync"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/upstream/upstreamtest"
)

// holding records what a refresh holds.
type holding struct {
	endless
	mu   sync.Mutex // guards the fields below
	ever map[blob.Digest]bool
	now  map[blob.Digest]int
}

func (h *holding) Hold(digests ...blob.Digest) (release func()) {
	h.add(1, digests)
	return func() { h.add(-1, digests) }
}

func (h *holding) Begin(d blob.Digest) { h.add(1, []blob.Digest{d}) }
func (h *holding) End(d blob.Digest)   { h.add(-1, []blob.Digest{d}) }

func (h *holding) add(n int, digests []blob.Digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range digests {
		h.ever[d] = true
		h.now[d] += n
	}
}

func TestARefreshHoldsWhatItsGenerationConsistsOf(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.AddSource("hello", "1.0")
	a.Publish()
	m := newMirror(t, a)
	h := &holding{ever: map[blob.Digest]bool{}, now: map[blob.Digest]int{}}
	m.Room = h
	g := m.refresh().Generation
	want := []blob.Digest{g.InRelease, g.Release, g.ReleaseGPG, g.Manifest}
	for _, name := range g.Indexes {
		want = append(want, m.file(g, name).Digest)
	}
	if len(want) < 6 {
		t.Fatalf("the generation has %d parts only", len(want))
	}
	for _, d := range want {
		if !h.ever[d] {
			t.Errorf("%s was never held", d)
		}
	}
	for d, n := range h.now {
		if n != 0 {
			t.Errorf("%s is still held %d times", d, n)
		}
	}
}
