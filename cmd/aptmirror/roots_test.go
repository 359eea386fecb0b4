package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/site"
)

// root is a Debian system in a folder.
type root struct {
	t   *testing.T
	dir string
	// proc says that this machine's processes are seen in there, which programs expect. A system that boots sees its own.
	proc bool
}

// newRoot makes a minimal system of a release from the mirror that this machine
// itself uses. AM_ROOTS may name a folder that keeps made systems for the next
// test or run.
func newRoot(t *testing.T, release string) *root {
	t.Helper()
	needLive(t)
	r := &root{t: t, dir: filepath.Join(t.TempDir(), release)}
	packed := packedRoot(t, release)
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.host("tar", "-xpf", packed, "-C", r.dir)
	for _, name := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(r.dir+name, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.host("mount", "-t", "proc", "proc", r.dir+"/proc")
	r.proc = true
	t.Cleanup(r.hideProcesses)
	return r
}

func (r *root) hideProcesses() {
	if !r.proc {
		return
	}
	if out, err := exec.Command("umount", r.dir+"/proc").CombinedOutput(); err != nil {
		r.t.Errorf("umount: %v\n%s", err, out)
	}
	r.proc = false
}

func needLive(t *testing.T) {
	t.Helper()
	if os.Getenv("AM_LIVE") != "1" {
		t.Skip("needs the network: set AM_LIVE=1 to make a Debian system from this machine's own apt sources")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a system")
	}
}

// packing is held while a system is made, which tests of the same release wait for.
var packing sync.Mutex

// packedRoot gives a system as a tar archive.
func packedRoot(t *testing.T, release string) string {
	t.Helper()
	dir := os.Getenv("AM_ROOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	packing.Lock()
	defer packing.Unlock()
	packed := filepath.Join(dir, release+".tar")
	if _, err := os.Stat(packed); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("mmdebstrap is not installed")
	}
	r := &root{t: t}
	r.host("mmdebstrap", "--variant=apt", "--format=tar", "--include=ca-certificates", release, packed+".new", debianURI(t))
	if err := os.Rename(packed+".new", packed); err != nil {
		t.Fatal(err)
	}
	return packed
}

// debianURI is where this machine gets its own packages.
func debianURI(t *testing.T) string {
	t.Helper()
	archives, _, _, err := site.Import("")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range archives {
		if slices.Contains(a.Suites, suite(t)) {
			return a.URIs[0]
		}
	}
	t.Skip("the sources of this machine are not Debian's")
	return ""
}

// host runs a program of this machine.
func (r *root) host(program string, args ...string) string {
	r.t.Helper()
	return r.must(program, args...)
}

// sh runs commands inside.
func (r *root) sh(commands string) string {
	r.t.Helper()
	return r.must("chroot", r.dir, "/bin/sh", "-ec", commands)
}

func (r *root) must(program string, args ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "TMPDIR=/tmp"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, lastLines(string(out), 40))
	}
	return string(out)
}

// lacks says whether a file is not there.
func (r *root) lacks(name string) bool {
	_, err := os.Lstat(r.dir + name)
	return errors.Is(err, fs.ErrNotExist)
}
