// Package deb reads and writes binary packages, .deb and .udeb, in the format of deb(5).
//
// Reading is in memory and for strangers' files: nothing is unpacked to disk, every size, count and depth is bounded, also
// in proportion to the file, and what dpkg and apt could take differently is refused: members in another order, twice or
// under other names, bytes that no member owns, anything but plain files in control.tar, paths that lead out of the root.
// Everything is read to its end, so that a package with a damaged data.tar is refused here and not by dpkg on every
// machine. control.tar may be plain, gz, xz or zst as for dpkg; data.tar also bz2, but not lzma, which nothing has written
// for years.
//
// The control file is one stanza of UTF-8 that goes into an index as it stands: its names and relations are well formed
// as dpkg has it, and it has no field that only an index or a status file may have.
//
// Writing gives the same bytes for the same input. The package verifies no signature and knows no repository.
package deb

import (
	"context"
	"fmt"
	"io"
	"strings"

	"aptmirror/upstream/compress"
)

const (
	// maxVersion is the size in bytes of a debian-binary above which a package is refused.
	maxVersion = 16
	// maxControlTar is the size in bytes of an unpacked control.tar above which a package is refused; lists of files with
	// their digests make up the most of the largest.
	maxControlTar = 64 << 20
	// maxControl is the size in bytes of a control file above which a package is refused; those of Debian have less than
	// 64 KiB. Each relation in it is looked up in every build.
	maxControl = 256 << 10
	// maxWord is the size in bytes of a name, a version or a section above which a package is refused. On one of 65,536 apt
	// ends itself, on every machine that has read the index.
	maxWord = 1024
	// maxFields is the number of fields of a control file above which a package is refused: an index adds some, and a
	// stanza of it with more than deb822.DefaultFields cannot be read.
	maxFields = 512
	// maxDataTar is the size in bytes of an unpacked data.tar above which a package is refused.
	maxDataTar = 32 << 30
	// freeUnpacked is how many bytes any member may unpack to, and maxRatio how many times its own size beyond that; of
	// Debian's packages none has 100. A bomb of a few bytes would otherwise keep a processor busy for minutes.
	freeUnpacked = 512 << 20
	maxRatio     = 200
	// maxEntries is the number of files of a package above which it is refused; Debian's largest have about 100,000.
	maxEntries = 2 << 20
	// maxPath is the size in bytes of a path above which a package is refused; Linux takes none longer than 4096.
	maxPath = 4096
	// maxMemberBytes is the longest member that Member gives, a signature.
	maxMemberBytes = 64 << 10
	// MaxPaths is the size in bytes of the paths of a package above which it is refused; Debian's largest have 10 MB.
	MaxPaths = 64 << 20
)

// Deb is a binary package that was read.
type Deb struct {
	// Control is the control file, without empty lines around it and with a newline at its end.
	Control []byte
	Name    string
	Version string
	Arch    string
	Source  string // the source package's name, which is Name where the field is not there
	Section string // "" without the field
	// Provides are the names in the field, and Essential says that every machine has to have the package.
	Provides  []string
	Essential bool
	// Paths are the files that it installs, in order, each with a newline; folders and what no line can hold are left out.
	Paths []byte

	members []member
	from    io.ReaderAt
}

// Read reads a package of that size to its end.
func Read(ctx context.Context, r io.ReaderAt, size int64) (*Deb, error) {
	members, err := readMembers(r, size)
	if err != nil {
		return nil, err
	}
	d := &Deb{members: members, from: r}
	if err := d.checkMembers(); err != nil {
		return nil, err
	}
	control, data := d.find("control.tar"), d.find("data.tar")
	if d.Control, err = readControl(d.open(ctx, control, maxControlTar)); err != nil {
		return nil, fmt.Errorf("%s: %w", control.name, err)
	}
	if err := d.parse(); err != nil {
		return nil, fmt.Errorf("control file: %w", err)
	}
	if d.Paths, err = readData(d.open(ctx, data, maxDataTar)); err != nil {
		return nil, fmt.Errorf("%s: %w", data.name, err)
	}
	return d, nil
}

// ReadPaths gives the Paths of a package that Read has accepted before.
func ReadPaths(ctx context.Context, r io.ReaderAt, size int64) ([]byte, error) {
	members, err := readMembers(r, size)
	if err != nil {
		return nil, err
	}
	d := &Deb{members: members, from: r}
	if err := d.checkMembers(); err != nil {
		return nil, err
	}
	return readData(d.open(ctx, d.find("data.tar"), maxDataTar))
}

// checkMembers wants the three members of deb(5) in their order, and others only as deb(5) foresees them.
func (d *Deb) checkMembers() error {
	var order []string
	for _, m := range d.members {
		if !strings.HasPrefix(m.name, "_") {
			order = append(order, m.name)
		}
	}
	if len(order) == 0 || order[0] != "debian-binary" || d.members[0].name != "debian-binary" {
		return fmt.Errorf("not a Debian package: the first member is not debian-binary")
	}
	if err := d.checkVersion(); err != nil {
		return err
	}
	if len(order) != 3 {
		return fmt.Errorf("the members are %s, not debian-binary, control.tar and data.tar", strings.Join(order, ", "))
	}
	if err := checkFormat(order[1], "control.tar", "", "gz", "xz", "zst"); err != nil {
		return err
	}
	return checkFormat(order[2], "data.tar", "", "gz", "xz", "zst", "bz2")
}

func (d *Deb) checkVersion() error {
	if d.members[0].size > maxVersion {
		return fmt.Errorf("debian-binary is longer than %d bytes", maxVersion)
	}
	text := make([]byte, d.members[0].size)
	if _, err := d.from.ReadAt(text, d.members[0].offset); err != nil && err != io.EOF {
		return err
	}
	if string(text) != "2.0\n" {
		return fmt.Errorf("debian-binary is %q, not \"2.0\\n\"", text)
	}
	return nil
}

func checkFormat(name, want string, formats ...string) error {
	for _, f := range formats {
		if name == strings.TrimSuffix(want+"."+f, ".") {
			return nil
		}
	}
	if strings.HasPrefix(name, want) {
		return fmt.Errorf("%s is compressed in a way that is not read here; build the package anew with xz, gz or zst", name)
	}
	return fmt.Errorf("%s stands where %s belongs", name, want)
}

// find returns the member of that name, whatever its compression; checkMembers saw that there is one.
func (d *Deb) find(name string) member {
	for _, m := range d.members {
		if m.name == name || strings.HasPrefix(m.name, name+".") {
			return m
		}
	}
	return member{}
}

// open unpacks a member as far as the limit and its size allow.
func (d *Deb) open(ctx context.Context, m member, limit int64) unpacked {
	_, format := compress.FormatOf(m.name)
	return unpacked{ctx: ctx, packed: io.NewSectionReader(d.from, m.offset, m.size), format: format, limit: min(limit, freeUnpacked+maxRatio*m.size)}
}

// Origin gives the signature by the package's origin that debsigs(1) adds, and what it covers: the bytes of the three
// members. The signature is nil where there is none.
func (d *Deb) Origin() (sig []byte, covered io.Reader, err error) {
	var parts []io.Reader
	for _, m := range d.members {
		section := io.NewSectionReader(d.from, m.offset, m.size)
		switch {
		case !strings.HasPrefix(m.name, "_"):
			parts = append(parts, section)
		case m.name == "_gpgorigin" && m.size > maxMemberBytes:
			return nil, nil, fmt.Errorf("_gpgorigin is longer than %d bytes", maxMemberBytes)
		case m.name == "_gpgorigin":
			if sig, err = io.ReadAll(section); err != nil {
				return nil, nil, err
			}
		}
	}
	return sig, io.MultiReader(parts...), nil
}
