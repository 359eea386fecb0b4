package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/upstream/deb822"
)

// TestLive is a quickstart on this very machine, against the archives that it
// uses, with its own apt. It needs the network and takes minutes.
func TestLive(t *testing.T) {
	if os.Getenv("AM_LIVE") != "1" {
		t.Skip("needs the network: set AM_LIVE=1 to mirror this machine's own apt sources")
	}
	t.Parallel()
	h := &host{t: t, dir: t.TempDir(), program: "aptmirror"}
	p, err := background(t.Context(), h.command(t.Context(), h.program, "quickstart", "--dir", "site", "--listen", "127.0.0.1:"+freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	t.Logf("quickstart said\n%s", p)
	h.config = filepath.Join(h.dir, "site", "aptmirror.toml")
	c := &client{h, "client", filepath.Join(h.dir, "site", "client")}
	if err := os.Mkdir(c.work(""), 0o755); err != nil {
		t.Fatal(err)
	}
	c.update()
	c.mustApt("apt-get", "download", "hello")
	c.mustApt("apt-get", "install", "--download-only", "-y", "hello")
	want := c.digests("hello")
	debs, err := filepath.Glob(c.work("hello_*.deb"))
	more, err2 := filepath.Glob(c.kit + "/cache/archives/hello_*.deb")
	if err != nil || err2 != nil || len(debs) != 1 || len(more) != 1 {
		t.Fatalf("got %v and %v (%v, %v)", debs, more, err, err2)
	}
	for _, file := range append(debs, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); !want[sum] {
			t.Errorf("%s has digest %s, the index says %v", file, sum, want)
		}
	}
	h.checkStore()
}

// digests reads the indexes that apt has fetched and verified.
func (c *client) digests(name string) map[string]bool {
	c.t.Helper()
	files := strings.Fields(c.mustApt("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"))
	found := map[string]bool{}
	for _, file := range files {
		text := c.mustApt("/usr/lib/apt/apt-helper", "cat-file", file)
		sc := deb822.NewScanner(bytes.NewReader([]byte(text)), deb822.Limits{})
		for sc.Scan() {
			if n, _ := sc.Stanza().Get("Package"); string(n) == name {
				sum, _ := sc.Stanza().Get("SHA256")
				found[string(sum)] = true
			}
		}
		if err := sc.Err(); err != nil {
			c.t.Fatalf("%s: %v", file, err)
		}
	}
	if len(found) == 0 {
		c.t.Fatalf("%v do not have %s", files, name)
	}
	return found
}
