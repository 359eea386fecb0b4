package cache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

var testTime = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// fixture is an open store with a clock that a test moves, and generations
// that are made by hand.
type fixture struct {
	*Cache
	t     testing.TB
	dir   string
	o     Options
	clock time.Time
}

func newFixture(t testing.TB, o Options) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), o: o, clock: testTime}
	f.o.Now = f.now
	f.open()
	t.Cleanup(f.close)
	return f
}

func (f *fixture) now() time.Time { return f.clock }

func (f *fixture) open() {
	f.t.Helper()
	c, err := OpenWith(f.dir, f.o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Cache = c
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Error(err)
	}
}

// packageBytes is what a package of that name and size consists of.
func packageBytes(name string, size int) []byte {
	b := make([]byte, size)
	seed := [32]byte{}
	copy(seed[:], name)
	rand.NewChaCha8(seed).Read(b)
	return b
}

// file is a package of a generation.
type file struct {
	name string
	size int
}

func (p file) content() []byte     { return packageBytes(p.name, p.size) }
func (p file) digest() blob.Digest { return blob.Sum(p.content()) }

func (f *fixture) put(data []byte) blob.Digest {
	f.t.Helper()
	d, err := f.Blobs.Put(f.t.Context(), data, testTime.AddDate(-1, 0, 0))
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// generation records the next generation of a suite with its index and
// Release stored, and its packages not.
func (f *fixture) generation(suite string, packages ...file) catalog.Generation {
	f.t.Helper()
	text := fmt.Sprint(suite, packages)
	g := catalog.Generation{
		Archive: "upstream", Suite: suite, Indexes: []string{catalog.SuiteDir(suite) + index}, Created: f.clock,
		Release: f.put([]byte("Release " + text)), InRelease: f.put([]byte("InRelease " + text)),
	}
	f.put([]byte("Packages " + text))
	g.Manifest = f.put(f.manifest(suite, packages...))
	var err error
	if g.Number, err = f.Catalog.AddGeneration(g); err != nil {
		f.t.Fatal(err)
	}
	return g
}

const index = "main/binary-amd64/Packages"

func (f *fixture) manifest(suite string, packages ...file) []byte {
	f.t.Helper()
	text, dir := fmt.Sprint(suite, packages), catalog.SuiteDir(suite)
	var m catalog.Manifest
	add := func(kind catalog.Kind, path string, d blob.Digest, size int) {
		m.Add(catalog.Entry{Path: path, Plain: path, Kind: kind, Digest: d, Size: int64(size)})
	}
	for _, e := range []struct {
		kind       catalog.Kind
		what, path string
	}{{catalog.KindRelease, "Release ", "Release"}, {catalog.KindRelease, "InRelease ", "InRelease"}, {catalog.KindIndex, "Packages ", index}} {
		add(e.kind, dir+e.path, blob.Sum([]byte(e.what+text)), len(e.what+text))
	}
	for _, p := range packages {
		add(catalog.KindPackage, "pool/"+p.name, p.digest(), p.size)
	}
	raw, err := m.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// publish makes g current in repository "debian".
func (f *fixture) publish(g catalog.Generation) {
	f.t.Helper()
	p, err := f.Catalog.Publication("debian", g.Suite)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		f.t.Fatal(err)
	}
	if _, err := f.Catalog.Publish(f.t.Context(), catalog.Move{Repository: "debian", Suite: g.Suite, Expect: p.Current, Next: g.Ref()}, f.clock); err != nil {
		f.t.Fatal(err)
	}
}

// fill stores a package as a fill does, and counts as its first use.
func (f *fixture) fill(p file) error {
	release, err := f.Reserve(f.t.Context(), int64(p.size), true)
	if err != nil {
		return err
	}
	defer release()
	d := f.put(p.content())
	f.Begin(d)
	f.End(d)
	return nil
}

func (f *fixture) mustFill(files ...file) {
	f.t.Helper()
	for _, p := range files {
		if err := f.fill(p); err != nil {
			f.t.Fatalf("filling %s: %v", p.name, err)
		}
	}
}

func (f *fixture) has(d blob.Digest) bool {
	f.t.Helper()
	_, err := f.Blobs.Stat(d)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		f.t.Fatal(err)
	}
	return err == nil
}

// stored gives the names of those of the packages that are in the store.
func (f *fixture) stored(packages ...file) (names []string) {
	f.t.Helper()
	for _, p := range packages {
		if f.has(p.digest()) {
			names = append(names, p.name)
		}
	}
	return names
}

// wantWhole fails unless all that g consists of itself is there and readable.
func (f *fixture) wantWhole(g catalog.Generation) {
	f.t.Helper()
	table, err := f.Catalog.Table(f.t.Context(), g)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range append(g.Parts(), indexesOf(g, table)...) {
		if err := f.Blobs.Verify(f.t.Context(), d); err != nil {
			f.t.Errorf("suite %s, generation %d: %v", g.Suite, g.Number, err)
		}
	}
}

// heldGeneration is generation as a refresh does it beside Collect.
func (f *fixture) heldGeneration(suite string, packages ...file) catalog.Generation {
	f.t.Helper()
	text := fmt.Sprint(suite, packages)
	manifest := f.manifest(suite, packages...)
	defer f.Hold(blob.Sum([]byte("Release "+text)), blob.Sum([]byte("InRelease "+text)), blob.Sum([]byte("Packages "+text)), blob.Sum(manifest))()
	return f.generation(suite, packages...)
}
