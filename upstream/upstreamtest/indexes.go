package upstreamtest

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"path"
	"slices"
	"strings"
)

// indexes returns the uncompressed indexes of a suite by their path below its directory. Needs a.mu.
func (a *Archive) indexes(s *Suite) map[string][]byte {
	files := make(map[string][]byte)
	if s.flat() {
		files["Packages"] = a.packagesIndex(func(p *Package) bool { return p.Suite == s.Name })
		files["Sources"] = a.sourcesIndex(s, "")
		return files
	}
	for _, component := range s.Components {
		for _, arch := range s.Architectures {
			files[path.Join(component, "binary-"+arch, "Packages")] = a.packagesIndex(func(p *Package) bool {
				return p.in(s, component) && (p.Arch == arch || p.Arch == "all" && !s.SeparateAll)
			})
		}
		if s.SeparateAll {
			files[path.Join(component, "binary-all", "Packages")] = a.packagesIndex(func(p *Package) bool {
				return p.in(s, component) && p.Arch == "all"
			})
		}
		files[path.Join(component, "source", "Sources")] = a.sourcesIndex(s, component)
		files[path.Join(component, "i18n", "Translation-en")] = a.translations(s, component)
	}
	return files
}

func (p *Package) in(s *Suite, component string) bool {
	return p.Suite == s.Name && p.Component == component
}

func (a *Archive) packagesIndex(want func(*Package) bool) []byte {
	var out bytes.Buffer
	for i := range a.binaries {
		if p := &a.binaries[i]; want(p) {
			out.Write(p.stanza(a.strongHash()))
		}
	}
	return out.Bytes()
}

func (a *Archive) strongHash() string {
	if a.SHA512Only {
		return "SHA512"
	}
	return "SHA256"
}

// stanza is the control data with where and what the file is.
func (p *Package) stanza(hash string) []byte {
	var out bytes.Buffer
	out.WriteString(p.control(false))
	fmt.Fprintf(&out, "Description-md5: %s\nFilename: %s\nSize: %d\nMD5sum: %s\n%s: %s\n\n", descriptionMD5(p.Description),
		p.listedFilename(), len(p.Deb), hexDigest("MD5Sum", p.Deb), hash, hexDigest(hash, p.Deb))
	return out.Bytes()
}

// listedFilename is written as dpkg-scanpackages does for flat repositories.
func (p *Package) listedFilename() string {
	if strings.HasSuffix(p.Suite, "/") {
		return "./" + p.Filename
	}
	return p.Filename
}

func (a *Archive) translations(s *Suite, component string) []byte {
	var out bytes.Buffer
	var done []string
	for i := range a.binaries {
		p := &a.binaries[i]
		if id := p.Name + descriptionMD5(p.Description); p.in(s, component) && !slices.Contains(done, id) {
			done = append(done, id)
			fmt.Fprintf(&out, "Package: %s\nDescription-md5: %s\nDescription-en: %s\n\n",
				p.Name, descriptionMD5(p.Description), fold(p.Description))
		}
	}
	return out.Bytes()
}

// descriptionMD5 joins Packages and Translation: the digest of the text as it is folded, with its final line end.
func descriptionMD5(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(fold(text)+"\n"))) }

// fold writes a text of several lines as the value of a control field.
func fold(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n\n", "\n.\n"), "\n", "\n ")
}

func (a *Archive) sourcesIndex(s *Suite, component string) []byte {
	var out bytes.Buffer
	for i := range a.sources {
		if src := &a.sources[i]; src.suite == s.Name && (component == "" || src.component == component) {
			out.Write(src.stanza(a.strongHash()))
		}
	}
	return out.Bytes()
}
