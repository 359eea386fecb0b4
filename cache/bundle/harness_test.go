package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// site is a store with the archives it knows.
type site struct {
	*cache.Cache
	t       testing.TB
	up      *upstream.Upstream
	archive *upstream.Archive
	key     *upstreamtest.Key // signs what is exported
	takes   *pgp.Keyring      // whose bundles are taken
}

func newSite(t testing.TB, a *upstreamtest.Archive, uris ...string) *site {
	t.Helper()
	return openSite(t, a, t.TempDir(), cache.Options{}, uris...)
}

func openSite(t testing.TB, a *upstreamtest.Archive, dir string, o cache.Options, uris ...string) *site {
	t.Helper()
	return openSiteFor(t, a.KeyringFile(), a.Arch, dir, o, uris...)
}

func openSiteFor(t testing.TB, keyring, arch, dir string, o cache.Options, uris ...string) *site {
	t.Helper()
	store, err := cache.OpenWith(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{Cache: store, t: t, key: upstreamtest.NewKey(t)}
	keys, err := pgp.LoadKeyring(keyring)
	if err != nil {
		t.Fatal(err)
	}
	s.archive = &upstream.Archive{Name: "test", URIs: uris, Suites: []string{"stable"}, Components: []string{"main"}, Architectures: []string{arch}, Keyring: keys}
	s.up = upstream.New(upstream.Config{
		Archives: []*upstream.Archive{s.archive}, Blobs: store.Blobs, Catalog: store.Catalog, Room: store, Version: "test", Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(s.up.Close)
	return s
}

// connected is a site that has the archive whole.
func connected(t testing.TB, a *upstreamtest.Archive) *site {
	t.Helper()
	s := newSite(t, a, a.URL()+"/")
	s.refresh()
	return s
}

// isolated is a site that takes the bundles of another, and nothing else.
func isolated(t testing.TB, a *upstreamtest.Archive, from *site) *site {
	t.Helper()
	s := newSite(t, a)
	s.takes = from.keyring()
	return s
}

func (s *site) keyring() *pgp.Keyring {
	s.t.Helper()
	k, err := pgp.ReadKeyring(bytes.NewReader(s.key.Public()))
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *site) refresh() catalog.Generation {
	s.t.Helper()
	r, err := s.up.Refresh(s.t.Context(), s.archive, "stable")
	if err == nil {
		_, err = s.up.Download(s.t.Context(), r.Generation, []string{"en"}, func(upstream.Downloaded) {})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Generation
}

// snapshot gives the newest generation of the archive a name.
func (s *site) snapshot(name string, created time.Time) Snapshot {
	s.t.Helper()
	g, err := s.Catalog.Latest(s.t.Context(), "test", "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	return Snapshot{Name: name, Series: "nightly", Created: created, Complete: true, Suites: []Suite{{
		Source: "test", Suite: "stable", Generation: g, InRelease: g.InRelease, Release: g.Release, ReleaseGPG: g.ReleaseGPG,
	}}}
}

func (s *site) exporter() *Exporter {
	return &Exporter{Blobs: s.Blobs, Tables: s.Catalog, Sign: func(_ context.Context, text []byte) ([]byte, error) {
		return upstreamtest.DetachSign(s.t, text, time.Now().Add(-time.Minute), s.key), nil
	}}
}

// export gives a snapshot as one bundle.
func (s *site) export(snapshot Snapshot, since *Snapshot) []byte {
	s.t.Helper()
	x := s.exporter()
	x.Since = since
	var out bytes.Buffer
	w, err := s.writer(x, snapshot)
	if err == nil {
		_, err = w.WriteStream(s.t.Context(), &out)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes()
}

func (s *site) writer(x *Exporter, snapshot Snapshot) (*Writer, error) {
	p, err := x.Prepare(s.t.Context(), snapshot)
	if err != nil {
		return nil, err
	}
	return NewWriter(p, Stored{s.Blobs})
}

// write exports to a file or folder.
func (s *site) write(x *Exporter, snapshot Snapshot, dest string) (Written, error) {
	w, err := s.writer(x, snapshot)
	if err != nil {
		return Written{}, err
	}
	return w.Write(s.t.Context(), dest)
}

// take imports one bundle as the daemon does it: everything is judged before
// anything is recorded.
func (s *site) take(parts ...Part) (*Incoming, error) {
	s.t.Helper()
	before, err := Imports(s.Catalog)
	if err != nil {
		s.t.Fatal(err)
	}
	var examined *upstream.Examined
	im := &Importer{Blobs: s.Blobs, Room: s, Keyring: s.takes, Before: before, Now: time.Now}
	im.Judge = func(ctx context.Context, in *Incoming) (err error) {
		examined, err = s.up.Examine(ctx, s.archive, "stable", s.brought(in))
		return err
	}
	in, err := im.Receive(s.t.Context(), parts...)
	if examined != nil {
		defer examined.Close()
	}
	if err != nil {
		return nil, err
	}
	defer in.Release()
	count, err := Tally(s.t.Context(), s.Blobs, examined.Table())
	if err == nil {
		err = in.Complete(in.List.Suites[0], count)
	}
	if err != nil {
		return nil, err
	}
	_, err = examined.Record(s.t.Context())
	return in, errors.Join(err, in.Record(s.Catalog, time.Now()))
}

func (s *site) brought(in *Incoming) upstream.Brought {
	s.t.Helper()
	listed := in.List.Suites[0]
	b := upstream.Brought{From: in.String(), OfSize: in.OfSize}
	for _, f := range []struct {
		sum SHA256
		to  *[]byte
	}{{listed.InRelease, &b.InRelease}, {listed.Release, &b.Release}, {listed.ReleaseGPG, &b.ReleaseGPG}} {
		if f.sum.None() {
			continue
		}
		data, err := s.Blobs.ReadAll(s.t.Context(), f.sum.Digest(), 1<<20)
		if err != nil {
			s.t.Fatal(err)
		}
		*f.to = data
	}
	return b
}

func inMemory(name string, data []byte) Part {
	return Part{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// state is all that must be as before where a bundle was refused.
func (s *site) state() string {
	s.t.Helper()
	generations, err := s.Catalog.Generations(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	publications, err := s.Catalog.Publications(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	imports, err := Imports(s.Catalog)
	if err != nil {
		s.t.Fatal(err)
	}
	check, err := s.Catalog.Check("test", "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(generations, publications, imports, check.AcceptedDate, check.AcceptedRelease)
}

// wantSame fails unless the site has all that the other has of a generation.
func (s *site) wantSame(other *site) {
	s.t.Helper()
	want, err := other.Catalog.Latest(s.t.Context(), "test", "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := s.Catalog.Latest(s.t.Context(), "test", "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	if got.Manifest != want.Manifest || got.InRelease != want.InRelease {
		s.t.Fatalf("the generations differ:\n%+v\n%+v", got, want)
	}
	table, err := s.Catalog.Table(s.t.Context(), got)
	if err != nil {
		s.t.Fatal(err)
	}
	for e := range table.All() {
		if _, err := other.Blobs.Stat(e.Digest); err != nil {
			continue
		}
		if err := s.Blobs.Verify(s.t.Context(), e.Digest); err != nil {
			s.t.Errorf("%s: %v", e.Path, err)
		}
	}
}

// newArchive publishes some packages.
func newArchive(t testing.TB) *upstreamtest.Archive {
	t.Helper()
	a := upstreamtest.New(t)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		a.AddPackage(upstreamtest.Package{Name: name, Size: 3000})
	}
	a.Publish()
	return a
}

func refusal(err error) Reason {
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}

func filesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	slices.Sort(names)
	return names
}

var day = time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)

func writeFile(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

type ctx = context.Context

func now() time.Time { return time.Now() }

func withCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	c, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return c, cancel
}
