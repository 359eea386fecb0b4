package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

const siteTables = `
[[pool]]
name = "internal"
names = ["corp-*"]

[[policy]]
name = "workstations"
rules = """
deny ?section(games)   # not on company machines
allow ?true
"""

[[repository]]
name = "site"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable", "pool:internal"]
  policy = "workstations"
`

// newSiteHost builds repository "site" from an archive and a pool, and serves
// nothing else.
func newSiteHost(t testing.TB, a *upstreamtest.Archive) *host {
	t.Helper()
	h := newHost(t, a)
	h.edit(func(text string) string {
		return replaceOnce(t, text, "\n[[repository]]\nname = \"debian\"\narchive = \"debian\"\n", siteTables)
	})
	return h
}

// addToPool adds a package to pool "internal".
func (h *host) addToPool(p upstreamtest.Package) upstreamtest.Package {
	h.t.Helper()
	p = upstreamtest.New(h.t).AddPackage(p)
	file := filepath.Join(h.dir, path.Base(p.Filename))
	if err := os.WriteFile(file, p.Deb, 0o644); err != nil {
		h.t.Fatal(err)
	}
	h.must("package", "add", "internal", file)
	return p
}

func TestAptInstallsFromASiteRepository(t *testing.T) {
	t.Parallel()
	a, hello, sources := sample(t)
	a.AddPackage(upstreamtest.Package{Name: "chess", Section: "games"})
	a.Publish()
	h := newSiteHost(t, a)
	tool := h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.0", Depends: "hello (>= 2)"})
	h.must("sync")
	h.serve()
	c := h.client("client")
	c.update()
	if out := c.mustApt("apt-get", "install", "-s", "corp-tool"); !strings.Contains(out, "Inst hello (2.10-3+b1 site:") || !strings.Contains(out, "Inst corp-tool (1.0 site:") {
		t.Errorf("apt would do\n%s", out)
	}
	c.download(hello)
	c.download(tool)
	c.mustApt("apt-get", "source", "--download-only", "hello")
	for _, p := range sources {
		c.wantFile(path.Base(p), a.Get(p))
	}
	if out, ok := c.apt("apt-get", "install", "-s", "chess"); ok || !strings.Contains(out, "Unable to locate package chess") {
		t.Errorf("what the policy denies: %v\n%s", ok, out)
	}
	if out := h.must("why", "site", "chess").stdout; !strings.Contains(out, "denied: ") || !strings.Contains(out, "`deny ?section(games)` (not on company machines)") {
		t.Errorf("why says\n%s", out)
	}

	newer := h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.1"})
	eventually(t, "the newer package is published", func() bool {
		c.update()
		out, ok := c.apt("apt-cache", "policy", "corp-tool")
		return ok && strings.Contains(out, "Candidate: 1.1")
	})
	c.download(newer)
	h.checkStore()
}

// Clients of what is built never see a mixture of two publications either.
func TestUpdatesWhileTheSiteBuilds(t *testing.T) {
	t.Parallel()
	const publications = 20 // each takes a second: Date has no finer grain
	a, _, _ := sample(t)
	h := newSiteHost(t, a)
	h.must("sync")
	h.serve()
	c := h.client("client")
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
			if s := data[admin.Status](h, "status").Suites[0]; s.Generation != publications+1 || s.Error != "" {
				t.Errorf("%+v", s)
			}
			h.checkStore()
			return
		default:
		}
	}
}

func TestClientsFollowARotationOfTheSiteKey(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newSiteHost(t, a)
	h.must("sync")
	h.serve()
	old := h.client("client")
	old.update()
	second := newHost(t, a)
	key, err := os.ReadFile(filepath.Join(filepath.Dir(second.config), "keys", "site.asc"))
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(h.config), "keys", "next.asc"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	signers := func(want int) func() bool {
		return func() bool { return len(data[admin.Status](h, "status").Suites[0].Signers) == want }
	}

	h.edit(func(text string) string {
		return replaceOnce(t, text, "\nsign_with = [\"keys/site.asc\"]", "\nsign_with = [\"keys/site.asc\", \"keys/next.asc\"]")
	})
	h.must("reload")
	eventually(t, "both keys sign", signers(2))
	old.update()
	h.must("client", "kit", "client", "--out", filepath.Join(h.dir, "kit-new"))
	renewed := &client{h, "client", filepath.Join(h.dir, "kit-new")}
	renewed.update()

	h.edit(func(text string) string {
		return replaceOnce(t, text, "\nsign_with = [\"keys/site.asc\", \"keys/next.asc\"]", "\nsign_with = [\"keys/next.asc\"]")
	})
	h.must("reload")
	eventually(t, "the new key signs alone", signers(1))
	renewed.update()
	if out, ok := old.apt("apt-get", "update", "--error-on=any"); ok {
		t.Errorf("a client that knows the old key alone is content:\n%s", out)
	}
	h.checkStore()
}
