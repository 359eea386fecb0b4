package upstreamtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"
)

// Package describes a binary package to build. Only Name is needed.
type Package struct {
	Name        string
	Version     string // default "1.0"
	Arch        string // default the archive's; "all" is another
	Suite       string // name of the suite, default that of Archive.Suite
	Component   string // default "main"
	Section     string // default "misc"
	Priority    string // default "optional"
	Depends     string
	Source      string // as in the field, such as "src (1.0)"; default none
	Description string // default "NAME, for tests"; further lines are the long text
	// Fields are further control lines, such as "Provides: mail-transport-agent".
	Fields []string
	// Data is the content of the file that the package installs, /usr/share/doc/NAME/data; default Size bytes that do
	// not compress, the same for the same package.
	Data []byte
	Size int
	// Changelog is the text of the package's changelog; default none.
	Changelog string

	Filename string // in the pool; default by Debian's rules
	Deb      []byte // the built file
}

// buildDate is the time stamp of everything inside packages, so that they are built the same every time.
var buildDate = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (p *Package) fillIn(a *Archive) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&p.Version, "1.0")
	set(&p.Arch, a.Arch)
	set(&p.Suite, a.Suite.Name)
	set(&p.Component, "main")
	set(&p.Section, "misc")
	set(&p.Priority, "optional")
	set(&p.Description, p.Name+", for tests\nIt does nothing.")
	source, _, _ := strings.Cut(p.Source, " ")
	set(&source, p.Name)
	set(&p.Filename, path.Join(poolDir(p.Component, source), fmt.Sprintf("%s_%s_%s.deb", p.Name, withoutEpoch(p.Version), p.Arch)))
	if p.Data == nil {
		p.Data = noise(p.Name+p.Version+p.Arch, p.Size)
	}
}

// poolDir is pool/main/h/hello, or pool/main/libh/libhello.
func poolDir(component, source string) string {
	prefix := source[:1]
	if strings.HasPrefix(source, "lib") && len(source) > 3 {
		prefix = source[:4]
	}
	return path.Join("pool", component, prefix, source)
}

func withoutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}

// noise returns bytes that depend on seed alone and do not compress.
func noise(seed string, size int) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%x", md5.Sum([]byte(seed))))
	data := make([]byte, size)
	rand.NewChaCha8(key).Read(data) // never fails
	return data
}

// control returns the control file; the index has only the first line of the description.
func (p *Package) control(long bool) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Package: %s\n", p.Name)
	if p.Source != "" {
		fmt.Fprintf(&out, "Source: %s\n", p.Source)
	}
	fmt.Fprintf(&out, "Version: %s\nArchitecture: %s\nMaintainer: Tester <tester@mirror.example.org>\nInstalled-Size: %d\n",
		p.Version, p.Arch, (len(p.Data)+1023)/1024)
	if p.Depends != "" {
		fmt.Fprintf(&out, "Depends: %s\n", p.Depends)
	}
	fmt.Fprintf(&out, "Section: %s\nPriority: %s\n", p.Section, p.Priority)
	for _, line := range p.Fields {
		out.WriteString(line + "\n")
	}
	description := fold(p.Description)
	if !long {
		description, _, _ = strings.Cut(description, "\n")
	}
	fmt.Fprintf(&out, "Description: %s\n", description)
	return out.String()
}

// buildDeb writes the three members of deb(5).
func buildDeb(t testing.TB, p Package) []byte {
	t.Helper()
	name := "./usr/share/doc/" + p.Name + "/data"
	sums := fmt.Sprintf("%x  %s\n", md5.Sum(p.Data), name[2:])
	control := tarball(t, []entry{{"./control", []byte(p.control(true))}, {"./md5sums", []byte(sums)}})
	files := []entry{{name, p.Data}}
	if p.Changelog != "" {
		files = append(files, entry{"./usr/share/doc/" + p.Name + "/changelog.Debian.gz", gzipped([]byte(p.Changelog))})
	}
	data := tarball(t, files)
	return ar([]entry{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", gzipped(control)}, {"data.tar.gz", gzippedAt(gzip.NoCompression, data)}})
}

// entry is a file in an archive of any kind.
type entry struct {
	name string
	data []byte
}

// ar writes the common archive format of ar(5) as dpkg-deb does.
func ar(members []entry) []byte {
	out := bytes.NewBufferString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, buildDate.Unix(), 0, 0, "100644", len(m.data))
		out.Write(m.data)
		if len(m.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// tarball writes the files and the directories above them.
func tarball(t testing.TB, files []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	done := make(map[string]bool)
	for _, f := range files {
		parts := strings.Split(f.name, "/")
		for i := 1; i < len(parts); i++ {
			if dir := strings.Join(parts[:i], "/") + "/"; !done[dir] {
				done[dir] = true
				writeTar(t, w, &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}, nil)
			}
		}
		writeTar(t, w, &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.data))}, f.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeTar(t testing.TB, w *tar.Writer, h *tar.Header, data []byte) {
	t.Helper()
	h.ModTime, h.Uname, h.Gname, h.Format = buildDate, "root", "root", tar.FormatGNU
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}
