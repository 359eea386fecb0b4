package upstream

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestMain(m *testing.M) {
	// httptest servers of the archives under test close with their tests, the
	// connections to them a moment later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// mirror is an Upstream of one test archive, with a store of its own.
type mirror struct {
	*Upstream
	t       *testing.T
	dir     string // of the store
	archive *Archive
	clock   atomic.Pointer[time.Time] // nil: the system's

	mu    sync.Mutex // guards waits
	waits []time.Duration
}

// at sets the clock.
func (m *mirror) at(now time.Time) { m.clock.Store(&now) }

// waited gives the pauses so far that would have been made.
func (m *mirror) waited() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.waits)
}

func newMirror(t *testing.T, a *upstreamtest.Archive, uris ...string) *mirror {
	t.Helper()
	dir := t.TempDir()
	store, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := pgp.LoadKeyring(a.KeyringFile())
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{t: t, dir: dir, archive: &Archive{
		Name: "test", Suites: []string{"stable"}, Components: []string{"main"}, Architectures: []string{a.Arch, "source"}, Keyring: keys,
	}}
	for _, u := range append([]string{a.URL()}, uris...) {
		m.archive.URIs = append(m.archive.URIs, u+"/")
	}
	m.Upstream = New(Config{
		Archives: []*Archive{m.archive}, Blobs: store.Blobs, Catalog: store.Catalog, Version: "test",
		Log: slog.New(slog.NewTextHandler(testOutput{t}, nil)),
		Now: func() time.Time {
			if now := m.clock.Load(); now != nil {
				return *now
			}
			return time.Now()
		},
		Wait: func(ctx context.Context, d time.Duration) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.waits = append(m.waits, d)
			return context.Cause(ctx)
		},
	})
	t.Cleanup(m.Close)
	return m
}

type testOutput struct{ t *testing.T }

func (o testOutput) Write(p []byte) (int, error) {
	if testing.Verbose() {
		os.Stderr.Write(p)
	}
	return len(p), nil
}

// refresh refreshes and fails the test if that fails.
func (m *mirror) refresh() Refreshed {
	m.t.Helper()
	r, err := m.Refresh(m.t.Context(), m.archive, m.archive.Suites[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

func (m *mirror) table(g catalog.Generation) *catalog.Table {
	m.t.Helper()
	table, err := m.Catalog.Table(m.t.Context(), g)
	if err != nil {
		m.t.Fatal(err)
	}
	return table
}

// file finds a path of a generation as the catalog would give it.
func (m *mirror) file(g catalog.Generation, path string) catalog.File {
	m.t.Helper()
	e, ok := m.table(g).Find(path)
	if !ok {
		m.t.Fatalf("the generation has no %s", path)
	}
	return catalog.File{Entry: e, Archive: g.Archive, Suite: g.Suite, ByHash: g.ByHash}
}

// read fills a file and gives its bytes.
func (m *mirror) read(f catalog.File) ([]byte, error) {
	m.t.Helper()
	follower, err := m.Fill(m.t.Context(), f)
	if err != nil {
		return nil, err
	}
	defer follower.Close()
	var data bytes.Buffer
	_, err = follower.WriteRange(&data, 0, follower.Info().Size)
	return data.Bytes(), err
}

// check gives what is remembered of the suite.
func (m *mirror) check() catalog.Check {
	m.t.Helper()
	c, err := m.Catalog.Check("test", m.archive.Suites[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

// rest waits until fills are over and upstream may be asked again.
func (m *mirror) rest() {
	m.fills.Wait()
	m.at(m.Now().Add(longestRest))
}

// damage changes a byte of a stored file on disk, under the open store.
func (m *mirror) damage(data []byte) {
	m.t.Helper()
	if err := m.Blobs.Sync(); err != nil {
		m.t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(m.dir, "blobs", "*.vlog"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, name := range logs {
		stored, err := os.ReadFile(name)
		if err != nil {
			m.t.Fatal(err)
		}
		if at := bytes.Index(stored, data); at >= 0 {
			m.overwrite(name, int64(at+len(data)/2), data[len(data)/2]^1)
			return
		}
	}
	m.t.Fatal("the bytes are not on disk")
}

func (m *mirror) overwrite(name string, at int64, b byte) {
	m.t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{b}, at)
	if err := errors.Join(err, f.Close()); err != nil {
		m.t.Fatal(err)
	}
}
