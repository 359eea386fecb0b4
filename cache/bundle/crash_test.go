package bundle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"aptmirror/cache"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// TestChild is no test: it is what the tests below run in a process of its own,
// and that ends at the n-th time that a point is reached.
func TestChild(t *testing.T) {
	env := os.Getenv
	point, count, ok := strings.Cut(env("BUNDLE_TEST_POINT"), "/")
	if !ok {
		t.Skip("runs as part of the tests that kill it only")
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	var times atomic.Int64
	testingOnlyReached = func(p string) {
		if p == point && times.Add(1) == int64(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	s := openSiteFor(t, env("BUNDLE_TEST_KEYRING"), env("BUNDLE_TEST_ARCH"), env("BUNDLE_TEST_DIR"), cache.Options{})
	switch env("BUNDLE_TEST_DO") {
	case "export":
		s.exportAsChild(env("BUNDLE_TEST_SIGNATURE"), env("BUNDLE_TEST_FILES"))
	case "tree":
		_, err = s.tryTree(env("BUNDLE_TEST_FILES"), false)
	case "import":
		s.importAsChild(env("BUNDLE_TEST_SIGNATURE"), env("BUNDLE_TEST_FILES"))
	}
	t.Error("the point was not reached", err)
}

func (s *site) exportAsChild(signature, dest string) {
	x := s.exporter()
	x.PartSize = 36 << 10
	x.Sign = func(context.Context, []byte) ([]byte, error) { return os.ReadFile(signature) }
	if _, err := s.write(x, s.snapshot("monday", day), dest); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) importAsChild(keyring, from string) {
	var err error
	if s.takes, err = pgp.LoadKeyring(keyring); err != nil {
		s.t.Fatal(err)
	}
	bundles, err := Find(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.take(bundles[0]...); err != nil {
		s.t.Fatal(err)
	}
}

// killed runs the child on the store of s, which must be closed.
func killed(t *testing.T, a *upstreamtest.Archive, do, point, store, signature, files string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), "BUNDLE_TEST_DO="+do, "BUNDLE_TEST_POINT="+point, "BUNDLE_TEST_DIR="+store, "BUNDLE_TEST_FILES="+files,
		"BUNDLE_TEST_SIGNATURE="+signature, "BUNDLE_TEST_KEYRING="+a.KeyringFile(), "BUNDLE_TEST_ARCH="+a.Arch)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out.String())
	}
}

// closedSite makes the store of a connected site and closes it.
func closedSite(t *testing.T, a *upstreamtest.Archive) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Run("prepare", func(t *testing.T) {
		openSite(t, a, dir, cache.Options{}, a.URL()+"/").refresh()
	})
	return dir
}

func TestAKilledExportIsFinishedByRunningItAgain(t *testing.T) {
	a := newArchive(t)
	store := closedSite(t, a)
	work := t.TempDir()
	var key *upstreamtest.Key
	t.Run("signature", func(t *testing.T) {
		s := openSite(t, a, store, cache.Options{})
		key = s.key
		x := s.exporter()
		sign := x.Sign
		x.Sign = func(ctx context.Context, text []byte) ([]byte, error) {
			signature, err := sign(ctx, text)
			writeFile(t, work, "signature", signature)
			return signature, err
		}
		x.PartSize = 36 << 10
		if _, err := s.write(x, s.snapshot("monday", day), filepath.Join(work, "good")); err != nil {
			t.Fatal(err)
		}
	})
	want := filesIn(t, filepath.Join(work, "good"))
	for _, point := range []string{"part written/1", "part renamed/1", "part written/3", "blob written/2", "blob written/5"} {
		t.Run(point, func(t *testing.T) {
			dest := t.TempDir()
			killed(t, a, "export", point, store, filepath.Join(work, "signature"), dest)
			for _, name := range filesIn(t, dest) {
				if !strings.HasPrefix(name, ".") && !sameFile(t, filepath.Join(dest, name), filepath.Join(work, "good", name)) {
					t.Errorf("%s has its name but is not whole", name)
				}
			}
			s := openSite(t, a, store, cache.Options{})
			s.key = key
			s.exportAsChild(filepath.Join(work, "signature"), dest)
			if got := filesIn(t, dest); !slices.Equal(got, want) {
				t.Errorf("the folder has %v, want %v", got, want)
			}
			for _, name := range want {
				if !sameFile(t, filepath.Join(dest, name), filepath.Join(work, "good", name)) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(one, other)
}

func TestAKilledImportIsFinishedByRunningItAgain(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	work := t.TempDir()
	keyring := writeFile(t, work, "exporter.gpg", from.key.Public())
	bundle := writeFile(t, work, "monday.tar", from.export(from.snapshot("monday", day), nil))
	for _, point := range []string{"file stored/1", "file stored/4", "file stored/6"} {
		t.Run(point, func(t *testing.T) {
			store := t.TempDir()
			killed(t, a, "import", point, store, keyring, bundle)
			s := openSite(t, a, store, cache.Options{})
			if n, err := s.Catalog.Generations(t.Context()); len(n) != 0 || err != nil {
				t.Errorf("after the kill there are generations: %v, %v", n, err)
			}
			s.importAsChild(keyring, bundle)
			s.wantSame(from)
		})
	}
}
