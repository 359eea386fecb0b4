package site

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
)

const (
	// Soon is how long before its end something is worth a warning: time enough for a
	// person to renew it.
	Soon = 30 * 24 * time.Hour
	// AuthoritySoon is Soon for authorities of the site's own: what they issue ends with
	// them, and machines may need new kits.
	AuthoritySoon = 365 * 24 * time.Hour
	// renewAhead is how long before its end the server's certificate is renewed, so that
	// nobody is warned of it.
	renewAhead = 2 * Soon
)

// Ahead is how long before its end something is worth a warning: usual, and of what
// lives shortly the last quarter of its life.
func Ahead(usual time.Duration, from, end time.Time) time.Duration {
	return min(usual, end.Sub(from)/4)
}

// EndsSoon reports whether the end of what began at from is worth a warning.
func EndsSoon(from, end, now time.Time) bool { return end.Sub(now) < Ahead(Soon, from, end) }

// ErrNoServerCA says that the server's certificate comes from elsewhere.
var ErrNoServerCA = errors.New("no CA of this site has issued it: have it renewed where it comes from, and put it into the same file")

// serverCAKey is where the key of the CA in serve.server_ca is if the CA is the site's
// own; "" where none is named.
func serverCAKey(c *config.Config) string {
	if c.Serve.ServerCA == "" {
		return ""
	}
	return strings.TrimSuffix(c.Serve.ServerCA, ".crt") + ".key"
}

// ServerAuthority opens the CA that has issued the server's certificate, or gives ErrNoServerCA.
func ServerAuthority(c *config.Config) (*pki.Authority, error) {
	key := serverCAKey(c)
	if _, err := os.Stat(key); key == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoServerCA
	}
	a, err := pki.LoadAuthority(c.Serve.ServerCA, key)
	if err != nil {
		return nil, fmt.Errorf("opening the server CA: %w", err)
	}
	return a, nil
}

// ServerCertificate reads the server's certificate, without its chain.
func ServerCertificate(c *config.Config) (*x509.Certificate, error) {
	certs, err := pki.LoadCertificates(c.Serve.Cert)
	if err != nil {
		return nil, fmt.Errorf("reading serve.cert: %w", err)
	}
	return certs[0], nil
}

// RenewServer issues the server's certificate anew, for the same key, in one step. hosts
// are its names and addresses and days its life; left out, they are those of the old one.
func RenewServer(c *config.Config, hosts []string, days int, now time.Time) (*x509.Certificate, error) {
	a, err := ServerAuthority(c)
	if err != nil {
		return nil, err
	}
	old, err := ServerCertificate(c)
	if err != nil {
		return nil, err
	}
	return renewServer(c, a, old, leafFor(hosts, days), now)
}

// renewServer replaces the file whole; one that has the key, too, was refused when it was read.
func renewServer(c *config.Config, a *pki.Authority, old *x509.Certificate, l pki.Leaf, now time.Time) (*x509.Certificate, error) {
	if !a.Issued(old) {
		return nil, ErrNoServerCA
	}
	issued, err := a.RenewServer(old, l, now)
	if err != nil {
		return nil, err
	}
	return issued.Cert, pki.WritePublic(c.Serve.Cert, issued.CertPEM())
}

// RenewInTime is RenewServer for a certificate that ends before long, or that begins
// only later since the clock was wrong when it was issued. It gives nil where nothing is
// to be done: because there is time, the certificate comes from elsewhere, or its CA ends with it.
func RenewInTime(c *config.Config, now time.Time) (*x509.Certificate, error) {
	a, err := ServerAuthority(c)
	if errors.Is(err, ErrNoServerCA) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	old, err := ServerCertificate(c)
	if err != nil || !a.Issued(old) {
		return nil, err
	}
	ahead := min(renewAhead, old.NotAfter.Sub(old.NotBefore)/3)
	gains := a.Certificate().NotAfter.After(old.NotAfter)
	if gains && old.NotAfter.Sub(now) < ahead || now.Before(old.NotBefore) {
		return renewServer(c, a, old, pki.Leaf{}, now)
	}
	return nil, nil
}

// RenewServerCA and RenewClientCA give an authority of the site's own another ten years,
// under the same name and with the same key: what it has issued stays good. Machines
// need the former before the old one ends.
func RenewServerCA(c *config.Config, now time.Time) (*x509.Certificate, error) {
	a, err := ServerAuthority(c)
	if err != nil {
		return nil, err
	}
	return renewAuthority(a, now, c.Serve.ServerCA)
}

func RenewClientCA(c *config.Config, now time.Time) (*x509.Certificate, error) {
	clients, err := Clients(c)
	if err != nil {
		return nil, err
	}
	files := []string{c.Clients.CACert}
	for _, f := range c.Serve.ClientCA {
		if !sameFile(f, c.Clients.CACert) && holds(f, clients.Authority) {
			files = append(files, f)
		}
	}
	return renewAuthority(clients.Authority, now, files...)
}

func renewAuthority(a *pki.Authority, now time.Time, files ...string) (*x509.Certificate, error) {
	renewed, err := a.Renew(now)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := renewed.ReplaceIn(f); err != nil {
			return nil, err
		}
	}
	return renewed.Certificate(), nil
}

// holds reports whether an authority's certificate is in a file, which may be missing.
func holds(file string, a *pki.Authority) bool {
	certs, err := pki.LoadCertificates(file)
	return err == nil && slices.ContainsFunc(certs, a.Certificate().Equal)
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// leafFor sorts names from addresses.
func leafFor(hosts []string, days int) pki.Leaf {
	leaf := pki.Leaf{Days: days}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			leaf.IPs = append(leaf.IPs, ip)
		} else {
			leaf.Names = append(leaf.Names, h)
		}
	}
	return leaf
}
