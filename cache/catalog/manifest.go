package catalog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
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
	// KindPatch is a patch that the Index of an index's patches names: served
	// while its generation is retained.
	KindPatch
	// KindImage is a file that the SHA256SUMS of an installer names: served
	// while its generation is retained. Nothing signed tells its size. Newer
	// generations may have other bytes under its path ("current/images"); the
	// newest that has the path then answers.
	KindImage

	lastKind = KindImage
)

// UnknownSize is the Size of a KindImage.
const UnknownSize = -1

// lasting kinds name bytes that never change, and stay reachable while their
// generation is retained.
func (k Kind) lasting() bool { return k >= KindByHash }

// mayHave says whether a file of this kind can have that size.
func (k Kind) mayHave(size int64) bool {
	if k == KindImage {
		return size == UnknownSize
	}
	return size >= 0
}

// Entry is one path of a generation.
type Entry struct {
	// Path is relative to the root of the repository, clean and undecorated:
	// "dists/bookworm/main/binary-amd64/Packages.xz".
	Path   string
	Kind   Kind
	Size   int64 // bytes; UnknownSize for KindImage
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
//	           u64 size in bytes; all bits set for KindImage
//	           32  SHA-256
//	names    the paths, one after the other, in the order of the rows
//
// There is one way to write a set of entries: a table with gaps or overlaps
// between names, rows out of order or by-hash rows that differ in size or
// digest from the row they stand for is not accepted.
const (
	manifestMagic  = "aptmirror-mfst\x00\x01"
	manifestHeader = len(manifestMagic) + 8
	rowSize        = 4 + 2 + 1 + 1 + 4 + 8 + 32
)

// MaxEntries bounds the paths of one generation, counted each time they are
// added; more are refused. The largest suite known has some 250,000 packages.
const MaxEntries = 4 << 20

// Manifest collects entries and writes them in the manifest's format.
type Manifest struct {
	entries []Entry
	sorted  bool // entries are in the order that sort makes
	tooMany bool
}

// Add appends one path, cleaned. The order does not matter.
func (m *Manifest) Add(e Entry) {
	if len(m.entries) == MaxEntries {
		m.tooMany = true
		return
	}
	e.Path, e.Plain = path.Clean(e.Path), path.Clean(e.Plain)
	m.entries, m.sorted = append(m.entries, e), false
}

// sort orders by path, and entries of one path by what stays of them.
func (m *Manifest) sort() {
	if m.sorted {
		return
	}
	slices.SortFunc(m.entries, func(a, b Entry) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Plain, b.Plain))
	})
	m.sorted = true
}

// Grow makes room for so many more paths, which saves copying at every few.
func (m *Manifest) Grow(n int) {
	m.entries = slices.Grow(m.entries, min(n, MaxEntries-len(m.entries)))
}

// ConflictError says that two indexes of one suite promise different bytes
// under one path, so that at most one of them can be served.
type ConflictError struct {
	Path         string
	A, B         blob.Digest
	SizeA, SizeB int64 // bytes
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s is named twice with different contents (%d bytes with SHA-256 %s, %d bytes with SHA-256 %s)", e.Path, e.SizeA, e.A, e.SizeB, e.B)
}

// Encode orders the entries, drops repetitions and gives the manifest's bytes.
// It returns a *ConflictError where one path has two digests or sizes.
func (m *Manifest) Encode() ([]byte, error) {
	names, err := m.order()
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, manifestHeader+len(m.entries)*rowSize+names)
	out = append(out, manifestMagic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(m.entries)))
	out = binary.LittleEndian.AppendUint32(out, uint32(names))
	offset := 0
	for i, e := range m.entries {
		plain, err := m.plainRow(i)
		if err != nil {
			return nil, err
		}
		out = appendRow(out, e, offset, plain)
		offset += len(e.Path)
	}
	for _, e := range m.entries {
		out = append(out, e.Path...)
	}
	return out, nil
}

// order sorts the entries and leaves one for each path. Of two that differ in
// kind alone, the one stays that is reachable for the shorter time.
func (m *Manifest) order() (names int, err error) {
	if m.tooMany {
		return 0, fmt.Errorf("more than %d paths are not taken in as one generation", MaxEntries)
	}
	m.sort()
	kept := m.entries[:0]
	for _, e := range m.entries {
		if n := len(kept); n > 0 && kept[n-1].Path == e.Path {
			if last := kept[n-1]; !last.sameBytes(e) {
				return 0, &ConflictError{e.Path, last.Digest, e.Digest, last.Size, e.Size}
			}
			continue
		}
		if err := checkEntry(e); err != nil {
			return 0, err
		}
		kept = append(kept, e)
		names += len(e.Path)
	}
	m.entries = kept
	if names > math.MaxUint32 {
		return 0, fmt.Errorf("%d bytes of paths are not taken in as one generation", names)
	}
	return names, nil
}

// Packages counts the packages that Encode wrote and their bytes. Several indexes
// may have named one, as those of all architectures do that has none.
func (m *Manifest) Packages() (files int, bytes int64) {
	for _, e := range m.entries {
		if e.Kind == KindPackage {
			files++
			bytes += e.Size
		}
	}
	return files, bytes
}

func checkEntry(e Entry) error {
	switch {
	case len(e.Path) > math.MaxUint16:
		return fmt.Errorf("a path of %d bytes is too long", len(e.Path))
	case e.Path == "." || !filepath.IsLocal(e.Path):
		return fmt.Errorf("%q is no path inside a repository", e.Path)
	case e.Kind > lastKind || !e.Kind.mayHave(e.Size) || e.Kind != KindByHash && e.Plain != e.Path:
		return fmt.Errorf("%s of kind %d, %d bytes and name %q at the archive makes no sense", e.Path, e.Kind, e.Size, e.Plain)
	}
	return nil
}

// plainRow gives the row whose file row i is; that is itself for all but by-hash names.
func (m *Manifest) plainRow(i int) (int, error) {
	e := m.entries[i]
	if e.Kind != KindByHash {
		return i, nil
	}
	j, ok := slices.BinarySearchFunc(m.entries, e.Plain, func(e Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return 0, fmt.Errorf("%s stands for %s, which the generation does not have", e.Path, e.Plain)
	}
	if p := m.entries[j]; p.Kind != KindIndex || p.Digest != e.Digest || p.Size != e.Size {
		return 0, fmt.Errorf("%s stands for %s, which is no index with these contents", e.Path, e.Plain)
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
