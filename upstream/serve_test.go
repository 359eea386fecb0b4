package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
)

// publish makes a generation current in a repository of the archive's name.
func (m *mirror) publish(g catalog.Generation) {
	m.t.Helper()
	if err := m.Catalog.Serve(m.t.Context(), map[string][]string{"test": m.archive.Suites}); err != nil {
		m.t.Fatal(err)
	}
	p, err := m.Catalog.Publication("test", g.Suite)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		m.t.Fatal(err)
	}
	if _, err := m.Catalog.Publish(m.t.Context(), catalog.Move{Repository: "test", Suite: g.Suite, Expect: p.Current, Next: g.Ref()}, m.Now()); err != nil {
		m.t.Fatal(err)
	}
}

// web serves what the catalog resolves, as a proxy would, and notes the paths
// that were asked for.
type web struct {
	*mirror
	*httptest.Server
	mu    sync.Mutex // guards paths
	paths []string
}

func (m *mirror) serve() *web {
	w := &web{mirror: m}
	w.Server = httptest.NewServer(w)
	m.t.Cleanup(w.Server.Close)
	return w
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	s.mu.Lock()
	s.paths = append(s.paths, name)
	s.mu.Unlock()
	f, err := s.Catalog.Resolve("test", name, func(string) bool { return true })
	if err != nil {
		http.NotFound(w, r)
		return
	}
	var from io.ReadSeeker
	stored, err := s.Blobs.Open(f.Digest)
	if err == nil {
		defer stored.Close()
		from = stored
	} else {
		follower, err := s.Fill(r.Context(), f)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer follower.Close()
		from = follower.(io.ReadSeeker)
	}
	http.ServeContent(w, r, "", f.Modified, from)
}

func (s *web) asked() (paths string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths = strings.Join(s.paths, "\n")
	s.paths = nil
	return paths
}

// verify reads the store back and fails the test if it finds anything wrong.
func (m *mirror) verify() {
	m.t.Helper()
	if report := m.report(); len(report.Problems) > 0 {
		m.t.Errorf("verifying the store: %+v", report.Problems)
	}
}

func (m *mirror) report() *cache.Report {
	m.t.Helper()
	c := &cache.Cache{Blobs: m.Blobs, Catalog: m.Catalog}
	report, err := c.Verify(m.t.Context(), func(string) *pgp.Keyring { return m.archive.Keyring }, func(string) {})
	if err != nil {
		m.t.Fatal(err)
	}
	return report
}
