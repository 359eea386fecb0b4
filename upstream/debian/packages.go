package debian

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"aptmirror/upstream/deb822"
)

// Package is what one stanza of a Packages file says about where a package is
// and what its bytes are.
type Package struct {
	Name, Version, Architecture string

	Filename  string // relative to the archive's base, clean
	Size      int64  // bytes, never 0
	SHA256    [sha256.Size]byte
	HasSHA256 bool   // without it and SHA512 nothing can verify the file
	SHA512    []byte // nil when not listed
}

// ParsePackage reads a stanza of a Packages file into p, overwriting all of it.
// Package, Version, Architecture, Filename and Size are required, and well
// formed as dpkg has it, so that they are safe in paths and on terminals. Hashes
// may be absent, and one that is no hash counts as absent: apt takes the index
// all the same, and only never that file. Errors name the line. After an error p
// is not to be used.
//
// p may be used again for the next stanza; values taken from it stay valid.
func ParsePackage(s *deb822.Stanza, p *Package) error {
	if err := p.readNames(s); err != nil {
		return err
	}
	size, err := need(s, "Size")
	if err != nil {
		return err
	}
	if p.Size, err = parseSize(size.Value); err == nil && p.Size == 0 {
		err = errors.New("a package cannot be empty")
	}
	if err != nil {
		return inField(size, err)
	}
	p.readHashes(s)
	return nil
}

// readNames makes one string for all that is kept of the stanza: an index has
// tens of thousands of them.
func (p *Package) readNames(s *deb822.Stanza) error {
	var fields [4]deb822.Field
	var stack [512]byte
	text := stack[:0]
	for i, name := range [...]string{"Package", "Version", "Filename", "Architecture"} {
		f, err := need(s, name)
		if err != nil {
			return err
		}
		fields[i] = f
		if i < 3 {
			text = append(text, f.Value...)
		}
	}
	kept := string(text)
	nameEnd := len(fields[0].Value)
	versionEnd := nameEnd + len(fields[1].Value)
	p.Name, p.Version, p.Filename = kept[:nameEnd], kept[nameEnd:versionEnd], kept[versionEnd:]
	// Nearly always the same as in the stanza before.
	if string(fields[3].Value) != p.Architecture {
		p.Architecture = string(fields[3].Value)
	}
	return p.checkNames(fields)
}

func (p *Package) checkNames(fields [4]deb822.Field) (err error) {
	if err := checkName(p.Name); err != nil {
		return inField(fields[0], err)
	}
	if err := checkVersion(p.Version); err != nil {
		return inField(fields[1], err)
	}
	if p.Filename, err = CleanPath(p.Filename); err != nil {
		return inField(fields[2], err)
	}
	if err := checkArchitecture(p.Architecture); err != nil {
		return inField(fields[3], err)
	}
	return nil
}

func (p *Package) readHashes(s *deb822.Stanza) {
	p.SHA256, p.HasSHA256, p.SHA512 = [sha256.Size]byte{}, false, nil
	if f, ok := s.Lookup("SHA256"); ok {
		if parseHash(p.SHA256[:], f.Value) == nil {
			p.HasSHA256 = true
		} else {
			p.SHA256 = [sha256.Size]byte{} // which may be half filled
		}
	}
	if f, ok := s.Lookup("SHA512"); ok {
		if sum := make([]byte, sha512.Size); parseHash(sum, f.Value) == nil {
			p.SHA512 = sum
		}
	}
}

// The kinds of characters that names are made of, as bits of charKinds.
const (
	nameStart = 1 << iota // first of a package name or architecture
	nameChar              // the others of a package name, with what dpkg takes beyond Policy 5.6.1
	archChar
	versionChar // of a version, Policy 5.6.12
	revisionChar
)

var charKinds = func() (t [256]uint8) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'z':
			t[c] = nameStart | nameChar | archChar | versionChar | revisionChar
		case 'A' <= c && c <= 'Z':
			t[c] = nameStart | nameChar | versionChar | revisionChar
		}
	}
	for kind, chars := range map[uint8]string{nameChar: "+-._", archChar: "-", versionChar: ".+-~:", revisionChar: ".+~"} {
		for _, c := range chars {
			t[c] |= kind
		}
	}
	return t
}()

// consistsOf reports whether s has no character but those of the kind.
func consistsOf(s string, kind uint8) bool {
	for i := range len(s) {
		if charKinds[s[i]]&kind == 0 {
			return false
		}
	}
	return true
}

func checkName(s string) error {
	if s == "" || charKinds[s[0]]&nameStart == 0 || !consistsOf(s, nameChar) {
		return fmt.Errorf("%.100q is no package name", s)
	}
	return nil
}

func checkArchitecture(s string) error {
	if s == "" || charKinds[s[0]]&nameStart == 0 || !consistsOf(s, archChar) {
		return fmt.Errorf("%.100q is no architecture", s)
	}
	return nil
}
