package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// awaited is a repository with one package that is not in the store.
func awaited(t *testing.T) (s *site, body []byte) {
	t.Helper()
	s = newSite(t)
	body = pattern(300_000, 9)
	s.publish("debian", "bookworm", map[string]file{
		inRelease: {kind: catalog.KindRelease, body: []byte("Origin: example\n")},
		deb:       {kind: catalog.KindPackage, body: body, absent: true},
	})
	return s, body
}

func TestFilesAreStreamedWhileTheyCome(t *testing.T) {
	s, body := awaited(t)
	more := make(chan int) // bytes that upstream sends next
	s.filler.set(body, source{send: func(_ context.Context, w *blob.Writer) {
		sent := 0
		for n := range more {
			w.Write(body[sent : sent+n])
			sent += n
		}
		w.Commit()
	}})
	c := s.dial(s.client("a.example.org"))
	c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	more <- 100 // far less than any buffer on the way
	resp := c.begin("GET")
	got := make([]byte, len(body))
	if _, err := io.ReadFull(resp.Body, got[:100]); err != nil {
		t.Fatalf("the first bytes did not come before the rest: %v", err)
	}
	more <- len(body) - 100
	if _, err := io.ReadFull(resp.Body, got[100:len(body)-blob.HoldBack]); err != nil {
		t.Fatalf("what is not held back did not come before the end: %v", err)
	}
	close(more)
	if _, err := io.ReadFull(resp.Body, got[len(body)-blob.HoldBack:]); err != nil || string(got) != string(body) {
		t.Errorf("the end: %v", err)
	}
	if want := "Sun, 15 Feb 2026 12:00:00 GMT"; resp.Header.Get("Last-Modified") != want {
		t.Errorf("Last-Modified: %s, want upstream's", resp.Header.Get("Last-Modified"))
	}
	s.log.await(t, "fill=true", 1)
	if a := c.get("/debian/" + deb); a.code != 200 || a.body != string(body) || s.filler.calls.Load() != 1 {
		t.Errorf("from the store: %s, %d fills", a.status, s.filler.calls.Load())
	}
}

func TestPartsOfFilesThatCome(t *testing.T) {
	s, body := awaited(t)
	s.filler.give(body)
	a := s.get("a.example.org", "/debian/"+deb, "Range: bytes=200000-")
	if a.code != 206 || a.body != string(body[200_000:]) {
		t.Errorf("got %s, %d bytes", a.status, len(a.body))
	}
}

func TestHeadersDoNotMakeFilesCome(t *testing.T) {
	s, body := awaited(t)
	c := s.dial(s.client("a.example.org"))
	etag := `"` + blob.Sum(body).String() + `"`
	if a := c.head("/debian/" + deb); a.code != 200 || a.header.Get("Content-Length") != "300000" || a.header.Get("Etag") != etag {
		t.Errorf("HEAD: %s %v", a.status, a.header)
	}
	if a := c.get("/debian/"+deb, "If-None-Match: "+etag); a.code != 304 {
		t.Errorf("a client that has it: %s", a.status)
	}
	if n := s.filler.calls.Load(); n != 0 {
		t.Errorf("%d fills", n)
	}
}

// apt asks again where a 503 has a body. It must not for what an update reads:
// apt 2.6 then waits for ever with what others have there.
func TestWhatAptAsksForAgain(t *testing.T) {
	for name, test := range map[string]struct {
		path  string
		kind  catalog.Kind
		again bool
	}{
		"package": {deb, catalog.KindPackage, true},
		"image":   {"dists/bookworm/main/installer-amd64/20230607/images/mini.iso", catalog.KindImage, true},
		"index":   {"dists/bookworm/main/Contents-amd64.gz", catalog.KindIndex, false},
		"patch":   {"dists/bookworm/main/binary-amd64/Packages.diff/1.gz", catalog.KindPatch, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			body := pattern(1000, 9)
			s.publish("debian", "bookworm", map[string]file{test.path: {kind: test.kind, body: body, absent: true}})
			s.filler.set(body, source{err: errors.New("no route to host")})
			a := s.get("a.example.org", "/debian/"+test.path)
			if a.code != 503 || !strings.Contains(a.status, "try again later") || (a.body != "") != test.again || (a.header.Get("Content-Type") != "") != test.again {
				t.Errorf("%s, %v %q", a.status, a.header, a.body)
			}
		})
	}
}

func TestFilesThatDoNotCome(t *testing.T) {
	for name, test := range map[string]struct {
		source *source
		code   int
	}{
		"unknown upstream": {nil, 404},
		"gone":             {&source{err: errors.Join(errors.New("two mirrors"), fs.ErrNotExist)}, 404},
		"mirror down":      {&source{err: errors.New("no route to host")}, 503},
		"no space":         {&source{err: blob.ErrNoSpace}, 503},
		"fails at once":    {&source{send: func(_ context.Context, w *blob.Writer) { w.Abort(errors.New("reset")) }}, 503},
		"gone meanwhile":   {&source{send: func(_ context.Context, w *blob.Writer) { w.Abort(fs.ErrNotExist) }}, 404},
		"wrong bytes": {&source{send: func(_ context.Context, w *blob.Writer) {
			w.Write(make([]byte, 1000)) // all of it is held back
			w.Abort(errors.New("not what was asked for"))
		}}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			body := pattern(1000, 9)
			s.publish("debian", "bookworm", map[string]file{deb: {kind: catalog.KindPackage, body: body, absent: true}})
			if test.source != nil {
				s.filler.set(body, *test.source)
			}
			a := s.get("a.example.org", "/debian/"+deb)
			if a.code != test.code || a.body == "" || a.closes != (test.code == 503) {
				t.Errorf("got %s %q, closes %v", a.status, a.body, a.closes)
			}
			if test.code == 503 && !strings.Contains(a.status, "try again later") {
				t.Errorf("apt would show no reason: %s", a.status)
			}
			if (a.header.Get("Retry-After") != "") != (test.code == 503) {
				t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
			}
			for _, name := range []string{"Etag", "Last-Modified", "Accept-Ranges", "Cache-Control"} {
				if a.header.Get(name) != "" {
					t.Errorf("the answer describes the file that it is not: %v", a.header)
				}
			}
			s.filler.give(body)
			if a := s.get("a.example.org", "/debian/"+deb); a.code != 200 || a.body != string(body) {
				t.Errorf("once upstream has it: %s", a.status)
			}
		})
	}
}

func TestFailureInTheMiddleCutsTheConnection(t *testing.T) {
	s, body := awaited(t)
	started := make(chan struct{})
	s.filler.set(body, source{send: func(_ context.Context, w *blob.Writer) {
		w.Write(body[:100_000])
		<-started // Abort takes back even what was there
		w.Abort(errors.New("connection reset by upstream"))
	}})
	c := s.dial(s.client("a.example.org"))
	c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	resp := c.begin("GET")
	close(started)
	got, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) > 100_000 {
		t.Errorf("got %d bytes, %v; want an unexpected end", len(got), err)
	}
	if lines := s.log.await(t, "connection reset by upstream", 1); !strings.Contains(lines[0], "level=WARN") {
		t.Errorf("logged as %s", lines[0])
	}
}

func TestClientsThatLeaveDoNotStopAFill(t *testing.T) {
	s, body := awaited(t)
	gone := make(chan struct{})
	s.filler.set(body, source{send: func(ctx context.Context, w *blob.Writer) {
		w.Write(body[:100_000])
		<-ctx.Done() // the request's
		w.Write(body[100_000:])
		w.Commit()
		close(gone)
	}})
	c := s.dial(s.client("a.example.org"))
	c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	c.begin("GET")
	c.Close()
	<-gone
	lines := s.log.await(t, "fill=true", 1)
	if !strings.Contains(lines[0], "level=INFO") {
		t.Errorf("a client that left is no warning: %s", lines[0])
	}
	if a := s.get("a.example.org", "/debian/"+deb); a.code != 200 || a.body != string(body) || s.filler.calls.Load() != 1 {
		t.Errorf("afterwards: %s, %d fills", a.status, s.filler.calls.Load())
	}
}
