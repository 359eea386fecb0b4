// Package kit turns what one client machine needs into files: its certificate and key, the
// authority of the mirror, the archive keys, and apt configuration that uses them.
//
// There are two forms of the same content. The private form is a directory that is a
// complete apt configuration of its own: with APT_CONFIG pointing at its apt.conf, apt
// works for whoever owns the directory, without root and without touching the machine's
// own apt. The system form is the files for a real machine with a script that puts them in
// place, for apt as it runs there: as user _apt.
//
//	DIR/apt.conf                              private apt.conf(5), absolute paths
//	DIR/tls.conf                              its part about the connection, for other tools' apt
//	DIR/etc/sources.list.d/aptmirror.sources  deb822 sources.list(5)
//	DIR/keyrings/aptmirror-REPOSITORY.gpg     binary OpenPGP; PACKAGE.gpg where a package brings it, too
//	DIR/tls/{ca.pem,client.pem,client.key}
//	DIR/{state,cache,log}/                    apt's, kept when the kit is written again
//	DIR/system/install.sh                     puts what is beside it into / or $DESTDIR
//	DIR/system/etc/apt/apt.conf.d/50aptmirror.conf
//	DIR/system/etc/apt/sources.list.d/aptmirror.sources
//	DIR/system/etc/aptmirror/{ca.pem,client.pem,client.key}
//	DIR/system/usr/share/keyrings/aptmirror-REPOSITORY.gpg
//
// Directories are 0700 and files 0600, because both forms hold the key.
//
// The files for a real machine also come as a tar archive for its root (WriteTar) and as a
// Debian package (WriteDeb), with the owners and modes that they have there:
//
//	/etc/apt/apt.conf.d/50aptmirror.conf      0644, conffile of the package
//	/etc/apt/sources.list.d/aptmirror.sources 0644, conffile of the package
//	/usr/share/keyrings/*.gpg                 0644
//	/etc/aptmirror/{ca.pem,client.pem}        0644
//	/etc/aptmirror/client.key                 0400, of user _apt
//
// README.md beside this file shows what to do with them.
//
// Nothing is put into auth.conf.d: apt reads only logins there and ignores certificates
// without a word. The package issues no certificates and asks nobody anything; every value
// that ends up in a configuration file is checked against a list of allowed characters.
package kit

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"

	"aptmirror/proxy/pki"
)

const (
	maxSources = 1000    // stanzas in one kit
	maxWords   = 200     // suites, components or architectures in one stanza
	maxWord    = 128     // bytes of one of them
	maxName    = 64      // bytes of a repository name, which becomes part of file names
	maxKeyring = 4 << 20 // bytes; Debian's has 60 KB
)

// Kit is the content of a kit. It is checked as a whole before anything is written.
type Kit struct {
	// Host is the name in URL, without port; empty means just that. IPv6 addresses are not
	// possible: apt cannot have them in the name of an option.
	Host string
	URL  string // https://mirror.example.org:8443

	ServerCA   []byte // PEM: authorities of the mirror's own certificate
	ClientCert []byte // PEM: leaf, then intermediates
	// ClientKey is PEM, without passphrase. Empty means that the client has it already: the
	// kit then refers to the same place but brings nothing there.
	ClientKey []byte

	Sources []Source
}

// Source is one stanza of sources.
type Source struct {
	Repository    string
	Suites        []string
	Components    []string
	Architectures []string // empty: those of the machine
	Types         []string // deb, deb-src; empty: deb
	Keyring       []byte   // binary OpenPGP; the same for all sources of a repository
	// KeyringPackage is the package of the repository, if it has one, that brings
	// the keyring as /usr/share/keyrings/NAME.gpg. Once it is installed, its file
	// counts, and the machine follows when the repository changes its keys.
	KeyringPackage string
}

// File is one file of a kit.
type File struct {
	Path string // relative, with slashes
	Mode fs.FileMode
	Data []byte
}

// check returns the host that apt knows the mirror by.
func (k *Kit) check() (host string, err error) {
	if host, err = k.checkURL(); err != nil {
		return "", err
	}
	if err := k.checkCertificates(); err != nil {
		return "", err
	}
	if len(k.Sources) == 0 || len(k.Sources) > maxSources {
		return "", fmt.Errorf("%d sources, allowed are 1 to %d", len(k.Sources), maxSources)
	}
	keyrings := map[string][]byte{}
	for i, s := range k.Sources {
		if err := s.check(); err != nil {
			return "", fmt.Errorf("source %d: %w", i+1, err)
		}
		if other, ok := keyrings[s.Repository]; ok && !bytes.Equal(other, s.Keyring) {
			return "", fmt.Errorf("source %d: repository %s has another keyring than before", i+1, s.Repository)
		}
		keyrings[s.Repository] = s.Keyring
	}
	return host, nil
}

func (k *Kit) checkURL() (string, error) {
	u, err := url.Parse(k.URL)
	if err != nil {
		return "", fmt.Errorf("reading URL: %w", err)
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https":
		return "", fmt.Errorf("URL %q: the scheme must be https", k.URL)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "":
		return "", fmt.Errorf("URL %q: only host and port are allowed", k.URL)
	case strings.Trim(u.Port(), "0123456789") != "" || strings.HasSuffix(u.Host, ":"):
		return "", fmt.Errorf("URL %q: not a port number", k.URL)
	case k.Host != "" && k.Host != host:
		return "", fmt.Errorf("host %q is not the one of URL %q", k.Host, k.URL)
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() != nil && !strings.Contains(host, ":") {
		return host, nil
	}
	if err := pki.CheckName(host); err != nil {
		return "", fmt.Errorf("URL %q: %w", k.URL, err)
	}
	return host, nil
}

// checkCertificates finds here what apt would only report as a failed connection.
func (k *Kit) checkCertificates() error {
	if _, err := pki.ReadCertificates(k.ServerCA); err != nil {
		return fmt.Errorf("authority of the server: %w", err)
	}
	certs, err := pki.ReadCertificates(k.ClientCert)
	if err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	if !slices.Contains(certs[0].ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return errors.New("client certificate: it is not for clients (extended key usage clientAuth is missing)")
	}
	if len(k.ClientKey) == 0 {
		return nil
	}
	if _, err := pki.ReadKey(k.ClientKey); err != nil {
		return fmt.Errorf("client key: %w", err)
	}
	if _, err := tls.X509KeyPair(k.ClientCert, k.ClientKey); err != nil {
		return fmt.Errorf("client key: %w", err)
	}
	return nil
}

// flat reports whether the suites are directories beside dists: all of them end in a slash.
func (s *Source) flat() bool {
	return len(s.Suites) > 0 && !slices.ContainsFunc(s.Suites, func(n string) bool { return !strings.HasSuffix(n, "/") })
}

func (s *Source) minComponents() int {
	if s.flat() {
		return 0
	}
	return 1
}

// names gives the suites without what makes them flat.
func (s *Source) names() []string {
	if !s.flat() {
		return s.Suites
	}
	var names []string
	for _, n := range s.Suites {
		if n != "./" {
			names = append(names, strings.TrimSuffix(n, "/"))
		} else {
			names = append(names, "root")
		}
	}
	return names
}

func (s *Source) check() error {
	if len(s.Repository) > maxName || !word(s.Repository, "._+-") {
		return fmt.Errorf("repository %q: 1 to %d letters, digits and ._+- are allowed, beginning with a letter or digit", s.Repository, maxName)
	}
	if s.flat() && len(s.Components) > 0 {
		return fmt.Errorf("repository %s: flat suites have no components, %q are given", s.Repository, s.Components)
	}
	lists := []struct {
		name, punctuation string
		min               int
		words             []string
	}{
		{"suite", "._+~:/-", 1, s.names()},
		{"component", "._+~:/-", s.minComponents(), s.Components},
		{"architecture", "-", 0, s.Architectures},
	}
	for _, l := range lists {
		if len(l.words) < l.min || len(l.words) > maxWords {
			return fmt.Errorf("repository %s: %d %ss, allowed are %d to %d", s.Repository, len(l.words), l.name, l.min, maxWords)
		}
		for _, w := range l.words {
			if len(w) > maxWord || !word(w, l.punctuation) || strings.Contains(w, "..") || strings.Contains(w, "//") || strings.HasSuffix(w, "/") {
				return fmt.Errorf("repository %s: %s %q is not a possible name", s.Repository, l.name, w)
			}
		}
	}
	for _, t := range s.Types {
		if t != "deb" && t != "deb-src" {
			return fmt.Errorf("repository %s: type %q, allowed are deb and deb-src", s.Repository, t)
		}
	}
	if s.KeyringPackage != "" && (len(s.KeyringPackage) > maxWord || !word(s.KeyringPackage, ".+-")) {
		return fmt.Errorf("repository %s: %q is not the name of a package", s.Repository, s.KeyringPackage)
	}
	return checkKeyring(s.Repository, s.Keyring)
}

// checkKeyring refuses armour, which apt does not read from a file named .gpg.
func checkKeyring(repository string, keyring []byte) error {
	switch {
	case len(keyring) == 0 || len(keyring) > maxKeyring:
		return fmt.Errorf("repository %s: a keyring of %d bytes, allowed are 1 to %d", repository, len(keyring), maxKeyring)
	case keyring[0]&0x80 == 0:
		return fmt.Errorf("repository %s: the keyring is not binary OpenPGP", repository)
	}
	return nil
}

// word reports whether s begins with an ASCII letter or digit and goes on with those and
// the given punctuation.
func word(s, punctuation string) bool {
	for i, r := range s {
		if alphanumeric(r) || i > 0 && strings.ContainsRune(punctuation, r) {
			continue
		}
		return false
	}
	return s != ""
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
