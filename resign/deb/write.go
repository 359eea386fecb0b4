package deb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// File is one file of a package to be written. It belongs to root.
type File struct {
	Path string // without a slash at its beginning
	Mode fs.FileMode
	Data []byte
}

// Package is a package to be written.
type Package struct {
	// Control is the control file but for Installed-Size, which is put before Section or at its end.
	Control []byte
	// Scripts are further members of control.tar, such as postinst.
	Scripts []File
	// Conffiles and Files are what the package installs.
	Conffiles, Files []File
	// Time is the date of everything, in whole seconds.
	Time time.Time
}

// Write writes the package. Packages with the same content have the same bytes.
func (p *Package) Write(w io.Writer) error {
	control, err := p.controlArchive()
	if err != nil {
		return err
	}
	data, err := p.archive(p.installed())
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, arMagic); err != nil {
		return err
	}
	for _, m := range []File{{"debian-binary", 0o644, []byte("2.0\n")}, {"control.tar.gz", 0o644, control}, {"data.tar.gz", 0o644, data}} {
		if err := p.member(w, m); err != nil {
			return err
		}
	}
	return nil
}

// member writes one member of an ar(5) archive; each begins at an even offset.
func (p *Package) member(w io.Writer, m File) error {
	if _, err := fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.Path, p.Time.Unix(), 0, 0, 0o100000|m.Mode, len(m.Data)); err != nil {
		return err
	}
	if len(m.Data)%2 == 1 {
		m.Data = append(slices.Clone(m.Data), '\n')
	}
	_, err := w.Write(m.Data)
	return err
}

func (p *Package) installed() []File {
	return slices.SortedFunc(slices.Values(slices.Concat(p.Conffiles, p.Files)), byPath)
}

func byPath(a, b File) int { return strings.Compare(a.Path, b.Path) }

func (p *Package) controlArchive() ([]byte, error) {
	var conffiles, sums bytes.Buffer
	for _, f := range p.Conffiles {
		fmt.Fprintf(&conffiles, "/%s\n", f.Path)
	}
	for _, f := range slices.SortedFunc(slices.Values(p.Files), byPath) {
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.Data), f.Path)
	}
	files := append([]File{{"control", 0o644, p.control()}, {"md5sums", 0o644, sums.Bytes()}}, p.Scripts...)
	if conffiles.Len() > 0 {
		files = append(files, File{"conffiles", 0o644, conffiles.Bytes()})
	}
	return p.archive(slices.SortedFunc(slices.Values(files), byPath))
}

// control adds Installed-Size: KiB, each file rounded up (deb-substvars(5)).
func (p *Package) control() []byte {
	size := 0
	for _, f := range p.installed() {
		size += (len(f.Data) + 1023) / 1024
	}
	line := fmt.Appendf(nil, "Installed-Size: %d\n", size)
	if before, after, found := bytes.Cut(p.Control, []byte("\nSection: ")); found {
		return slices.Concat(before, []byte("\n"), line, []byte("Section: "), after)
	}
	return slices.Concat(p.Control, line)
}

// archive packs files with the directories above them.
func (p *Package) archive(files []File) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := &tarball{tar: tar.NewWriter(z), at: p.Time.UTC().Truncate(time.Second), known: map[string]bool{}}
	t.dir("")
	for _, f := range files {
		t.parents(path.Dir(f.Path))
		t.add(tar.Header{Typeflag: tar.TypeReg, Name: "./" + f.Path, Mode: int64(f.Mode & fs.ModePerm)}, f.Data)
	}
	if t.err == nil {
		t.err = t.tar.Close()
	}
	if t.err != nil {
		return nil, t.err
	}
	err := z.Close()
	return out.Bytes(), err
}

// tarball writes a tar archive whose entries are all of one date and root's. The first error ends it.
type tarball struct {
	tar   *tar.Writer
	at    time.Time
	known map[string]bool // directories that were written
	err   error
}

// parents adds a directory and those above it, once.
func (t *tarball) parents(dir string) {
	if dir == "." || t.known[dir] {
		return
	}
	t.known[dir] = true
	t.parents(path.Dir(dir))
	t.dir(dir + "/")
}

func (t *tarball) dir(name string) {
	t.add(tar.Header{Typeflag: tar.TypeDir, Name: "./" + name, Mode: 0o755}, nil)
}

func (t *tarball) add(h tar.Header, data []byte) {
	if t.err != nil {
		return
	}
	h.Size, h.ModTime, h.Format, h.Uname, h.Gname = int64(len(data)), t.at, tar.FormatUSTAR, "root", "root"
	if t.err = t.tar.WriteHeader(&h); t.err == nil {
		_, t.err = t.tar.Write(data)
	}
}

// Compressed is text as documentation is installed: gzip -9n.
func Compressed(text []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is one
	z.Write(text)                                           // a buffer takes everything
	z.Close()
	return out.Bytes()
}
