package debian

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"aptmirror/upstream/deb822"
)

// maxSourceFiles is the number of files above which a source package is
// refused; Debian's largest have about 70.
const maxSourceFiles = 1000

// SourceFile is one file of a source package.
type SourceFile struct {
	Path      string // relative to the archive's base, clean
	Size      int64  // bytes
	SHA256    [sha256.Size]byte
	HasSHA256 bool   // without it and SHA512 nothing can verify the file
	SHA512    []byte // nil when not listed
}

// Source is what one stanza of a Sources file says about where a source
// package is and what its bytes are.
type Source struct {
	Name, Version string
	Files         []SourceFile // in the order of first mention, one per path
}

// ParseSource reads a stanza of a Sources file into src, overwriting all of it.
// Package, Version and at least one file are required; Directory may be absent
// or ".", as in flat archives. What Files and the Checksums fields say of a file
// has to agree. Errors name the line. After an error src is not to be used.
//
// src may be used again for the next stanza, which overwrites src.Files.
func ParseSource(s *deb822.Stanza, src *Source) error {
	if err := src.readNames(s); err != nil {
		return err
	}
	directory, _ := s.Lookup("Directory")
	t := sumTable{limit: maxSourceFiles, clean: func(name string) (string, error) {
		return joinSource(string(directory.Value), name)
	}}
	for _, list := range []struct {
		field    string
		hashSize int
	}{{"Files", md5Size}, {"Checksums-Sha1", sha1Size}, {"Checksums-Sha256", sha256.Size}, {"Checksums-Sha512", sha512.Size}} {
		if f, ok := s.Lookup(list.field); ok {
			if err := t.addField(f, list.hashSize); err != nil {
				return err
			}
		}
	}
	if len(t.files) == 0 {
		return fmt.Errorf("line %d: source package without files", s.Line)
	}
	src.Files = src.Files[:0]
	for _, f := range t.files {
		src.Files = append(src.Files, SourceFile{Path: f.Path, Size: f.Size, SHA256: f.SHA256, HasSHA256: f.HasSHA256, SHA512: f.SHA512})
	}
	return nil
}

func (src *Source) readNames(s *deb822.Stanza) error {
	name, err := need(s, "Package")
	if err != nil {
		return err
	}
	version, err := need(s, "Version")
	if err != nil {
		return err
	}
	src.Name, src.Version = string(name.Value), string(version.Value)
	if err := checkName(src.Name); err != nil {
		return inField(name, err)
	}
	if err := checkVersion(src.Version); err != nil {
		return inField(version, err)
	}
	return nil
}

var errNotAName = errors.New("file name with a directory")

// joinSource makes the path of a source package's file; apt adds the slash
// after the directory only where there is none.
func joinSource(directory, name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return "", fmt.Errorf("%w: %q", errNotAName, name)
	}
	if directory != "" && !strings.HasSuffix(directory, "/") {
		directory += "/"
	}
	return CleanPath(directory + name)
}
