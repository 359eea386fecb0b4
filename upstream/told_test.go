package upstream

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"aptmirror/upstream/upstreamtest"
)

// told collects what an Upstream tells.
type told struct {
	mu      sync.Mutex // guards the fields below
	bytes   int64
	good    int
	errs    []error
	refused []string
}

// listen makes a mirror of an archive tell.
func listen(t *testing.T, a *upstreamtest.Archive) (*mirror, *told) {
	t.Helper()
	m, x := newMirror(t, a), &told{}
	m.Config.Fetched = func(archive string, bytes int64, err error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.bytes += bytes; err == nil {
			x.good++
		} else {
			x.errs = append(x.errs, err)
		}
		if archive != "test" {
			t.Errorf("fetched from %q", archive)
		}
	}
	m.Config.Refused = func(archive, suite string, reason Reason) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.refused = append(x.refused, archive+" "+suite+" "+string(reason))
	}
	return m, x
}

// Every answer is told once, with the bytes that came.
func TestFetchesAreTold(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Size: 300_000})
	a.Publish()
	m, x := listen(t, a)
	m.refresh()
	var want int64
	for _, r := range a.Requests() {
		want += int64(len(a.Get(r.Path)))
	}
	if x.bytes != want || x.good+len(x.errs) != len(a.Requests()) {
		t.Errorf("%d bytes of %d, %d good and %v of %d requests", x.bytes, want, x.good, x.errs, len(a.Requests()))
	}
	bytes, good := x.bytes, x.good
	if _, err := m.whole(p.Filename); err != nil {
		t.Fatal(err)
	}
	if got := x.bytes - bytes; got != int64(len(p.Deb)) || x.good != good+1 || x.refused != nil {
		t.Errorf("%d bytes of %d, %d good, refused %v", got, len(p.Deb), x.good-good, x.refused)
	}
}

func TestFetchesThatFailAreTold(t *testing.T) {
	for name, test := range map[string]struct {
		fault upstreamtest.Fault
		is    func(error) bool
	}{
		"missing":    {upstreamtest.NotFound, func(err error) bool { return errors.Is(err, fs.ErrNotExist) }},
		"cut":        {upstreamtest.Truncate, func(err error) bool { return strings.Contains(err.Error(), "EOF") }},
		"no answer":  {upstreamtest.Reset, func(err error) bool { re := (*requestError)(nil); return errors.As(err, &re) }},
		"overloaded": {upstreamtest.Status(503, ""), func(err error) bool { return strings.Contains(err.Error(), "503") }},
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			p := a.AddPackage(upstreamtest.Package{Name: "hello", Size: 300_000})
			a.Publish()
			m, x := listen(t, a)
			m.refresh()
			x.errs = nil
			a.Fault("*.deb", test.fault)
			if _, err := m.whole(p.Filename); err == nil {
				t.Fatal("it came")
			}
			if len(x.errs) == 0 || !slices.ContainsFunc(x.errs, test.is) {
				t.Errorf("told %v", x.errs)
			}
		})
	}
}

// What a mirror lies about is told where it is found, also in a package.
func TestRefusedPackagesAreTold(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m, x := listen(t, a)
	m.refresh()
	a.Fault("*.deb", upstreamtest.WrongBytes)
	if _, err := m.whole(p.Filename); err == nil {
		t.Fatal("it came")
	}
	if want := []string{"test stable wrong-content"}; !slices.Equal(x.refused, want) {
		t.Errorf("told %v", x.refused)
	}
}

// whole fills a package of the newest generation, reads all of it and lets the
// fill end: its reader fails with one attempt, and others may follow.
func (m *mirror) whole(path string) ([]byte, error) {
	m.t.Helper()
	defer m.fills.Wait()
	g, err := m.Catalog.Latest(m.t.Context(), "test", "stable")
	if err != nil {
		m.t.Fatal(err)
	}
	return m.read(m.file(g, path))
}

// What a mirror says is shown on terminals.
func TestWhatMirrorsSayIsLegible(t *testing.T) {
	m := newMirror(t, upstreamtest.New(t))
	m.archive.Route.AllowPrivate = true
	for _, answer := range []string{
		"HTTP/1.1 500 \x1b]0;title\x07no\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nbroken \x1b[2J header\r\n\r\n",
		"\x1b[2J\r\n\r\n",
		"HTTP/1.1 500 " + strings.Repeat("\xff\u009b", 2000) + "\r\nContent-Length: 0\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				bufio.NewReader(conn).ReadString('\n')
				io.WriteString(conn, answer)
				conn.Close()
			}
		}()
		resp, err := m.fetcherOf(m.archive).request(t.Context(), "http://"+l.Addr().String()+"/", "x", http.Header{})
		if err == nil {
			resp.Body.Close()
			err = newStatusError(resp)
		}
		if strings.ContainsFunc(err.Error(), unicode.IsControl) || !utf8.ValidString(err.Error()) || len(err.Error()) > 2*maxTold {
			t.Errorf("%q: %q", answer, err)
		}
	}
}
