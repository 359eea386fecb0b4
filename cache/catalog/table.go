package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"sort"
	"unsafe"

	"aptmirror/cache/blob"
)

// Table is a manifest in memory, searched without having been unpacked: a
// suite of 60,000 packages takes about 8 MB. It is immutable.
type Table struct {
	rows  []byte
	names string
}

// Where a row has what; see the format at Manifest.
const (
	lengthAt = 4
	kindAt   = 6
	plainAt  = 8
	sizeAt   = 12
	digestAt = 20
)

// OpenTable checks a manifest and makes it searchable. The table keeps raw,
// which must not change any more.
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
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// bytesAsString saves a copy of several megabytes; the bytes are never
// written again.
func bytesAsString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// check makes every later access safe, and sees that the manifest is the one
// way to write its entries.
func (t *Table) check() error {
	end, previous := uint64(0), ""
	for i := range t.Len() {
		row := t.row(i)
		if uint64(binary.LittleEndian.Uint32(row)) != end {
			return fmt.Errorf("%w: the path of row %d does not follow the one before", errManifest, i)
		}
		if end += uint64(binary.LittleEndian.Uint16(row[lengthAt:])); end > uint64(len(t.names)) {
			return fmt.Errorf("%w: the path of row %d is cut off", errManifest, i)
		}
		path := t.path(i)
		if path <= previous {
			return fmt.Errorf("%w: row %d is out of order", errManifest, i)
		}
		previous = path
		if err := t.checkRow(i, row); err != nil {
			return err
		}
	}
	if end != uint64(len(t.names)) {
		return fmt.Errorf("%w: %d bytes after the last path", errManifest, uint64(len(t.names))-end)
	}
	return nil
}

func (t *Table) checkRow(i int, row []byte) error {
	kind, plain := Kind(row[kindAt]), uint64(binary.LittleEndian.Uint32(row[plainAt:]))
	switch {
	case kind > lastKind || row[kindAt+1] != 0 || !kind.mayHave(int64(binary.LittleEndian.Uint64(row[sizeAt:]))):
		return fmt.Errorf("%w: row %d has an unknown kind or size", errManifest, i)
	case plain >= uint64(t.Len()):
		return fmt.Errorf("%w: row %d stands for none", errManifest, i)
	case kind != KindByHash && plain != uint64(i):
		return fmt.Errorf("%w: row %d is no second name", errManifest, i)
	}
	other := t.row(int(plain))
	if kind == KindByHash && (Kind(other[kindAt]) != KindIndex || !bytes.Equal(row[sizeAt:], other[sizeAt:])) {
		return fmt.Errorf("%w: row %d stands for no index with its contents", errManifest, i)
	}
	return nil
}

// Len is the number of paths.
func (t *Table) Len() int { return len(t.rows) / rowSize }

func (t *Table) row(i int) []byte { return t.rows[i*rowSize : (i+1)*rowSize] }

func (t *Table) path(i int) string {
	row := t.row(i)
	start := int(binary.LittleEndian.Uint32(row))
	return t.names[start : start+int(binary.LittleEndian.Uint16(row[lengthAt:]))]
}

// plain gives the row that holds the name of row i at the archive.
func (t *Table) plain(i int) int { return int(binary.LittleEndian.Uint32(t.row(i)[plainAt:])) }

// At gives the i-th entry in the order of paths, 0 <= i < Len.
func (t *Table) At(i int) Entry {
	row := t.row(i)
	return Entry{
		Path:   t.path(i),
		Kind:   Kind(row[kindAt]),
		Plain:  t.path(t.plain(i)),
		Size:   int64(binary.LittleEndian.Uint64(row[sizeAt:])),
		Digest: blob.Digest(row[digestAt:rowSize]),
	}
}

// Search gives the number of a path for At.
func (t *Table) Search(path string) (i int, ok bool) {
	n := t.Len()
	i = sort.Search(n, func(i int) bool { return t.path(i) >= path })
	return i, i < n && t.path(i) == path
}

// Find looks one path up.
func (t *Table) Find(path string) (Entry, bool) {
	i, ok := t.Search(path)
	if !ok {
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

// minus gives a table of what t still serves beside newer: paths of a lasting
// kind that newer does not have as such with the same bytes. Nearly every path
// of two neighbouring generations is the same, so it is small.
func (t *Table) minus(newer *Table) *Table {
	var left Manifest
	for i, j := 0, 0; i < t.Len(); i++ {
		for j < newer.Len() && newer.path(j) < t.path(i) {
			j++
		}
		e := t.At(i)
		if !e.Kind.lasting() || j < newer.Len() && newer.serves(j, e) {
			continue
		}
		left.Add(e)
		if e.Kind == KindByHash {
			left.Add(t.At(t.plain(i)))
		}
	}
	return left.table(t)
}

func (t *Table) serves(i int, e Entry) bool {
	own := t.At(i)
	return own.Kind.lasting() && own.Path == e.Path && own.Size == e.Size && own.Digest == e.Digest
}

// table opens the collected entries. They all come from whole, a checked
// table, so that they can be encoded; if not, whole serves the same and more.
func (m *Manifest) table(whole *Table) *Table {
	raw, err := m.Encode()
	if err != nil {
		return whole
	}
	small, err := OpenTable(raw)
	if err != nil {
		return whole
	}
	return small
}
