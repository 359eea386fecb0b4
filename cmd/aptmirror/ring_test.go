package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

const ringText = `
[[repository]]
name = "site"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable"]

[[repository]]
name = "production"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["repository:site/stable"]
  publish = "manual"
`

// newRingHost mirrors an archive and has a ring "production".
func newRingHost(t *testing.T) (*host, *upstreamtest.Archive, upstreamtest.Package) {
	t.Helper()
	a := upstreamtest.New(t)
	hello := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	a.Publish()
	h := newHost(t, a)
	h.edit(func(text string) string { return text + ringText })
	return h, a, hello
}

// only leaves the client the sources of one repository.
func (c *client) only(repository string) *client {
	c.t.Helper()
	c.change("etc/sources.list.d/aptmirror.sources", func(text string) string {
		var kept []string
		for _, stanza := range strings.Split(text, "\n\n") {
			if strings.Contains(stanza, "/"+repository+"\n") || strings.Contains(stanza, "/"+repository+"/\n") {
				kept = append(kept, stanza)
			}
		}
		if len(kept) != 1 {
			c.t.Fatalf("%d sources of repository %s in\n%s", len(kept), repository, text)
		}
		return kept[0] + "\n"
	})
	return c
}

// candidate is the version of a package that apt would install.
func (c *client) candidate(name string) string {
	c.t.Helper()
	for line := range strings.Lines(c.mustApt("apt-cache", "policy", name)) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok {
			return version
		}
	}
	return ""
}

// A client of a ring follows a promotion and a rollback, at once and without a
// word, and sees nothing of what happens in between.
func TestAptFollowsARingBothWays(t *testing.T) {
	t.Parallel()
	h, a, first := newRingHost(t)
	h.must("sync")
	h.must("snapshot", "create", "one")
	h.must("publish", "one", "production")
	h.serve()
	c := h.client("client").only("production")
	follows := func(when, want string) {
		t.Helper()
		c.update()
		if got := c.candidate("hello"); got != want {
			t.Errorf("%s, apt would install hello %s, want %s", when, got, want)
		}
	}
	follows("at first", "1.0")
	a.RemovePackage("hello")
	second := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	a.Publish()
	h.must("sync", "debian")
	follows("before the promotion", "1.0")
	c.download(first)
	h.must("snapshot", "create", "two", "site")
	h.must("publish", "two", "production", "--why", "tested")
	follows("after the promotion", "2.0")
	c.download(second)
	h.must("rollback", "production")
	follows("after the rollback", "1.0")
	h.must("rollback", "production")
	follows("after rolling that back", "2.0")
	for range 5 { // faster than a second each, in which apt would take one for the other
		h.must("rollback", "production")
	}
	follows("after five more", "1.0")
	h.checkStore()
}

func TestAptUsesASnapshotsAddress(t *testing.T) {
	t.Parallel()
	h, a, first := newRingHost(t)
	h.must("sync")
	h.serve()
	h.must("snapshot", "create", "june")
	moment := passedMoment(t)
	a.RemovePackage("hello")
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	a.Publish()
	h.must("sync", "debian")
	for _, id := range []string{"june", moment} {
		c := h.client("client-" + strings.ToLower(id)).only("site")
		c.change("etc/sources.list.d/aptmirror.sources", func(text string) string {
			return replaceOnce(t, text, "/site\n", "/site/snapshot/"+id+"\n")
		})
		c.update()
		if got := c.candidate("hello"); got != "1.0" {
			t.Errorf("in %s, apt would install hello %s", id, got)
		}
		c.download(first)
	}
	c := h.client("astray").only("site")
	c.change("etc/sources.list.d/aptmirror.sources", func(text string) string {
		return replaceOnce(t, text, "/site\n", "/site/snapshot/july\n")
	})
	if out, ok := c.apt("apt-get", "update"); ok || !strings.Contains(out, `there is no snapshot "july" of site; there are june`) {
		t.Errorf("an unknown snapshot: %s", out)
	}
	h.checkStore()
}

// passedMoment names the present moment and returns once it has passed: moments
// are of whole seconds.
func passedMoment(t *testing.T) string {
	t.Helper()
	name := func() string { return time.Now().UTC().Format("20060102T150405Z") }
	moment := name()
	eventually(t, "the next second comes", func() bool { return name() != moment })
	return moment
}

// TestLiveApt3Snapshots uses the options of apt 3 for snapshots.
func TestLiveApt3Snapshots(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "trixie")
	h, a, first := newRingHost(t)
	h.must("sync")
	h.serve()
	h.must("snapshot", "create", "june")
	moment := passedMoment(t)
	a.RemovePackage("hello")
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	a.Publish()
	h.must("sync", "debian")
	g := &guest{h.client("guest").only("site"), r}
	g.mustApt("apt-get", "update", "--error-on=any")
	for _, id := range []string{"june", moment} {
		g.mustApt("apt-get", "update", "--error-on=any", "--snapshot", id)
		g.mustApt("apt-get", "download", "--snapshot", id, "hello=1.0")
		if got := g.fetched(path.Base(first.Filename)); !bytes.Equal(got, first.Deb) {
			t.Errorf("of %s got %d bytes, other ones than the %d of upstream", id, len(got), len(first.Deb))
		}
		if err := os.Remove(r.dir + g.kit + "/" + path.Base(first.Filename)); err != nil {
			t.Fatal(err)
		}
	}
	if out, ok := g.apt("apt-get", "update", "--snapshot", "july"); ok || !strings.Contains(out, "july") {
		t.Errorf("an unknown snapshot: %s", out)
	}
	g.change("etc/sources.list.d/aptmirror.sources", func(text string) string { return text + "Snapshot: june\n" })
	g.mustApt("apt-get", "update", "--error-on=any")
	g.mustApt("apt-get", "download", "hello=1.0")
	h.wantRingDetails("june")
}

func (h *host) wantRingDetails(name string) {
	h.t.Helper()
	s := data[admin.SnapshotDetails](h, "snapshot", "show", name)
	want := fmt.Sprintf("https://localhost:%s/site/snapshot/%s/", h.port, name)
	for _, a := range s.Addresses {
		if a == want {
			return
		}
	}
	h.t.Errorf("the addresses of snapshot %s are %v, without %s", name, s.Addresses, want)
}
