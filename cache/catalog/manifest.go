package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"aptmirror/cache/blob"
)

// Kind says what a path of a generation is, and with that how long it stays
// reachable once its generation is no longer current.
type Kind uint8

const (
	// KindRelease is InRelease, Release or Release.gpg: served from the
	// current generation only.
	KindRelease Kind = iota
	// KindIndex is a file that Release lists, under its plain name: served
	// from the current generation only.
	KindIndex
	// KindByHash is a second name of an index, by digest: served while its
	// generation is retained.
	KindByHash
	// KindPackage is a file that an index names: served while its generation
	// is retained.
	KindPackage
)

// Entry is one path of a generation.
type Entry struct {
	// Path is relative to the root of the repository, clean and undecorated:
	// "dists/bookworm/main/binary-amd64/Packages.xz".
	Path   string
	Kind   Kind
	Size   int64
	Digest blob.Digest
	// Plain is the name under which the archive has the file; it differs from
	// Path for KindByHash only.
	Plain string
}

// A manifest is the list of all paths of one generation, kept as one blob and
// searched as it stands, so that loading one costs a read and a check.
// All numbers are little-endian.
//
//	magic    16 bytes "aptmirror-mfst\x00\x01"
//	count    u32      rows
//	names    u32      bytes of names
//	rows     count x 52 bytes, ordered by path:
//	           u32 offset of the path in names
//	           u16 length of the path
//	           u8  kind
//	           u8  zero
//	           u32 row of the plain name (KindByHash), else this row's own number
//	           u64 size in bytes
//	           32  SHA-256
//	names    the paths, one after the other
const (
	manifestMagic  = "aptmirror-mfst\x00\x01"
	manifestHeader = len(manifestMagic) + 8
	rowSize        = 4 + 2 + 1 + 1 + 4 + 8 + 32
)

// MaxEntries bounds the paths of one generation; the largest suite known has
// some 250,000.
const MaxEntries = 4 << 20

// Manifest collects entries and writes them in the manifest's format.
type Manifest struct {
	entries []Entry
}

// Add appends one path. The order does not matter.
func (m *Manifest) Add(e Entry) { m.entries = append(m.entries, e) }

// ConflictError says that two indexes of one suite promise different bytes
// under one path, so that at most one of them can be served.
type ConflictError struct {
	Path string
	A, B blob.Digest
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s is named twice with different contents (SHA-256 %s and %s)", e.Path, e.A, e.B)
}

// Encode orders the entries, drops repetitions and gives the manifest's bytes.
// It returns a *ConflictError where one path has two digests or sizes.
func (m *Manifest) Encode() ([]byte, error) {
	rows, names, err := m.ordered()
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, manifestHeader+len(rows)*rowSize+names)
	out = append(out, manifestMagic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(rows)))
	out = binary.LittleEndian.AppendUint32(out, uint32(names))
	offset := 0
	for i, e := range rows {
		plain, err := plainRow(rows, i)
		if err != nil {
			return nil, err
		}
		out = appendRow(out, e, offset, plain)
		offset += len(e.Path)
	}
	for _, e := range rows {
		out = append(out, e.Path...)
	}
	return out, nil
}

func (m *Manifest) ordered() (rows []Entry, names int, err error) {
	slices.SortStableFunc(m.entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, e := range m.entries {
		if len(e.Path) > math.MaxUint16 {
			return nil, 0, fmt.Errorf("path of %d bytes is too long", len(e.Path))
		}
		if n := len(rows); n > 0 && rows[n-1].Path == e.Path {
			if last := rows[n-1]; last.Digest != e.Digest || last.Size != e.Size {
				return nil, 0, &ConflictError{e.Path, last.Digest, e.Digest}
			}
			continue
		}
		rows = append(rows, e)
		names += len(e.Path)
	}
	if len(rows) > MaxEntries || names > math.MaxUint32 {
		return nil, 0, fmt.Errorf("%d paths are more than a generation may have", len(rows))
	}
	return rows, names, nil
}

func plainRow(rows []Entry, i int) (int, error) {
	if rows[i].Kind != KindByHash {
		return i, nil
	}
	j, ok := slices.BinarySearchFunc(rows, rows[i].Plain, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return 0, fmt.Errorf("%s stands for %s, which the generation does not have", rows[i].Path, rows[i].Plain)
	}
	return j, nil
}

func appendRow(out []byte, e Entry, offset, plain int) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(offset))
	out = binary.LittleEndian.AppendUint16(out, uint16(len(e.Path)))
	out = append(out, byte(e.Kind), 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(plain))
	out = binary.LittleEndian.AppendUint64(out, uint64(e.Size))
	return append(out, e.Digest[:]...)
}

var errManifest = errors.New("not a manifest")
