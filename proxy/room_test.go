package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// uses records what the server says that it sends.
type uses struct {
	mu     sync.Mutex // guards the fields below
	open   map[blob.Digest]int
	events []string
}

func (u *uses) Begin(d blob.Digest) { u.note(d, 1, "begin") }
func (u *uses) End(d blob.Digest)   { u.note(d, -1, "end") }

func (u *uses) note(d blob.Digest, n int, event string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open[d] += n
	u.events = append(u.events, event)
}

func TestWhatCannotBeStoredIsPassedOn(t *testing.T) {
	s := newSite(t)
	body := pattern(200_000, 9)
	s.publish("debian", "bookworm", map[string]file{deb: {kind: catalog.KindPackage, body: body, absent: true}})
	s.filler.set(body, source{err: errors.Join(errors.New("making room"), blob.ErrNoSpace)})
	other := must(blob.Open(t.TempDir(), blob.Options{}))(t)
	t.Cleanup(func() { other.Close() })
	must(other.Put(t.Context(), body, now.AddDate(0, -2, 0)))(t)
	passes := 0
	s.server.Pass = func(_ context.Context, f catalog.File) (blob.Stream, error) {
		passes++
		return other.Open(f.Digest)
	}
	c := s.dial(s.client("a.example.org"))
	if a := c.get("/debian/" + deb); a.code != 200 || a.body != string(body) || a.header.Get("Last-Modified") == "" {
		t.Errorf("got %s, %d bytes, %v", a.status, len(a.body), a.header)
	}
	if a := c.get("/debian/"+deb, "Range: bytes=100000-100099"); a.code != 206 || a.body != string(body[100000:100100]) {
		t.Errorf("a range: %s, %d bytes", a.status, len(a.body))
	}
	if passes != 2 {
		t.Errorf("%d passes", passes)
	}
	if _, err := s.cache.Blobs.Stat(blob.Sum(body)); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("in the store: %v", err)
	}
	s.server.Pass = func(context.Context, catalog.File) (blob.Stream, error) { return nil, errors.New("no route to host") }
	if a := c.get("/debian/" + deb); a.code != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("upstream down: %s", a.status)
	}
}

func TestFilesCountAsUsedWhileTheyAreSent(t *testing.T) {
	s := newSite(t)
	u := &uses{open: map[blob.Digest]int{}}
	s.server.Usage = u
	here, missing := pattern(1000, 1), pattern(1000, 2)
	s.publish("debian", "bookworm", map[string]file{deb: {kind: catalog.KindPackage, body: here}, "pool/m/missing.deb": {kind: catalog.KindPackage, body: missing, absent: true}})
	s.filler.set(missing, source{err: errors.New("no route to host")})
	c := s.dial(s.client("a.example.org")) // one connection, so that one request ends before the next
	for _, path := range []string{deb, "pool/no/such.deb", "pool/m/missing.deb"} {
		c.get("/debian/" + path)
	}
	s.stopped()
	u.mu.Lock()
	defer u.mu.Unlock()
	if want := []string{"begin", "end", "begin", "end"}; !slices.Equal(u.events, want) {
		t.Errorf("events %v", u.events)
	}
	for d, n := range u.open {
		if n != 0 {
			t.Errorf("%v is left open %d times", d, n)
		}
	}
}
