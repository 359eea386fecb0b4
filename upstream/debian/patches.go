package debian

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"

	"aptmirror/upstream/deb822"
)

const (
	// MaxDiffIndexBytes bounds the Index of an index's patches; those of Debian's
	// unstable have some 60 kB.
	MaxDiffIndexBytes = 8 << 20
	// maxPatches bounds the patches of one index; dak keeps 56.
	maxPatches = 10_000
)

// ParseDiffIndex reads the Index of the patches of one index (INDEX.diff/Index)
// and gives the files that clients download, which lie beside it, with at least
// one strong hash each. Those are the patches in the fields SHA256-Download and
// SHA512-Download; an Index without these fields names none that could be
// verified. Errors name the line.
func ParseDiffIndex(text []byte) ([]IndexFile, error) {
	if len(text) > MaxDiffIndexBytes {
		return nil, fmt.Errorf("parsing an Index of patches: longer than %d bytes", MaxDiffIndexBytes)
	}
	s, err := deb822.ParseOne(text, deb822.Limits{StanzaBytes: MaxDiffIndexBytes + 1, Fields: maxReleaseFields})
	if err != nil {
		return nil, fmt.Errorf("parsing an Index of patches: %w", err)
	}
	t := sumTable{at: map[string]int{}, limit: maxPatches, clean: func(name string) (string, error) { return joinSource("", name) }}
	for _, list := range []struct {
		field    string
		hashSize int
	}{{"SHA256-Download", sha256.Size}, {"SHA512-Download", sha512.Size}} {
		if f, ok := s.Lookup(list.field); ok {
			if err := t.addField(f, list.hashSize); err != nil {
				return nil, fmt.Errorf("parsing an Index of patches: %w", err)
			}
		}
	}
	return t.files, nil
}
