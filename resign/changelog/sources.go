package changelog

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"path"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/deb822"
)

const (
	// maxIndexed bounds in bytes what is kept of indexes; one of 60,000 packages takes 1.5 MB.
	maxIndexed = 16 << 20
	// maxPackages is the size in bytes of an index behind which nothing is found.
	maxPackages = 1 << 30
	// rowBytes is the size of a row.
	rowBytes = 24
)

// indexKey names a Packages of a generation by what decides its rows.
type indexKey struct {
	manifest blob.Digest
	path     string
}

// builtFrom says from which source every binary package of an index is built.
type builtFrom struct{ rows []row } // ordered by source and then by size

type row struct {
	source uint64 // hash of name and version
	size   int64  // bytes
	entry  int    // in the table of the generation
}

var seed = maphash.MakeSeed()

func sourceHash(name, version string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(version)
	return h.Sum64()
}

// builtFrom gives the packages of a generation that are built from a source, those of the first architecture that has any.
func (f *Finder) builtFrom(ctx context.Context, g catalog.Generation, q Query) ([]catalog.File, error) {
	var table *catalog.Table
	for _, name := range indexesOf(g, q.Component) {
		key := indexKey{g.Manifest, name}
		b, known := f.indexes.get(key)
		var err error
		if table == nil && (!known || b.has(q)) {
			if table, err = f.Catalog.Table(ctx, g); err != nil {
				return nil, err
			}
		}
		if !known {
			if b, err = f.readIndex(ctx, table, name); err != nil {
				return nil, fmt.Errorf("reading %s: %w", name, err)
			}
			f.indexes.put(key, b, int64(cap(b.rows))*rowBytes)
		}
		if files := b.files(g, table, q); len(files) > 0 {
			return files, nil
		}
	}
	return nil, nil
}

// indexesOf are the Packages of a component. Where archives have folders between
// suite and component, apt knows of the last alone.
func indexesOf(g catalog.Generation, component string) (names []string) {
	for _, name := range g.Indexes {
		plain, _ := compress.FormatOf(name)
		dir, base := path.Split(plain)
		if base != "Packages" || strings.Contains(dir, "/debian-installer/") {
			continue
		}
		if component == "" || strings.Contains("/"+dir, "/"+component+"/binary-") {
			names = append(names, name)
		}
	}
	return names
}

func (b *builtFrom) find(q Query) int {
	i, _ := slices.BinarySearchFunc(b.rows, sourceHash(q.Source, q.Version), func(r row, h uint64) int { return cmp.Compare(r.source, h) })
	return i
}

func (b *builtFrom) has(q Query) bool {
	i := b.find(q)
	return i < len(b.rows) && b.rows[i].source == sourceHash(q.Source, q.Version)
}

// files gives as many as are ever tried.
func (b *builtFrom) files(g catalog.Generation, table *catalog.Table, q Query) (files []catalog.File) {
	h := sourceHash(q.Source, q.Version)
	for i := b.find(q); i < len(b.rows) && b.rows[i].source == h; i++ {
		files = append(files, g.File(table.At(b.rows[i].entry)))
	}
	return files
}

func (f *Finder) readIndex(ctx context.Context, table *catalog.Table, name string) (*builtFrom, error) {
	free, err := f.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	e, ok := table.Find(name)
	if !ok || e.Size == 0 {
		return &builtFrom{}, nil
	}
	stored, err := f.Blobs.Open(e.Digest)
	if err != nil {
		return nil, err
	}
	defer stored.Close()
	_, format := compress.FormatOf(name)
	plain, err := compress.NewReader(format, bufio.NewReaderSize(stored, 256<<10), maxPackages)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	return scan(ctx, plain, table)
}

// scan reads an index; packages of which the generation has no file are left out.
func scan(ctx context.Context, plain io.Reader, table *catalog.Table) (*builtFrom, error) {
	b := &builtFrom{}
	stanzas := deb822.NewScanner(plain, deb822.Limits{})
	for n := 0; stanzas.Scan(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s := stanzas.Stanza()
		name, _ := s.Get("Filename")
		i, ok := table.Search(path.Clean(string(name)))
		if !ok || !carriesChangelog(table.At(i)) {
			continue
		}
		b.rows = append(b.rows, row{sourceHash(sourceOf(s)), table.At(i).Size, i})
	}
	slices.SortFunc(b.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.size, y.size), cmp.Compare(x.entry, y.entry))
	})
	b.rows = slices.Clip(b.rows)
	return b, stanzas.Err()
}

// carriesChangelog leaves out packages of debug symbols, the folders of which are links out of them.
func carriesChangelog(e catalog.Entry) bool {
	name, _, _ := strings.Cut(path.Base(e.Path), "_")
	return e.Kind == catalog.KindPackage && strings.HasSuffix(e.Path, ".deb") && !strings.HasSuffix(name, "-dbgsym")
}

// sourceOf gives what a binary package is built from, as apt asks for it.
func sourceOf(s *deb822.Stanza) (name, version string) {
	get := func(field string) string {
		value, _ := s.Get(field)
		return strings.TrimSpace(string(value))
	}
	name, version = get("Package"), get("Version")
	if source := get("Source"); source != "" {
		of, in, named := strings.Cut(source, "(")
		name = strings.TrimSpace(of)
		if named {
			version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(in), ")"))
		}
	}
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	return name, version
}
