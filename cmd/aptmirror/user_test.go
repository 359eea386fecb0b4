package main

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// newHostOf makes a site that belongs to another user, in a folder and with a
// copy of the program that this user can reach. It skips where the tests do
// not run as root.
func newHostOf(t *testing.T, name string, a *upstreamtest.Archive) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("there is no user %s", name)
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	dir, err3 := os.MkdirTemp("", "aptmirror-"+name)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{t: t, dir: dir, program: dir + "/bin/aptmirror", user: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := errors.Join(os.Chown(dir, uid, gid), os.Mkdir(dir+"/bin", 0o755), copyProgram(h.program), os.WriteFile(dir+"/keyring.gpg", a.Keyring(), 0o644)); err != nil {
		t.Fatal(err)
	}
	h.make(a)
	h.edit(func(text string) string { return replaceOnce(t, text, a.KeyringFile(), dir+"/keyring.gpg") })
	return h
}

func copyProgram(to string) error {
	from, err := exec.LookPath("aptmirror")
	if err != nil {
		return err
	}
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, program, 0o755)
}

// Nothing needs root: neither making a site, nor serving it, nor apt.
func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	a, hello, sources := sample(t)
	h := newHostOf(t, "nobody", a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()
	c.download(hello)
	c.mustApt("apt-get", "source", "--download-only", "hello")
	c.wantFile(path.Base(sources[0]), a.Get(sources[0]))
	h.checkStore()
}

// What root does on the command line leaves the store to the user whose it is.
func TestRootLeavesTheStoreToItsOwner(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHostOf(t, "nobody", a)
	c := h.client("client")
	h.must("sync")
	owner := h.user
	for _, args := range [][]string{{"sync"}, {"status"}, {"verify"}, {"jobs"}, {"client", "add", "later"}, {"client", "revoke", "later"}, {"client", "add", "later"}} {
		h.user = nil
		a.Publish()
		h.must(args...)
		h.user = owner
		h.must("status")
		h.must("client", "list")
	}
	h.must("client", "revoke", "later")
	checkOwner(t, filepath.Join(h.dir, "site", "state"), owner.Uid)
	h.serve()
	h.user = nil
	h.must("sync")
	h.user = owner
	c.update()
	c.download(hello)
}

func checkOwner(t *testing.T, dir string, uid uint32) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(file)
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != uid {
			t.Errorf("%s belongs to user %d", file, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
