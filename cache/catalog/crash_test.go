package catalog_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// site is a state directory with the archive that it mirrors.
type site struct {
	*cache.Cache
	t        *testing.T
	keys     *pgp.Keyring
	upstream *upstream.Upstream
	archive  *upstream.Archive
}

// openSite opens a state directory and serves what is there.
func openSite(t *testing.T, dir, uri, keyring, arch string) *site {
	t.Helper()
	keys, err := pgp.LoadKeyring(keyring)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Cache: store, t: t, keys: keys, archive: &upstream.Archive{
		Name: "upstream", URIs: []string{uri + "/"}, Suites: []string{"stable"}, Components: []string{"main"},
		Architectures: []string{arch}, Keyring: keys,
	}}
	s.upstream = upstream.New(upstream.Config{
		Archives: []*upstream.Archive{s.archive}, Blobs: store.Blobs, Catalog: store.Catalog, Log: slog.New(slog.DiscardHandler), Version: "test",
	})
	if err := store.Catalog.Serve(t.Context(), map[string][]string{"debian": {"stable"}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) close() {
	s.t.Helper()
	s.upstream.Close()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

// sync refreshes and publishes, as the daemon does.
func (s *site) sync() catalog.Generation {
	s.t.Helper()
	r, err := s.upstream.Refresh(s.t.Context(), s.archive, "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.Catalog.Publication("debian", "stable")
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		s.t.Fatal(err)
	}
	if p.Current != r.Generation.Ref() {
		if _, err := s.Catalog.Publish(s.t.Context(), catalog.Move{Repository: "debian", Suite: "stable", Expect: p.Current, Next: r.Generation.Ref()}, time.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
	return r.Generation
}

// wantServed expects a generation to be served whole, and a store in order.
func (s *site) wantServed(number uint64) {
	s.t.Helper()
	g, err := s.Catalog.Generation("upstream", "stable", number)
	if err != nil {
		s.t.Fatal(err)
	}
	table, err := s.Catalog.Table(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	for e := range table.All() {
		f, err := s.Catalog.Resolve("debian", e.Path, func(string) bool { return true })
		if err != nil || f.Entry != e {
			s.t.Errorf("%s is %v, %v; want that of generation %d", e.Path, f.Entry, err, number)
		}
		if e.Kind == catalog.KindRelease {
			if _, err := s.Blobs.Stat(e.Digest); err != nil {
				s.t.Errorf("%s: %v", e.Path, err)
			}
		}
	}
	report, err := s.Verify(s.t.Context(), func(string) *pgp.Keyring { return s.keys }, func(string) {})
	if err != nil || len(report.Problems) > 0 {
		s.t.Errorf("verifying: %v, %v", report.Problems, err)
	}
}

// TestChildThatIsKilled runs in the process that the next test starts.
func TestChildThatIsKilled(t *testing.T) {
	point := os.Getenv("CATALOG_TEST_POINT")
	if point == "" {
		t.Skip("only the test of crashes runs this")
	}
	catalog.SetReached(func(p string) {
		if p == point {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	s := openSite(t, os.Getenv("CATALOG_TEST_DIR"), os.Getenv("CATALOG_TEST_URI"), os.Getenv("CATALOG_TEST_KEYRING"), os.Getenv("CATALOG_TEST_ARCH"))
	if os.Getenv("CATALOG_TEST_COLLECT") == "" {
		s.sync()
	} else if _, err := s.Collect(t.Context(), false, catalog.Gone{}); err != nil {
		t.Error(err)
	}
}

func TestKilledWhilePublishingServesTheOldStateOrTheNew(t *testing.T) {
	for _, tc := range []struct {
		point  string
		served uint64 // after the crash
	}{
		{"blobs synced", 1}, {"generation recorded", 1}, {"pointer to be moved", 1}, {"pointer moved", 2},
	} {
		t.Run(tc.point, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
			a.Publish()
			dir := t.TempDir()
			open := func() *site { return openSite(t, dir, a.URL(), a.KeyringFile(), a.Arch) }
			s := open()
			s.sync()
			s.close()
			a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
			a.Publish()

			runUntilKilled(t, "CATALOG_TEST_POINT="+tc.point, "CATALOG_TEST_DIR="+dir, "CATALOG_TEST_URI="+a.URL(),
				"CATALOG_TEST_KEYRING="+a.KeyringFile(), "CATALOG_TEST_ARCH="+a.Arch, "TMPDIR="+t.TempDir())
			s = open()
			defer s.close()
			s.wantServed(tc.served)
			if g := s.sync(); g.Number != 2 {
				t.Errorf("the next sync made generation %d, want 2", g.Number)
			}
			s.wantServed(2)
		})
	}
}

func runUntilKilled(t *testing.T, env ...string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatIsKilled$")
	child.Env = append(os.Environ(), env...)
	said, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, said)
	}
}
