package debian

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"

	"aptmirror/upstream/deb822"
)

// The lengths of the weak hashes, written out because nothing here computes
// them.
const (
	md5Size  = 16
	sha1Size = 20
)

// IndexFile is what a Release file says about one of the suite's files.
type IndexFile struct {
	Path      string // relative to the directory of the Release file, clean
	Size      int64  // bytes
	SHA256    [sha256.Size]byte
	HasSHA256 bool
	SHA512    []byte // nil when not listed, as the two below
	SHA1, MD5 []byte
}

func (f *IndexFile) strong() bool { return f.HasSHA256 || f.SHA512 != nil }

// hash returns the hash of the given length, nil when it is not known.
func (f *IndexFile) hash(size int) []byte {
	switch size {
	case sha256.Size:
		if f.HasSHA256 {
			return f.SHA256[:]
		}
	case sha512.Size:
		return f.SHA512
	case sha1Size:
		return f.SHA1
	case md5Size:
		return f.MD5
	}
	return nil
}

func (f *IndexFile) setHash(h []byte) {
	switch len(h) {
	case sha256.Size:
		f.SHA256, f.HasSHA256 = [sha256.Size]byte(h), true
	case sha512.Size:
		f.SHA512 = h
	case sha1Size:
		f.SHA1 = h
	case md5Size:
		f.MD5 = h
	}
}

// sumTable gathers checksum fields, lines of "HASH SIZE PATH", into one entry
// per path in the order of first mention.
type sumTable struct {
	files []IndexFile
	at    map[string]int // path to index in files; nil where files are few
	limit int            // number of files
	clean func(path string) (string, error)
}

func (t *sumTable) find(path string) int {
	if t.at == nil {
		return slices.IndexFunc(t.files, func(f IndexFile) bool { return f.Path == path })
	}
	if i, ok := t.at[path]; ok {
		return i
	}
	return -1
}

// addField takes in a field whose hashes have hashSize bytes. A path may be
// there already, from this field or another, if what both say agrees.
func (t *sumTable) addField(f deb822.Field, hashSize int) error {
	line := f.Line
	for text := range bytes.SplitSeq(f.Value, []byte{'\n'}) {
		words := bytes.FieldsFunc(text, isASCIISpace)
		if len(words) > 0 {
			if err := t.addEntry(words, hashSize); err != nil {
				return inLine(f, line, err)
			}
		}
		line++
	}
	return nil
}

// isASCIISpace leaves out the spaces of Unicode, which are part of a path for
// apt.
func isASCIISpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

func (t *sumTable) addEntry(words [][]byte, hashSize int) error {
	if len(words) != 3 {
		return fmt.Errorf("%d words instead of hash, size and path", len(words))
	}
	hash := make([]byte, hashSize)
	if err := parseHash(hash, words[0]); err != nil {
		return err
	}
	size, err := parseSize(words[1])
	if err != nil {
		return err
	}
	path, err := t.clean(string(words[2]))
	if err != nil {
		return err
	}
	file, err := t.entry(path, size)
	if err != nil {
		return err
	}
	if old := file.hash(hashSize); old != nil && !bytes.Equal(old, hash) {
		return fmt.Errorf("path %s is listed with two hashes", path)
	}
	file.setHash(hash)
	return nil
}

var errTooManyFiles = errors.New("too many files are listed")

// entry finds or makes the entry of a path.
func (t *sumTable) entry(path string, size int64) (*IndexFile, error) {
	if i := t.find(path); i >= 0 {
		f := &t.files[i]
		if f.Size != size {
			return nil, fmt.Errorf("path %s is listed with sizes %d and %d", path, f.Size, size)
		}
		return f, nil
	}
	if len(t.files) == t.limit {
		return nil, fmt.Errorf("%w: limit of %d", errTooManyFiles, t.limit)
	}
	if t.at != nil {
		t.at[path] = len(t.files)
	}
	t.files = append(t.files, IndexFile{Path: path, Size: size})
	return &t.files[len(t.files)-1], nil
}
