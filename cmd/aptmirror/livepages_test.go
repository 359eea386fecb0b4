package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLivePages runs in a fresh Debian system what the pages have root do: the
// package that they build is installed, and then kits. Nothing boots in there;
// systemctl enables units and starts none.
func TestLivePages(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "bookworm")
	built := t.TempDir()
	pages := map[string]markdown{}
	for _, m := range markdownPages(t) {
		pages[m.name] = m
		for _, b := range m.of("sh package") {
			inTree(t, strings.TrimRight(b.text, "\n")+" -out "+built)
		}
	}
	debs, err := filepath.Glob(built + "/*.deb")
	if err != nil || len(debs) != 1 {
		t.Fatalf("the pages built %v, %v", debs, err)
	}
	r.host("cp", debs[0], r.dir+"/root")
	r.sh("apt-get update -qq")
	r.asTold(pages["systemd/README.md"])
	r.sh("test -e /etc/systemd/system/sockets.target.wants/aptmirror.socket && test -e /etc/systemd/system/timers.target.wants/aptmirror-sync.timer")

	r.sh("cd /root; aptmirror client add name; for f in deb tar; do aptmirror client kit name --format $f --out FILE.$f; done; aptmirror client kit name --out FOLDER")
	r.asTold(pages["proxy/kit/README.md"])
	r.sh("test $(stat -c %U:%a /etc/aptmirror/client.key) = _apt:400 && grep -q mirror.example.org /etc/apt/sources.list.d/aptmirror.sources && apt-get purge -qq -y aptmirror-apt-source")
}

// of gives the blocks of one kind.
func (m markdown) of(kind string) (all []codeBlock) {
	for _, b := range m.blocks {
		if b.kind == kind {
			all = append(all, b)
		}
	}
	return all
}

// notBooted makes systemctl enable and disable units without a running systemd,
// which it refuses to do with --now.
const notBooted = `export SYSTEMD_OFFLINE=1
systemctl() {
    if [ "$2" = --now ]; then verb=$1; shift 2; set -- "$verb" "$@"; fi
    command systemctl "$@"
}
`

// asTold runs the blocks of a page that are for root.
func (r *root) asTold(m markdown) {
	r.t.Helper()
	blocks := m.of("sh root")
	if len(blocks) == 0 {
		r.t.Errorf("%s has nothing for root to do", m.name)
	}
	for _, b := range blocks {
		r.sh(notBooted + "cd /root\n" + b.text)
	}
}

// inTree runs commands at the root of the tree.
func inTree(t *testing.T, commands string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, lastLines(string(out), 20))
	}
}
