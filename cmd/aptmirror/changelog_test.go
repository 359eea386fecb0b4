package main

import (
	"os"
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

func TestAptReadsChangelogsOfASiteRepository(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	hello := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1:2.10-3+b1", Source: "libhello (1:2.10-3)", Changelog: "libhello (1:2.10-3) stable\n"})
	a.AddPackage(upstreamtest.Package{Name: "hello-doc", Version: "1:2.10-3", Source: "libhello", Arch: "all"})
	a.AddPackage(upstreamtest.Package{Name: "mute"})
	a.AddPackage(upstreamtest.Package{Name: "chess", Section: "games", Changelog: "chess (1.0) stable\n"})
	a.Publish()
	h := newSiteHost(t, a)
	h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.0~rc1+x", Changelog: "corp-tool (1.0~rc1+x) stable\n"})
	h.must("sync")
	h.must("snapshot", "create", "june", "site")
	h.serve()
	c := h.client("client")
	c.update()
	for _, x := range []struct{ name, source, want string }{
		{"hello", "libhello", "libhello (1:2.10-3) stable\n"},
		{"hello-doc", "libhello", "libhello (1:2.10-3) stable\n"},
		{"corp-tool", "corp-tool", "corp-tool (1.0~rc1+x) stable\n"},
	} {
		c.mustApt("apt-get", "changelog", "--download-only", x.name)
		c.wantFile(x.source+".changelog", []byte(x.want))
		if err := os.Remove(c.work(x.source + ".changelog")); err != nil {
			t.Fatal(err)
		}
	}
	if a.Count(hello.Filename) != 1 {
		t.Errorf("%s was fetched %d times", hello.Filename, a.Count(hello.Filename))
	}
	if out, ok := c.apt("apt-get", "changelog", "--download-only", "mute"); ok || !strings.Contains(out, "have no changelog in them") {
		t.Errorf("a package without a changelog: %v\n%s", ok, out)
	}
	for address, want := range map[string]int{
		"../site/snapshot/june/changelogs/main/libh/libhello/libhello_2.10-3_changelog": 200,
		"../site/changelogs/main/c/chess/chess_1.0_changelog":                           404,
		"../site/changelogs/main/../../dists_changelog":                                 404,
	} {
		r := c.get(address)
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %s", address, r.Status)
		}
	}
	c.change("etc/sources.list.d/aptmirror.sources", func(text string) string {
		return strings.ReplaceAll(text, "/site\n", "/site/snapshot/june\n")
	})
	c.update()
	if out := c.mustApt("apt-get", "changelog", "--print-uris", "hello"); !strings.Contains(out, "/site/snapshot/june/changelogs/main/libh/libhello/libhello_2.10-3_changelog") {
		t.Errorf("apt would ask for\n%s", out)
	}
	c.mustApt("apt-get", "changelog", "--download-only", "hello")
	h.checkStore()
}
