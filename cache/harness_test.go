package cache_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestMain(m *testing.M) {
	// httptest servers of the archives under test close with their tests, the
	// connections to them a moment later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// store is a state directory that mirrors one archive, called "upstream".
type store struct {
	*cache.Cache
	t       testing.TB
	dir     string
	archive *upstream.Archive
	now     func() time.Time
}

// newStore mirrors nothing yet.
func newStore(t testing.TB, a *upstreamtest.Archive) *store {
	t.Helper()
	keys, err := pgp.LoadKeyring(a.KeyringFile())
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, dir: t.TempDir(), now: time.Now, archive: &upstream.Archive{
		Name: "upstream", URIs: []string{a.URL() + "/"}, Components: []string{"main"}, Architectures: []string{a.Arch, "source"}, Keyring: keys,
	}}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *store) open() {
	s.t.Helper()
	var err error
	if s.Cache, err = cache.Open(s.dir, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) close() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

// with gives use an Upstream that is closed afterwards.
func (s *store) with(use func(*upstream.Upstream)) {
	u := upstream.New(upstream.Config{
		Archives: []*upstream.Archive{s.archive}, Blobs: s.Blobs, Catalog: s.Catalog, Log: slog.New(slog.DiscardHandler), Version: "test", Now: s.now,
	})
	defer u.Close()
	use(u)
}

// refresh takes a suite in and publishes it in repository "debian".
func (s *store) refresh(suite string) catalog.Generation {
	s.t.Helper()
	var g catalog.Generation
	s.with(func(u *upstream.Upstream) {
		r, err := u.Refresh(s.t.Context(), s.archive, suite)
		if err != nil {
			s.t.Fatal(err)
		}
		g = r.Generation
	})
	p, _ := s.Catalog.Publication("debian", suite) // an empty one, if there is none
	if _, err := s.Catalog.Publish(s.t.Context(), catalog.Move{Repository: "debian", Suite: suite, Expect: p.Current, Next: g.Ref()}, time.Now()); err != nil {
		s.t.Fatal(err)
	}
	return g
}

// fill fetches all packages of a generation.
func (s *store) fill(g catalog.Generation) {
	s.t.Helper()
	s.with(func(u *upstream.Upstream) {
		for _, e := range s.entries(g) {
			if e.Kind != catalog.KindPackage {
				continue
			}
			f, err := u.Fill(s.t.Context(), catalog.File{Entry: e, Archive: g.Archive, Suite: g.Suite})
			if err != nil {
				s.t.Fatal(err)
			}
			if _, err := f.WriteRange(io.Discard, 0, f.Info().Size); err != nil {
				s.t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				s.t.Fatal(err)
			}
		}
	})
}

func (s *store) entries(g catalog.Generation) []catalog.Entry {
	s.t.Helper()
	table, err := s.Catalog.Table(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Collect(table.All())
}

func (s *store) put(data []byte) blob.Digest {
	s.t.Helper()
	d, err := s.Blobs.Put(s.t.Context(), data, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *store) read(d blob.Digest) []byte {
	s.t.Helper()
	data, err := s.Blobs.ReadAll(s.t.Context(), d, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *store) delete(d blob.Digest) {
	s.t.Helper()
	if err := s.Blobs.Delete(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}

// flipByte damages a blob of at least a kilobyte on the disk.
func (s *store) flipByte(d blob.Digest) {
	s.t.Helper()
	content := s.read(d)
	s.close()
	defer s.open()
	files, err := filepath.Glob(filepath.Join(s.dir, "blobs", "*.vlog"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		if at := bytes.Index(data, content); at >= 0 {
			data[at+len(content)/2] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				s.t.Fatal(err)
			}
			return
		}
	}
	s.t.Fatal("the blob is not in the store's files")
}

func (s *store) keyring(string) *pgp.Keyring { return s.archive.Keyring }

// verify must be able to finish.
func (s *store) verify(keys cache.Keyrings) *cache.Report {
	s.t.Helper()
	r, err := s.Verify(s.t.Context(), keys, func(string) {})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}
