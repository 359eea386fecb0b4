package catalog

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sort"
	"unsafe"

	"aptmirror/cache/blob"
)

// Table is a manifest in memory, searched without having been unpacked: a
// suite of 60,000 packages takes about 7 MB. It is immutable.
type Table struct {
	rows  []byte
	names string
}

// OpenTable checks a manifest and makes it searchable. The table keeps raw.
func OpenTable(raw []byte) (*Table, error) {
	if len(raw) < manifestHeader || string(raw[:len(manifestMagic)]) != manifestMagic {
		return nil, fmt.Errorf("%w of this version", errManifest)
	}
	count := int64(binary.LittleEndian.Uint32(raw[len(manifestMagic):]))
	names := int64(binary.LittleEndian.Uint32(raw[len(manifestMagic)+4:]))
	if count > MaxEntries || int64(len(raw)) != int64(manifestHeader)+count*rowSize+names {
		return nil, fmt.Errorf("%w: %d bytes for %d paths", errManifest, len(raw), count)
	}
	body := raw[manifestHeader:]
	t := &Table{rows: body[:count*rowSize], names: bytesAsString(body[count*rowSize:])}
	return t, t.check()
}

// bytesAsString saves a copy of several megabytes; the bytes are never
// written again.
func bytesAsString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// check makes every later access safe: offsets inside the names, strictly
// ascending paths, plain rows that exist and are no aliases themselves.
func (t *Table) check() error {
	previous := ""
	for i := range t.Len() {
		row := t.row(i)
		start := int(binary.LittleEndian.Uint32(row))
		if start+int(binary.LittleEndian.Uint16(row[4:])) > len(t.names) {
			return fmt.Errorf("%w: row %d points outside", errManifest, i)
		}
		if p := t.path(i); i > 0 && p <= previous {
			return fmt.Errorf("%w: row %d is out of order", errManifest, i)
		} else {
			previous = p
		}
		if err := t.checkPlain(i, row); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) checkPlain(i int, row []byte) error {
	kind, plain := Kind(row[6]), int(binary.LittleEndian.Uint32(row[8:]))
	switch {
	case kind > KindPackage, int64(binary.LittleEndian.Uint64(row[12:])) < 0:
		return fmt.Errorf("%w: row %d has an unknown kind or size", errManifest, i)
	case kind != KindByHash && plain != i:
		return fmt.Errorf("%w: row %d is no second name", errManifest, i)
	case kind == KindByHash && (plain >= t.Len() || Kind(t.row(plain)[6]) != KindIndex):
		return fmt.Errorf("%w: row %d stands for no index", errManifest, i)
	}
	return nil
}

// Len is the number of paths.
func (t *Table) Len() int { return len(t.rows) / rowSize }

func (t *Table) row(i int) []byte { return t.rows[i*rowSize : (i+1)*rowSize] }

func (t *Table) path(i int) string {
	row := t.row(i)
	start := int(binary.LittleEndian.Uint32(row))
	return t.names[start : start+int(binary.LittleEndian.Uint16(row[4:]))]
}

// At gives the i-th entry in the order of paths.
func (t *Table) At(i int) Entry {
	row := t.row(i)
	return Entry{
		Path:   t.path(i),
		Kind:   Kind(row[6]),
		Plain:  t.path(int(binary.LittleEndian.Uint32(row[8:]))),
		Size:   int64(binary.LittleEndian.Uint64(row[12:])),
		Digest: blob.Digest(row[20:52]),
	}
}

// Find looks one path up.
func (t *Table) Find(path string) (Entry, bool) {
	n := t.Len()
	i := sort.Search(n, func(i int) bool { return t.path(i) >= path })
	if i == n || t.path(i) != path {
		return Entry{}, false
	}
	return t.At(i), true
}

// All walks the entries in the order of their paths.
func (t *Table) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.Len() {
			if !yield(t.At(i)) {
				return
			}
		}
	}
}

// minus gives a table of what t has and newer has not (or has with other
// bytes): all that a retained generation adds to the current one. Nearly every
// path of two neighbouring generations is the same, so it is small.
func (t *Table) minus(newer *Table) *Table {
	var kept Manifest
	for i, j := 0, 0; i < t.Len(); i++ {
		p := t.path(i)
		for j < newer.Len() && newer.path(j) < p {
			j++
		}
		if j < newer.Len() && newer.path(j) == p && newer.At(j).Digest == t.At(i).Digest {
			continue
		}
		e := t.At(i)
		if e.Kind == KindByHash {
			kept.Add(t.plainOf(i))
		}
		if e.Kind == KindByHash || e.Kind == KindPackage {
			kept.Add(e)
		}
	}
	return kept.table(t)
}

// plainOf gives the entry that a by-hash row stands for.
func (t *Table) plainOf(i int) Entry { return t.At(int(binary.LittleEndian.Uint32(t.row(i)[8:]))) }

// table builds the collected entries, all of them from a checked table, or
// gives that whole table back.
func (kept *Manifest) table(whole *Table) *Table {
	raw, err := kept.Encode()
	if err != nil {
		return whole
	}
	small, err := OpenTable(raw)
	if err != nil {
		return whole
	}
	return small
}
