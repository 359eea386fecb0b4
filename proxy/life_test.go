package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	s := newSite(t)
	s.example()
	paths := []string{inRelease, packages, "nothing", deb, inRelease, deb}
	c := s.dial(s.client("a.example.org"))
	var all strings.Builder
	for _, p := range paths {
		all.WriteString("GET /debian/" + p + " HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n")
	}
	io.WriteString(c, all.String())
	for _, p := range paths {
		want := map[string]int{inRelease: 16, packages: 5_000, deb: 300_000, "nothing": len("nothing: no such file\n")}[p]
		if a := c.answer("GET"); len(a.body) != want || a.closes || (a.code == 404) != (p == "nothing") {
			t.Errorf("%s: %s, %d bytes, want %d", p, a.status, len(a.body), want)
		}
	}
}

func TestConnectionCloseIsHonoured(t *testing.T) {
	s := newSite(t)
	s.example()
	for _, request := range []string{
		"GET /debian/" + deb + " HTTP/1.1\r\nHost: mirror.example.org\r\nConnection: close\r\n\r\n",
		"GET /debian/" + deb + " HTTP/1.0\r\n\r\n",
	} {
		c := s.dial(s.client("a.example.org"))
		io.WriteString(c, request)
		if a := c.answer("GET"); a.code != 200 || a.body != string(pattern(300_000, 3)) || a.bodyErr != nil {
			t.Errorf("got %s, %d bytes, %v", a.status, len(a.body), a.bodyErr)
		}
		c.closed()
	}
}

// stallingSite has a package that no socket's buffers hold and a server of
// little patience.
func stallingSite(t *testing.T) *site {
	s := newSite(t)
	s.packageOf(32 << 20)
	return s
}

func TestClientsThatStopReadingAreCut(t *testing.T) {
	s := stallingSite(t)
	s.server.stall = 50 * time.Millisecond
	c := s.dial(s.client("a.example.org"))
	c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	lines := s.log.await(t, "i/o timeout", 1) // nobody reads meanwhile
	if !strings.Contains(lines[0], "level=INFO") {
		t.Errorf("a client that stops reading is no warning: %s", lines[0])
	}
	if n, err := io.Copy(io.Discard, c.in); err == nil || n >= 32<<20 {
		t.Errorf("a client that stopped reading got %d bytes, %v", n, err)
	}
}

// deadlines is a client's side that notes until when each piece has to be taken.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestWaitingForUpstreamDoesNotCountAgainstTheClient(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	server := &Server{Config: Config{Now: time.Now}, stall: time.Hour}
	e := server.begin(d, httptest.NewRequest("GET", "/", nil))
	e.outcome = OutcomeFill
	for i := range 3 {
		before := time.Now()
		e.Write([]byte("piece"))
		if len(d.set) != i+1 || d.set[i].Before(before.Add(time.Hour)) {
			t.Errorf("piece %d has to be taken until %v", i, d.set)
		}
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	s, body := awaited(t)
	proceed := make(chan struct{})
	s.filler.set(body, source{send: func(_ context.Context, w *blob.Writer) {
		w.Write(body[:100_000])
		<-proceed
		w.Write(body[100_000:])
		w.Commit()
	}})
	idle := s.dial(s.client("a.example.org"))
	idle.get("/debian/" + inRelease)
	busy := s.dial(s.client("a.example.org"))
	busy.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	resp := busy.begin("GET")
	down := make(chan struct{})
	go func() {
		s.stopped()
		close(down)
	}()
	idle.closed() // Shutdown is under way
	if conn, err := net.Dial("tcp", s.address); err == nil {
		conn.Close()
		t.Error("a new connection was taken")
	}
	close(proceed)
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != string(body) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	<-down
}

func TestShutdownCutsWhatDoesNotFinish(t *testing.T) {
	s := stallingSite(t)
	c := s.dial(s.client("a.example.org"))
	c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
	resp := c.begin("GET")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the request was not cut: %v", err)
	}
}

func TestDamagedFilesAreDroppedAndFetchedAgain(t *testing.T) {
	s := newSite(t)
	first, later := pattern(300_000, 8), pattern(300_000, 9)
	s.publish("debian", "bookworm", map[string]file{
		"pool/first.deb": {kind: catalog.KindPackage, body: first},
		"pool/later.deb": {kind: catalog.KindPackage, body: later},
	})
	s.damage(first[1_000:1_032])
	s.damage(later[200_000:200_032])
	if a := s.get("a.example.org", "/debian/pool/first.deb"); a.code != 503 || !strings.Contains(a.status, "cannot give this file") {
		t.Errorf("damaged in the first piece: %s", a.status)
	}
	a := s.get("a.example.org", "/debian/pool/later.deb")
	if a.code != 200 || !errors.Is(a.bodyErr, io.ErrUnexpectedEOF) || !strings.HasPrefix(string(later), a.body) {
		t.Errorf("damaged later: %s, %d bytes, %v", a.status, len(a.body), a.bodyErr)
	}
	s.log.await(t, "is damaged and is dropped", 2)
	s.filler.give(first)
	s.filler.give(later)
	for path, body := range map[string][]byte{"first": first, "later": later} {
		if a := s.get("a.example.org", "/debian/pool/"+path+".deb"); a.code != 200 || a.body != string(body) {
			t.Errorf("%s again: %s, %d bytes", path, a.status, len(a.body))
		}
	}
	if n := s.filler.calls.Load(); n != 2 {
		t.Errorf("%d fills", n)
	}
}

// damage changes bytes on disk, under the open store, which maps its files.
func (s *site) damage(what []byte) {
	s.t.Helper()
	if err := s.cache.Blobs.Sync(); err != nil {
		s.t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(s.dir, "blobs", "*.vlog"))
	for _, name := range files {
		f := must(os.OpenFile(name, os.O_RDWR, 0))(s.t)
		defer f.Close()
		// Far larger than what has been written to it.
		data := must(syscall.Mmap(int(f.Fd()), 0, int(must(f.Stat())(s.t).Size()), syscall.PROT_READ, syscall.MAP_SHARED))(s.t)
		at := bytes.Index(data, what)
		if err := syscall.Munmap(data); err != nil {
			s.t.Fatal(err)
		}
		if at >= 0 {
			must(f.WriteAt([]byte{what[0] ^ 1}, int64(at)))(s.t)
			return
		}
	}
	s.t.Fatal("the bytes are not on disk")
}
