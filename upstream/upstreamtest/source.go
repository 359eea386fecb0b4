package upstreamtest

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// source is a source package of format 3.0 (quilt).
type source struct {
	name, version    string
	suite, component string
	dsc              []byte
	files            []entry // the .dsc first
}

// AddSource builds a source package for the archive's first suite, component main, and puts its files into the pool at
// once and into Sources from the next Publish on. It returns the paths of the files in the pool, the .dsc first.
func (a *Archive) AddSource(name, version string) []string {
	a.t.Helper()
	src := source{name: name, version: version, suite: a.Suite.Name, component: "main"}
	a.buildSource(&src)
	var paths []string
	for _, f := range src.files {
		paths = append(paths, path.Join(src.dir(), f.name))
		a.Set(path.Join(src.dir(), f.name), f.data)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sources = append(a.sources, src)
	return paths
}

func (src *source) dir() string { return poolDir(src.component, src.name) }

// buildSource makes tarballs that dpkg-source -x unpacks, and the .dsc over them.
func (a *Archive) buildSource(src *source) {
	a.t.Helper()
	full := withoutEpoch(src.version)
	upstream := full
	if i := strings.LastIndexByte(full, '-'); i >= 0 {
		upstream = full[:i]
	} else {
		full += "-1"
		src.version += "-1"
	}
	top := src.name + "-" + upstream + "/"
	orig := tarball(a.t, []entry{{top + "README", []byte("for tests\n")}})
	changes := fmt.Sprintf("%s (%s) stable; urgency=low\n\n  * For tests.\n\n -- Tester <tester@mirror.example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n",
		src.name, src.version)
	control := fmt.Sprintf("Source: %s\nMaintainer: Tester <tester@mirror.example.org>\n\nPackage: %s\nArchitecture: all\nDescription: for tests\n",
		src.name, src.name)
	debian := tarball(a.t, []entry{{"debian/changelog", []byte(changes)}, {"debian/control", []byte(control)},
		{"debian/rules", []byte("#!/usr/bin/make -f\n%:\n")}, {"debian/source/format", []byte("3.0 (quilt)\n")}})
	src.files = []entry{
		{src.name + "_" + upstream + ".orig.tar.gz", gzipped(orig)},
		{src.name + "_" + full + ".debian.tar.gz", gzipped(debian)},
	}
	src.dsc = []byte("Format: 3.0 (quilt)\nSource: " + src.name + "\n" + src.fields() + src.checksums("SHA256"))
	src.files = append([]entry{{src.name + "_" + full + ".dsc", src.dsc}}, src.files...)
}

// fields are common to the .dsc and the index.
func (src *source) fields() string {
	return fmt.Sprintf("Binary: %s\nArchitecture: all\nVersion: %s\nMaintainer: Tester <tester@mirror.example.org>\nStandards-Version: 4.6.2\n",
		src.name, src.version)
}

func (src *source) checksums(strong string) string {
	var out strings.Builder
	for _, section := range []struct{ field, kind string }{{"Files", "MD5Sum"}, {"Checksums-Sha" + strong[len("SHA"):], strong}} {
		out.WriteString(section.field + ":\n")
		for _, f := range src.files {
			fmt.Fprintf(&out, " %s %d %s\n", hexDigest(section.kind, f.data), len(f.data), f.name)
		}
	}
	return out.String()
}

func (src *source) stanza(hash string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "Package: %s\nFormat: 3.0 (quilt)\n%s%sDirectory: %s\nPriority: optional\nSection: misc\n\n",
		src.name, src.fields(), src.checksums(hash), src.dir())
	return out.Bytes()
}
