// Package compare tells how the packages of one state of a suite differ from
// those of another, for people who have to judge a change before clients see it.
//
// It is pure: it reads the text of indexes, and knows nothing of stores, clocks
// or signatures. A package is its name, architecture, version and digest; where
// an index lies, and in which component, makes no difference.
package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// SourceArchitecture is the architecture of source packages.
const SourceArchitecture = "source"

// maxPackages bounds a set, each of which takes some 250 bytes; the largest
// suite known has some 250,000 in one architecture.
const maxPackages = 8 << 20

// Set collects the packages of one state.
type Set struct {
	packages []pkg
}

// pkg is one version of a package. Its strings share one allocation.
type pkg struct {
	name, version, architecture string
	source, sourceVersion       string
	size                        int64 // bytes; of all files of a source package
	digest                      digest
}

// digest is the SHA-256, or the beginning of the SHA-512 where there is no other.
type digest [32]byte

// AddPackages reads an uncompressed Packages file.
func (s *Set) AddPackages(r io.Reader) error {
	sc := deb822.NewScanner(r, deb822.Limits{})
	var bin debian.Package
	for sc.Scan() {
		if err := debian.ParsePackage(sc.Stanza(), &bin); err != nil {
			return err
		}
		field, _ := sc.Stanza().Get("Source")
		p := pkg{size: bin.Size, digest: bin.SHA256}
		if !bin.HasSHA256 {
			copy(p.digest[:], bin.SHA512)
		}
		source, version := splitSource(string(field), bin.Name, bin.Version)
		p.share(bin.Name, bin.Version, bin.Architecture, source, version)
		if err := s.add(p); err != nil {
			return err
		}
	}
	return sc.Err()
}

// AddSources reads an uncompressed Sources file.
func (s *Set) AddSources(r io.Reader) error {
	sc := deb822.NewScanner(r, deb822.Limits{})
	var src debian.Source
	for sc.Scan() {
		if err := debian.ParseSource(sc.Stanza(), &src); err != nil {
			return err
		}
		var p pkg
		p.share(src.Name, src.Version, SourceArchitecture, src.Name, src.Version)
		for _, f := range src.Files {
			p.size += f.Size
			if strings.HasSuffix(f.Path, ".dsc") {
				if p.digest = f.SHA256; !f.HasSHA256 {
					copy(p.digest[:], f.SHA512)
				}
			}
		}
		if err := s.add(p); err != nil {
			return err
		}
	}
	return sc.Err()
}

func (s *Set) add(p pkg) error {
	if len(s.packages) == maxPackages {
		return fmt.Errorf("more than %d packages are not compared", maxPackages)
	}
	s.packages = append(s.packages, p)
	return nil
}

// share copies strings, that may point into a buffer, into one allocation.
func (p *pkg) share(name, version, architecture, source, sourceVersion string) {
	all := name + version + architecture + source + sourceVersion
	cut := func(s string) (piece string) {
		piece, all = all[:len(s)], all[len(s):]
		return piece
	}
	p.name, p.version, p.architecture = cut(name), cut(version), cut(architecture)
	p.source, p.sourceVersion = cut(source), cut(sourceVersion)
}

// splitSource reads the field Source, "name" or "name (version)", which is left
// out where it would repeat those of the package.
func splitSource(field, name, version string) (source, sourceVersion string) {
	if field == "" {
		return name, version
	}
	source, rest, ok := strings.Cut(field, " (")
	if ok {
		version = strings.TrimSuffix(rest, ")")
	}
	return source, version
}

// order sorts the set and leaves each package once: that of architecture all
// stands in the index of every architecture.
func (s *Set) order() {
	slices.SortFunc(s.packages, func(a, b pkg) int {
		if c := a.compareGroup(b); c != 0 {
			return c
		}
		if c := strings.Compare(a.version, b.version); c != 0 {
			return c
		}
		return slices.Compare(a.digest[:], b.digest[:])
	})
	s.packages = slices.CompactFunc(s.packages, func(a, b pkg) bool { return a.same(b) && a.compareGroup(b) == 0 })
}

// compareGroup orders by what has several versions.
func (p pkg) compareGroup(o pkg) int {
	if c := strings.Compare(p.name, o.name); c != 0 {
		return c
	}
	return strings.Compare(p.architecture, o.architecture)
}

// same is for packages of one group.
func (p pkg) same(o pkg) bool { return p.version == o.version && p.digest == o.digest }
