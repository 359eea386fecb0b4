package kit

import (
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"aptmirror/proxy/pki"
	"aptmirror/resign/deb"
)

const (
	// packageName is the same for all machines, so that a kit replaces the one before; what
	// ends in -apt-source may bring sources (lintian, package-installs-apt-sources).
	packageName = "aptmirror-apt-source"
	// stagingDir has what postinst copies to tlsDir, which dpkg itself must not own: its
	// questions about changed configuration could part a certificate from its key.
	stagingDir = "usr/share/" + packageName
	docDir     = "usr/share/doc/" + packageName
	keyringDir = "usr/share/keyrings"
)

//go:embed debian/postinst
var postinst []byte

//go:embed debian/postrm
var postrm string

// WriteDeb writes the kit as a Debian package (deb(5)) for the one machine whose certificate
// it has. Its version is the time, so that a later kit is an upgrade. apt's configuration
// is made of conffiles; certificate and key are put in place when the package is configured
// and taken away when it is purged. The package holds the key: treat it like one.
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
	files     []File   // all others
	brought   []string // in tlsDir
	keyrings  []string // that postinst copies, since packages of the repositories bring them, too
}

// addKeyrings leaves those that a package of the repository will own to postinst:
// dpkg would refuse a file of two packages.
func (p *debPackage) addKeyrings(k *Kit) {
	shared := map[string]bool{}
	for _, s := range k.Sources {
		shared[s.keyringName()] = s.KeyringPackage != ""
	}
	for _, f := range k.keyringFiles(keyringDir) {
		f.Mode = 0o644
		if name := path.Base(f.Path); shared[name] {
			f.Path = path.Join(stagingDir, "keyrings", name)
			p.keyrings = append(p.keyrings, name)
		}
		p.files = append(p.files, f)
	}
}

func (k *Kit) newPackage(host string, now time.Time) (*debPackage, error) {
	certs, err := pki.ReadCertificates(k.ClientCert)
	if err != nil {
		return nil, err
	}
	now = now.UTC()
	p := &debPackage{now: now, version: now.Format("20060102.150405"), host: host, machine: machineName(certs[0]), conffiles: k.aptFiles(host)}
	p.addKeyrings(k)
	for _, f := range k.tlsFiles(stagingDir) {
		p.brought = append(p.brought, path.Base(f.Path))
		if path.Base(f.Path) != keyName {
			f.Mode = 0o644
		}
		p.files = append(p.files, f)
	}
	changelog := fmt.Sprintf("%s (%s) stable; urgency=medium\n\n  * For %s.\n  * Certificate %x, until %s.\n\n -- %s  %s\n",
		packageName, p.version, p.machine, certs[0].SerialNumber, certs[0].NotAfter.UTC().Format(time.DateOnly), p.maintainer(), now.Format(time.RFC1123Z))
	p.files = append(p.files, File{docDir + "/changelog.gz", 0o644, deb.Compressed([]byte(changelog))}, File{docDir + "/copyright", 0o644, p.copyright()})
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
	return fmt.Appendf(nil, `Package: %s
Version: %s
Architecture: all
Maintainer: %s
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
`, packageName, p.version, p.maintainer(), p.host, p.machine)
}

func (p *debPackage) write(w io.Writer) error {
	packed := deb.Package{Control: p.control(), Conffiles: debFiles(p.conffiles), Files: debFiles(p.files), Time: p.now}
	packed.Scripts = []deb.File{
		{Path: "postinst", Mode: 0o755, Data: postinst},
		{Path: "postrm", Mode: 0o755, Data: []byte(strings.NewReplacer("@BROUGHT@", strings.Join(p.brought, " "), "@KEYRINGS@", strings.Join(p.keyrings, " ")).Replace(postrm))},
	}
	return packed.Write(w)
}

func debFiles(files []File) (out []deb.File) {
	for _, f := range files {
		out = append(out, deb.File(f))
	}
	return out
}
