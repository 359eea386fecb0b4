package catalog

import (
	"fmt"
	"path"
	"path/filepath"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

var testTime = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// fixture is an open catalog with its blobs.
type fixture struct {
	*Catalog
	t     testing.TB
	dir   string
	blobs *blob.Store
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir()}
	f.open()
	t.Cleanup(f.close)
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	var err error
	if f.blobs, err = blob.Open(filepath.Join(f.dir, "blobs"), blob.Options{}); err != nil {
		f.t.Fatal(err)
	}
	if f.Catalog, err = Open(filepath.Join(f.dir, "catalog"), f.blobs, nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Catalog.Close(); err != nil {
		f.t.Error(err)
	}
	if err := f.blobs.Close(); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) reopen() {
	f.t.Helper()
	f.close()
	f.open()
}

// serve serves one repository.
func (f *fixture) serve(repository string, suites ...string) {
	f.t.Helper()
	if err := f.Serve(f.t.Context(), map[string][]string{repository: suites}); err != nil {
		f.t.Fatal(err)
	}
}

// entry is a file whose bytes are the text.
func entry(kind Kind, name, text string) Entry {
	return Entry{Path: name, Plain: name, Kind: kind, Size: int64(len(text)), Digest: blob.Sum([]byte(text))}
}

// byHash is the second name of an index.
func byHash(e Entry) Entry {
	e.Kind, e.Path = KindByHash, path.Join(path.Dir(e.Plain), "by-hash/SHA256", e.Digest.String())
	return e
}

// entries is what a small generation has: Release files and an index that say
// state, and packages, paths to contents.
func entries(suite, state string, packages map[string]string) []Entry {
	dir := SuiteDir(suite)
	index := entry(KindIndex, dir+"main/binary-amd64/Packages", "index "+state)
	all := []Entry{entry(KindRelease, dir+"InRelease", "release "+state), index, byHash(index)}
	for name, text := range packages {
		all = append(all, entry(KindPackage, name, text))
	}
	return all
}

func encode(t testing.TB, all []Entry) []byte {
	t.Helper()
	var m Manifest
	for _, e := range all {
		m.Add(e)
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func tableOf(t testing.TB, all []Entry) *Table {
	t.Helper()
	table, err := OpenTable(encode(t, all))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func (f *fixture) put(data []byte) blob.Digest {
	f.t.Helper()
	d, err := f.blobs.Put(f.t.Context(), data, testTime)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// add records a generation of archive "upstream".
func (f *fixture) add(suite string, all []Entry) Generation {
	f.t.Helper()
	g := Generation{Archive: "upstream", Suite: suite, Manifest: f.put(encode(f.t, all)), Created: testTime}
	g.Release = f.put(fmt.Appendf(nil, "Release of %s %s", suite, g.Manifest))
	var err error
	if g.Number, err = f.AddGeneration(g); err != nil {
		f.t.Fatal(err)
	}
	return g
}

// publish makes g current, whatever is now.
func (f *fixture) publish(repository string, g Generation, now time.Time) Publication {
	f.t.Helper()
	before, err := f.Publication(repository, g.Suite)
	if err != nil && err != ErrNotFound {
		f.t.Fatal(err)
	}
	p, err := f.Publish(f.t.Context(), Move{Repository: repository, Suite: g.Suite, Expect: before.Current, Next: g.Ref()}, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func anySuite(string) bool { return true }

// wantFile expects a path to resolve to a text; "" for none.
func (f *fixture) wantFile(repository, name, text string) {
	f.t.Helper()
	file, err := f.Resolve(repository, name, anySuite)
	switch {
	case text == "" && err != ErrNoPath:
		f.t.Errorf("%s: %v, %v; want none", name, file, err)
	case text != "" && err != nil:
		f.t.Errorf("%s: %v", name, err)
	case text != "" && file.Digest != blob.Sum([]byte(text)):
		f.t.Errorf("%s has other bytes than %q", name, text)
	}
}
