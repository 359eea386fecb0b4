package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

// company is a CA of the site's own: it issues certificates and lists as files.
type company struct {
	t     *testing.T
	dir   string
	ca    *pki.Authority
	key   *ecdsa.PrivateKey // signs what package pki would not issue
	cert  *x509.Certificate
	lists int // written so far
}

func newCompany(t *testing.T, name string) *company {
	t.Helper()
	c := &company{t: t, dir: t.TempDir()}
	var err error
	if c.ca, err = pki.NewAuthority(name, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := c.ca.Save(c.file("ca.crt"), c.file("ca.key")); err != nil {
		t.Fatal(err)
	}
	signer, err := pki.LoadKey(c.file("ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.key, c.cert = signer.(*ecdsa.PrivateKey), c.ca.Certificate()
	return c
}

func (c *company) file(name string) string { return filepath.Join(c.dir, name) }

// list writes another revocation list, which ends after the given time.
func (c *company) list(life time.Duration, revoked ...*x509.Certificate) string {
	c.t.Helper()
	c.lists++
	file := c.file(fmt.Sprintf("%d.crl", c.lists))
	var entries []pki.Revoked
	for _, r := range revoked {
		entries = append(entries, pki.Revoked{Serial: r.SerialNumber, Time: time.Now()})
	}
	text, err := c.ca.CRL(entries, big.NewInt(1), time.Now().Add(-48*time.Hour), time.Now().Add(life))
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

// leaf has a DNS name, or only a common name.
func (c *company) leaf(dns []string) *x509.Certificate {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: "host"}, DNSNames: dns, SerialNumber: big.NewInt(int64(7 + len(dns))),
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.cert, key.Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return leaf
}

// Every key of [serve] about client certificates reaches the decision.
func TestTrustHonoursTheConfiguration(t *testing.T) {
	one, two := newCompany(t, "One"), newCompany(t, "Two")
	both := []string{one.file("ca.crt"), two.file("ca.crt")}
	dns := []string{"host"}
	named, other := one.leaf(dns), two.leaf(dns)
	fresh, stale := time.Hour, -time.Hour
	tests := map[string]struct {
		serve config.Serve
		leaf  *x509.Certificate
		want  identity.Reason // "": accepted
	}{
		"two CAs, two lists":        {config.Serve{CRL: []string{one.list(fresh), two.list(fresh)}}, other, ""},
		"revoked by the second":     {config.Serve{CRL: []string{one.list(fresh), two.list(fresh, other)}}, other, identity.Revoked},
		"no list":                   {config.Serve{CRL: []string{one.list(fresh)}}, other, ""},
		"no list, but required":     {config.Serve{CRL: []string{one.list(fresh)}, CRLRequired: true}, other, identity.StaleCRL},
		"list ended, grace":         {config.Serve{CRL: []string{one.list(stale)}, CRLGrace: 2 * time.Hour}, named, ""},
		"list ended, grace too":     {config.Serve{CRL: []string{one.list(stale)}, CRLGrace: time.Minute}, named, identity.StaleCRL},
		"list ended, no grace":      {config.Serve{CRL: []string{one.list(stale)}}, named, identity.StaleCRL},
		"common name":               {config.Serve{}, one.leaf(nil), identity.Unusable},
		"common name, allowed":      {config.Serve{CNAllowed: true}, one.leaf(nil), ""},
		"CA that was taken out":     {config.Serve{ClientCA: both[:1]}, other, identity.UnknownIssuer},
		"of the one that was kept":  {config.Serve{ClientCA: both[:1]}, named, ""},
		"grace does not help those": {config.Serve{CRL: []string{one.list(stale, named)}, CRLGrace: 2 * time.Hour}, named, identity.Revoked},
	}
	for name, test := range tests {
		if test.serve.ClientCA == nil {
			test.serve.ClientCA = both
		}
		trust, err := Trust(test.serve)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = trust.Identify([]*x509.Certificate{test.leaf}, time.Now())
		refused := (*identity.RefusedError)(nil)
		if errors.As(err, &refused) != (test.want != "") || refused != nil && refused.Reason != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestGrantsNameTheirPlace(t *testing.T) {
	c := create(t, plan(t))
	grants, err := Grants(c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Count(string(text[:strings.Index(string(text), "\n[[grant]]\n")+1]), "\n") + 1
	if got, want := grants.For(identity.Identity{Name: "dns:a.b"}).Rules()[0].Where, fmt.Sprintf("%s:%d", c.Path, line); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every right of a grant reaches the decision.
func TestGrantsHonourTheConfiguration(t *testing.T) {
	c := create(t, plan(t))
	c.Grants = []config.Grant{{
		Identity: "dns:a", Read: []string{"debian"}, Upload: []string{"internal"}, Status: true, Admin: true, Rate: 1000, Connections: 3,
	}}
	grants, err := Grants(c)
	if err != nil {
		t.Fatal(err)
	}
	g := grants.For(identity.Identity{Name: "dns:a"})
	if !g.MayRead("debian", "stable") || !g.MayUpload("internal") || !g.MayStatus() || !g.MayAdmin() || g.Rate() != 1000 || g.Connections() != 3 {
		t.Errorf("got %s, rate %d, connections %d", g, g.Rate(), g.Connections())
	}
}
