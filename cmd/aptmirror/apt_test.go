package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// sample publishes an archive with a bit of everything.
func sample(t testing.TB) (*upstreamtest.Archive, upstreamtest.Package, []string) {
	t.Helper()
	a := upstreamtest.New(t)
	hello := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.10-3+b1", Size: 200_000})
	sources := a.AddSource("hello", "2.10-3")
	a.Publish()
	return a, hello, sources
}

func TestAptUsesTheMirror(t *testing.T) {
	t.Parallel()
	a, hello, sources := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	p := h.serve()
	seen := 0

	c.update()
	if got := c.requests(p, &seen); len(got) < 3 || !strings.Contains(got[0], "/InRelease 200") || !strings.Contains(strings.Join(got, "\n"), "/by-hash/SHA256/") {
		t.Errorf("the first update asked for\n%s", strings.Join(got, "\n"))
	}
	c.download(hello)
	c.mustApt("apt-get", "source", "--download-only", "hello")
	for _, p := range sources {
		c.wantFile(path.Base(p), a.Get(p))
	}
	c.answered(p, append(sources, hello.Filename)...)
	c.requests(p, &seen)

	c.update()
	if got := strings.Join(c.requests(p, &seen), "\n"); got != "/debian/dists/stable/InRelease 304" {
		t.Errorf("an update without news asked for\n%s", got)
	}
	asked := a.Count(hello.Filename)
	c.download(hello)
	if a.Count(hello.Filename) != asked || asked != 1 {
		t.Errorf("upstream was asked %d times for a file, then %d times more", asked, a.Count(hello.Filename)-asked)
	}
	h.checkStore()
}

// A file that is not in the store yet reaches the client while it comes.
func TestAptGetsAFileWhileItComes(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	big := a.AddPackage(upstreamtest.Package{Name: "big", Version: "1.0", Size: 3_000_000})
	a.Publish()
	gate, finished := make(chan struct{}), atomic.Bool{}
	a.Fault(path.Base(big.Filename), func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		w.Header().Set("Content-Length", fmt.Sprint(len(f.Data)))
		w.Write(f.Data[:2_000_000])
		http.NewResponseController(w).Flush()
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
		w.Write(f.Data[2_000_000:])
		finished.Store(true)
	})
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()

	aptDone := make(chan struct{})
	go func() {
		defer close(aptDone)
		if out, ok := c.apt("apt-get", "install", "--download-only", "-y", "big"); !ok {
			t.Errorf("apt-get failed:\n%s", out)
		}
	}()
	partial := c.kit + "/cache/archives/partial/" + path.Base(big.Filename)
	eventually(t, "apt has some of the file", func() bool {
		info, err := os.Stat(partial)
		return err == nil && info.Size() > 0
	})
	first := make([]byte, 1000)
	body := c.get(big.Filename).Body
	if _, err := io.ReadFull(body, first); err != nil || finished.Load() {
		t.Errorf("a second reader did not get the beginning in time: %v", err)
	}
	close(gate)
	rest, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(append(first, rest...), big.Deb) {
		t.Errorf("the second reader got %d bytes, %v", len(first)+len(rest), err)
	}
	<-aptDone
	got, err := os.ReadFile(c.kit + "/cache/archives/" + path.Base(big.Filename))
	if err != nil || sha256.Sum256(got) != sha256.Sum256(big.Deb) {
		t.Errorf("apt has %d bytes, %v", len(got), err)
	}
	if n := a.Count(big.Filename); n != 1 {
		t.Errorf("upstream was asked %d times", n)
	}
}

// Clients never see a mixture of two publications, however often there is one.
func TestUpdatesWhileUpstreamPublishes(t *testing.T) {
	t.Parallel()
	const publications = 50
	a, _, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()

	last := make(chan upstreamtest.Package, 1)
	go func() {
		var p upstreamtest.Package
		defer func() { last <- p }()
		for i := range publications {
			p = a.AddPackage(upstreamtest.Package{Name: "hello", Version: fmt.Sprintf("3.%d", i)})
			a.Publish()
			if r := h.run("sync"); r.code != 0 {
				t.Errorf("sync: exit code %d\n%s", r.code, r.stderr)
				return
			}
		}
	}()
	for updates := 1; ; updates++ {
		if out, ok := c.apt("apt-get", "update", "--error-on=any"); !ok {
			t.Fatalf("update %d failed:\n%s", updates, out)
		}
		select {
		case p := <-last:
			t.Logf("%d updates during %d publications", updates, publications)
			c.update()
			c.download(p)
			if got := data[admin.Status](h, "status").Suites[0].Generation; got != publications+1 {
				t.Errorf("generation %d is served, want %d", got, publications+1)
			}
			h.checkStore()
			return
		default:
		}
	}
}

// What a plain mirror does not do must not matter to clients of ours.
func TestPlainUpstreams(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]upstreamtest.Fault{
		"no Last-Modified": upstreamtest.NoLastModified, "no ranges": upstreamtest.IgnoreRange, "always 200": upstreamtest.Always200,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, hello, _ := sample(t)
			a.Fault("*", fault)
			h := newHost(t, a)
			c := h.client("client")
			h.must("sync")
			p := h.serve()
			seen := 0
			c.update()
			c.download(hello)
			c.answered(p, hello.Filename)
			c.requests(p, &seen)
			if r := h.must("sync"); !strings.Contains(r.stderr, "unchanged") {
				t.Errorf("a sync without news says %s", r.stderr)
			}
			c.update()
			if got := strings.Join(c.requests(p, &seen), "\n"); got != "/debian/dists/stable/InRelease 304" {
				t.Errorf("an update without news asked for\n%s", got)
			}
			h.checkStore()
		})
	}
}

// When upstream is gone, everything that was there is still served.
func TestUpstreamIsDown(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	cold := a.AddPackage(upstreamtest.Package{Name: "cold", Version: "1.0"})
	a.Publish()
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	p := h.serve()
	c.update()
	c.download(hello)
	a.Close()

	if r := h.run("sync"); r.code != 1 || !strings.Contains(r.stderr, "archive debian, suite stable") {
		t.Errorf("sync: exit code %d\n%s", r.code, r.stderr)
	}
	c.update()
	c.host.client("second").update()
	c.download(hello)
	if out, ok := c.apt("apt-get", "download", cold.Name); ok || !strings.Contains(out, "503") {
		t.Errorf("a file that is not here: %v\n%s", ok, out)
	}
	if code := p.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.serve()
	c.update()
	c.download(hello)
}
