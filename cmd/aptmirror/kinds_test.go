package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// Whatever form an archive has, apt sees the same through the mirror.
func TestKindsOfUpstreams(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*upstreamtest.Suite){
		"no InRelease":     func(s *upstreamtest.Suite) { s.OmitInRelease = true },
		"no Release":       func(s *upstreamtest.Suite) { s.OmitRelease = true },
		"no by-hash":       func(s *upstreamtest.Suite) { s.AcquireByHash = false },
		"plain indexes":    func(s *upstreamtest.Suite) { s.Compressions, s.AcquireByHash = []string{""}, false },
		"all by itself":    func(s *upstreamtest.Suite) { s.SeparateAll = true },
		"with Valid-Until": func(s *upstreamtest.Suite) { s.ValidFor = 24 * time.Hour },
		"more digests":     func(s *upstreamtest.Suite) { s.Hashes = []string{"MD5Sum", "SHA1", "SHA256", "SHA512"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := upstreamtest.New(t)
			updates := a.AddSuite("stable/updates")
			change(a.Suite)
			change(updates)
			packages := []upstreamtest.Package{
				a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1:2.0~rc1-1+b1", Size: 100_000}),
				a.AddPackage(upstreamtest.Package{Name: "common", Arch: "all"}),
				a.AddPackage(upstreamtest.Package{Name: "update", Suite: "stable/updates"}),
			}
			sources := a.AddSource("hello", "2.0-1")
			a.Publish()
			h := newHost(t, a, "stable", "stable/updates")
			c := h.client("client")
			h.must("sync")
			h.serve()
			c.update()
			for _, p := range packages {
				c.download(p)
			}
			c.mustApt("apt-get", "source", "--download-only", "hello")
			c.wantFile(path.Base(sources[0]), a.Get(sources[0]))
			h.checkStore()
		})
	}
}

func TestFlatUpstreams(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{"./", "packages/"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			a := upstreamtest.New(t)
			a.AddSuite(suite)
			p := a.AddPackage(upstreamtest.Package{Name: "flat", Suite: suite, Size: 100_000})
			a.Publish()
			h := newHost(t, a, suite)
			h.edit(func(text string) string { return replaceOnce(t, text, "\ncomponents = [\"main\"]\n", "\n") })
			c := h.client("client")
			h.must("sync")
			h.serve()
			c.update()
			c.download(p)
			h.checkStore()
		})
	}
}

// An archive that is downloaded ahead of time needs upstream no more.
func TestDownloadAhead(t *testing.T) {
	t.Parallel()
	a, hello, sources := sample(t)
	h := newHost(t, a)
	h.edit(func(text string) string {
		return replaceOnce(t, text, "\ncomponents = [\"main\"]\n", "\ncomponents = [\"main\"]\ndownload = \"all\"\n")
	})
	c := h.client("client")
	a.Fault(path.Base(hello.Filename), upstreamtest.WrongBytes)
	if r := h.run("sync"); r.code != 4 || !strings.Contains(r.stderr, path.Base(hello.Filename)) {
		t.Errorf("with a wrong file: exit code %d, want 4\n%s", r.code, r.stderr)
	}
	a.ClearFaults()
	if r := h.must("sync"); !strings.Contains(r.stderr, "all 5 files are here") {
		t.Errorf("sync says %s", r.stderr)
	}
	if s := data[admin.Status](h, "status").Suites[0]; s.Cached != s.Packages || s.Packages != 4 {
		t.Errorf("%d of %d packages are here", s.Cached, s.Packages)
	}
	a.Close()
	h.serve()
	c.update()
	c.download(hello)
	c.mustApt("apt-get", "source", "--download-only", "hello")
	c.wantFile(path.Base(sources[0]), a.Get(sources[0]))
}

// A suite that has not come in yet is a passing state for apt, not one in which
// it would ask for something less safe.
func TestSuiteThatHasNotComeYet(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	a.Fault("*", upstreamtest.Status(http.StatusServiceUnavailable, ""))
	h := newHost(t, a)
	c := h.client("client")
	p := h.serve()
	out, ok := c.apt("apt-get", "update", "--error-on=any")
	if ok || !strings.Contains(out, "503") {
		t.Errorf("apt-get update: %v\n%s", ok, out)
	}
	seen := 0
	for _, line := range c.requests(p, &seen) {
		if line != "/debian/dists/stable/InRelease 503" {
			t.Errorf("apt asked for %s", line)
		}
	}
	a.ClearFaults()
	h.must("sync")
	c.update()
	c.download(hello)
}

// One suite that cannot be had keeps nobody from the others. apt gets a chance
// to ask again as it does by default, which can make it wait for ever.
func TestOtherSuitesDoNotWaitForOneThatHasNotComeYet(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	suites := []string{"stable"}
	for _, name := range []string{"late", "stable/one", "stable/two"} {
		a.AddSuite(name)
		suites = append(suites, name)
	}
	a.Fault("dists/late/*", upstreamtest.NotFound)
	a.Publish()
	h := newHost(t, a, suites...)
	c := h.client("client")
	h.run("sync")
	h.serve()
	out, ok := c.apt("apt-get", "update", "-o", "Acquire::Retries=3")
	if ok || strings.Count(out, "503  this suite has not been verified yet") != 2 || strings.Contains(out, "Ign:") {
		t.Errorf("apt-get update: %v\n%s", ok, out)
	}
	c.download(hello)
}

// The second mirror of an archive stands in for the first, whatever that does.
func TestSecondMirror(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	second := a.Mirror()
	h := newHost(t, a)
	h.edit(func(text string) string {
		return replaceOnce(t, text, `uris = ["`+a.URL(), `uris = ["`+a.URL()+`", "`+second.URL())
	})
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()
	for name, fault := range map[string]upstreamtest.Fault{"reset": upstreamtest.Reset, "404": upstreamtest.NotFound, "500": upstreamtest.Status(500, "")} {
		t.Run(name, func(t *testing.T) {
			p := a.AddPackage(upstreamtest.Package{Name: "p" + name, Size: 100_000})
			a.Publish()
			a.Fault("*", fault)
			defer a.ClearFaults()
			h.must("sync")
			c.update()
			c.download(p)
		})
	}
	a.Close()
	h.must("sync")
	c.download(hello)
	h.checkStore()
}

// After a mirror sent wrong bytes, apt has some of them on its disk. It must
// not go on with the right ones behind those.
func TestResumeAfterWrongBytes(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "big", Size: 1_000_000})
	a.Publish()
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()
	partial := c.kit + "/cache/archives/partial/" + path.Base(p.Filename)
	aptHasSome := func() bool { info, err := os.Stat(partial); return err == nil && info.Size() > 0 }
	a.Fault(path.Base(p.Filename), func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		wrong := bytes.Clone(f.Data)
		wrong[0] ^= 1
		w.Write(wrong[:len(wrong)/2])
		w.(http.Flusher).Flush()
		until(r.Context(), aptHasSome)
		w.Write(wrong[len(wrong)/2:])
	})
	install := []string{"apt-get", "install", "--download-only", "-y", "big"}
	if out, _ := c.apt(install...); !strings.Contains(out, "Failed to fetch") {
		t.Fatalf("wrong bytes came through:\n%s", out)
	}
	if !aptHasSome() {
		t.Fatal("apt has nothing to go on with")
	}
	a.ClearFaults()
	var out string
	eventually(t, "apt gets an answer other than 503", func() bool {
		out, _ = c.apt(install...)
		return !strings.Contains(out, "503")
	})
	if strings.Contains(out, "Failed to fetch") {
		t.Errorf("with an honest mirror again:\n%s", out)
	}
}

// until looks again and again whether something has become true, while ctx lasts.
func until(ctx context.Context, happened func() bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !happened() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
