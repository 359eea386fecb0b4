package site

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestGiveTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := filepath.Join(t.TempDir(), "tls")
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "one"), 0o700), os.WriteFile(filepath.Join(dir, "one", "key"), nil, 0o600),
		os.WriteFile(outside, nil, 0o600), os.Symlink(outside, filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := giveTree(dir, 4321, 4322); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{dir: 4321, dir + "/one": 4321, dir + "/one/key": 4321, dir + "/link": 4321, outside: 0} {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t); got.Uid != want {
			t.Errorf("%s belongs to %d, want %d", name, got.Uid, want)
		}
	}
}
