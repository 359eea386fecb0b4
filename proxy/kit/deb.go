package kit

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"aptmirror/proxy/pki"
)

const (
	// packageName is the same for all machines, so that a kit replaces the one before; what
	// ends in -apt-source may bring sources (lintian, package-installs-apt-sources).
	packageName = "aptmirror-apt-source"
	// stagingDir has what postinst copies to tlsDir, which dpkg itself must not own: its
	// questions about changed configuration could part a certificate from its key.
	stagingDir = "usr/share/" + packageName
	docDir     = "usr/share/doc/" + packageName
)

//go:embed debian/postinst
var postinst []byte

//go:embed debian/postrm
var postrm string

// WriteDeb writes the kit as a Debian package (deb(5)) for the one machine whose certificate
// it has. Its version is the time, so that a later kit is an upgrade. apt's configuration
// is made of conffiles; certificate and key are put in place when the package is configured
// and taken away when it is purged. The package holds the key: treat it like one.
//
// It is written here and not by a packaging library: the format is two small tar archives
// in an ar archive, and what matters is the owner and the mode of one file.
func (k *Kit) WriteDeb(w io.Writer, now time.Time) error {
	host, err := k.check()
	if err != nil {
		return fmt.Errorf("making client kit: %w", err)
	}
	p, err := k.newPackage(host, now)
	if err == nil {
		err = p.write(w)
	}
	if err != nil {
		return fmt.Errorf("writing client kit: %w", err)
	}
	return nil
}

// debPackage is a package before it is put together.
type debPackage struct {
	now       time.Time
	version   string
	host      string
	machine   string // the name in the certificate
	conffiles []File
	files     []File // all others
	brought   []string
}

func (k *Kit) newPackage(host string, now time.Time) (*debPackage, error) {
	certs, err := pki.ReadCertificates(k.ClientCert)
	if err != nil {
		return nil, err
	}
	now = now.UTC()
	p := &debPackage{now: now, version: now.Format("20060102.150405"), host: host, machine: machineName(certs[0]), conffiles: k.aptFiles(host)}
	p.files = k.keyringFiles("usr/share/keyrings")
	for i := range p.files {
		p.files[i].Mode = 0o644
	}
	for _, f := range k.tlsFiles(stagingDir) {
		p.brought = append(p.brought, path.Base(f.Path))
		if path.Base(f.Path) != keyName {
			f.Mode = 0o644
		}
		p.files = append(p.files, f)
	}
	changelog := fmt.Sprintf("%s (%s) stable; urgency=medium\n\n  * For %s.\n  * Certificate %x, until %s.\n\n -- %s  %s\n",
		packageName, p.version, p.machine, certs[0].SerialNumber, certs[0].NotAfter.UTC().Format(time.DateOnly), p.maintainer(), now.Format(time.RFC1123Z))
	p.files = append(p.files, File{docDir + "/changelog.gz", 0o644, compressed([]byte(changelog))}, File{docDir + "/copyright", 0o644, p.copyright()})
	return p, nil
}

// machineName is for people; the server takes its own look at the certificate.
func machineName(c *x509.Certificate) string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return "one machine"
}

func (p *debPackage) maintainer() string {
	return fmt.Sprintf("aptmirror on %s <aptmirror@%[1]s>", p.host)
}

func (p *debPackage) copyright() []byte {
	return fmt.Appendf(nil, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Comment: Made by aptmirror on %s for %s and no other machine, not for distribution. It
 holds a certificate, its private key where the machine has not made that itself, public
 keys of archives, and configuration, none of which is a work of authorship.

Files: *
Copyright: none
License: public-domain
 Nobody claims rights in these files.
`, p.host, p.machine)
}

func (p *debPackage) control() []byte {
	size := 0 // in KiB, each file rounded up; see deb-substvars(5)
	for _, f := range p.all() {
		size += (len(f.Data) + 1023) / 1024
	}
	return fmt.Appendf(nil, `Package: %s
Version: %s
Architecture: all
Maintainer: %s
Installed-Size: %d
Depends: apt (>= 2.0)
Section: admin
Priority: optional
Description: access to the mirror %s
 Certificate, key, sources and archive keys with which apt uses the mirror, on
 this machine and on no other:
 .
   %s
 .
 Purging the package takes all of them away.
`, packageName, p.version, p.maintainer(), size, p.host, p.machine)
}

func (p *debPackage) all() []File {
	return slices.SortedFunc(slices.Values(slices.Concat(p.conffiles, p.files)), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
}

func (p *debPackage) write(w io.Writer) error {
	control, err := p.controlArchive()
	if err != nil {
		return err
	}
	data, err := p.dataArchive()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "!<arch>\n"); err != nil {
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
func (p *debPackage) member(w io.Writer, m File) error {
	if _, err := fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.Path, p.now.Unix(), 0, 0, 0o100000|m.Mode, len(m.Data)); err != nil {
		return err
	}
	if len(m.Data)%2 == 1 {
		m.Data = append(slices.Clone(m.Data), '\n')
	}
	_, err := w.Write(m.Data)
	return err
}

func (p *debPackage) controlArchive() ([]byte, error) {
	var conffiles, sums bytes.Buffer
	for _, f := range p.conffiles {
		fmt.Fprintf(&conffiles, "/%s\n", f.Path)
	}
	for _, f := range p.files {
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.Data), f.Path)
	}
	return p.archive([]File{
		{"conffiles", 0o644, conffiles.Bytes()},
		{"control", 0o644, p.control()},
		{"md5sums", 0o644, sums.Bytes()},
		{"postinst", 0o755, postinst},
		{"postrm", 0o755, []byte(strings.Replace(postrm, "@BROUGHT@", strings.Join(p.brought, " "), 1))},
	})
}

func (p *debPackage) dataArchive() ([]byte, error) { return p.archive(p.all()) }

// archive packs files with the directories above them.
func (p *debPackage) archive(files []File) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := newTarball(z, p.now)
	t.prefix = "./"
	known := map[string]bool{}
	for _, f := range files {
		t.parents(path.Dir(f.Path), known)
		t.file(f)
	}
	if err := t.close(); err != nil {
		return nil, err
	}
	err := z.Close()
	return out.Bytes(), err
}

// parents adds a directory and those above it, once.
func (t *tarball) parents(dir string, known map[string]bool) {
	if known[dir] {
		return
	}
	known[dir] = true
	if dir != "." {
		t.parents(path.Dir(dir), known)
		t.dir(dir)
		return
	}
	t.dir("")
}

func compressed(text []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is one
	z.Write(text)                                           // a buffer takes everything
	z.Close()
	return out.Bytes()
}
