package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issuer is a certificate authority that issues what a careful one would not.
type issuer struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

// change makes a certificate different from a good one.
type change func(*x509.Certificate)

const ended, ahead = -24 * time.Hour, 24 * time.Hour

// certified is what certificates count from: tests name days, and one may end.
var certified = time.Now()

func life(from, until time.Duration) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = certified.Add(from), certified.Add(until) }
}

func usage(list ...x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = list }
}

func names(list ...string) change { return func(c *x509.Certificate) { c.DNSNames = list } }

// isAuthority makes a certificate one that signs others.
func isAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.DNSNames, c.ExtKeyUsage = true, true, nil, nil
	c.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newAuthority makes an authority of its own.
func newAuthority(t testing.TB, name string, key crypto.Signer) issuer {
	t.Helper()
	return issuer{t: t, key: key}.issue(name, key, isAuthority)
}

// issue signs a certificate for a key; without changes, one that is good for
// the client "bad".
func (i issuer) issue(name string, key crypto.Signer, changes ...change) issuer {
	i.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		i.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{"bad"},
		NotBefore: certified.Add(-48 * time.Hour), NotAfter: certified.Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range changes {
		c(template)
	}
	parent := i.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return issuer{i.t, cert, key}
}

// list signs a revocation list.
func (i issuer) list(until time.Duration, revoked ...*x509.Certificate) []byte {
	i.t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: certified.Add(-240 * time.Hour), NextUpdate: certified.Add(until)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: certified.Add(ended)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.cert, i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func certificatesPEM(list ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// present makes the client show a certificate, with those behind it.
func (c *client) present(own issuer, chain ...issuer) {
	c.t.Helper()
	text := certificatesPEM(own.cert)
	for _, i := range chain {
		text = append(text, certificatesPEM(i.cert)...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own.key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.change("tls/client.pem", func(string) string { return string(text) })
	c.change("tls/client.key", func(string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	})
}

// verdict is what apt prints for a certificate; "" where it is good.
type verdict struct {
	name  string
	own   issuer
	chain []issuer
	want  string
}

// byOpenSSL is what apt 3 prints instead, where its TLS library sends nothing.
var byOpenSSL = map[string]string{
	"RSA 1024": "SslCert option): error:0A00018F:SSL routines::ee key too small",
	"SHA-1":    "SslCert option): error:0A00018E:SSL routines::ca md too weak",
}

// certificateVerdicts makes the host trust two authorities of a company, and
// gives what clients of theirs, and of others, are told.
func certificateVerdicts(h *host) []verdict {
	t := h.t
	t.Helper()
	company, stale, other := newAuthority(t, "Company", rsaKey(t, 2048)), newAuthority(t, "Stale", ecKey(t)), newAuthority(t, "Other", ecKey(t))
	issuing := company.issue("Issuing", ecKey(t), isAuthority)
	withdrawn := company.issue("Withdrawn", ecKey(t), isAuthority)
	narrow := company.issue("Narrow", ecKey(t), isAuthority, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"branch.example.org"}, true
	})
	revoked := company.issue("host", ecKey(t))
	h.trust(map[string][]byte{
		"company.crt": certificatesPEM(company.cert), "company.crl": company.list(ahead, revoked.cert, withdrawn.cert),
		"stale.crt": certificatesPEM(stale.cert), "stale.crl": stale.list(2 * ended),
	})
	make := func(changes ...change) issuer { return company.issue("host", ecKey(t), changes...) }
	day := certified.Add(ended).UTC().Format(time.DateOnly)
	tomorrow := certified.Add(ahead).UTC().Format(time.DateOnly)
	unusable := "403  client certificate cannot be used: "
	return []verdict{
		{"good", make(), nil, ""},
		{"Ed25519", company.issue("host", ed25519Key(t)), nil, ""},
		{"RSA 2048", company.issue("host", rsaKey(t, 2048)), nil, ""},
		{"through an intermediate", issuing.issue("host", ecKey(t)), []issuer{issuing}, ""},
		{"chain without intermediate", issuing.issue("host", ecKey(t)), nil, `403  client certificate is from "Issuing", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
		{"wrong authority", other.issue("host", ecKey(t)), nil, `403  client certificate is from "Other", not trusted here;`},
		{"expired", make(life(2*ended, ended)), nil, "403  client certificate expired on " + day + ", ask your administrator for a new one"},
		{"not yet valid", make(life(ahead, 2*ahead)), nil, "403  client certificate is not valid before " + tomorrow},
		{"for servers", make(usage(x509.ExtKeyUsageServerAuth)), nil, unusable + "it is not for clients (extended key usage clientAuth is missing)"},
		{"no extended key usage", make(usage()), nil, unusable + "it is not for clients (extended key usage clientAuth is missing)"},
		{"an authority", make(isAuthority, names("bad"), usage(x509.ExtKeyUsageClientAuth)), nil, unusable + "it belongs to a certificate authority"},
		{"revoked", revoked, nil, "403  client certificate was revoked on " + day + ", ask your administrator for a new one"},
		{"revoked intermediate", withdrawn.issue("host", ecKey(t)), []issuer{withdrawn}, `403  the certificate authority "Withdrawn" of the client certificate was revoked on ` + day},
		{"stale list", stale.issue("host", ecKey(t)), nil, `403  the mirror's revocation list of authority "Stale" ran out on `},
		{"outside the name constraint", narrow.issue("host", ecKey(t)), []issuer{narrow}, unusable + `its authority "Narrow" may not issue certificates for this name`},
		{"no name", make(names()), nil, unusable + "it has no DNS name and no identity URI as subject alternative name"},
		{"two names", make(names("bad", "worse")), nil, "403  client certificate has 2 DNS names, exactly one is needed to say who this machine is"},
		{"RSA 1024", company.issue("host", rsaKey(t, 1024)), nil, unusable + "RSA key of 1024 bits, allowed are 2048 to 8192"},
		{"SHA-1", make(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }), nil, unusable + "it is signed with SHA-1 or MD5, ask your administrator for a new one"},
	}
}

// trust writes certificates and lists beside the site's own and names them in
// the configuration.
func (h *host) trust(files map[string][]byte) {
	h.t.Helper()
	more := map[string]string{}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.dir, "site", "tls", name), text, 0o644); err != nil {
			h.t.Fatal(err)
		}
		more[filepath.Ext(name)] += `, "tls/` + name + `"`
	}
	h.edit(func(text string) string {
		text = replaceOnce(h.t, text, `client_ca = ["tls/clients-ca.crt"`, `client_ca = ["tls/clients-ca.crt"`+more[".crt"])
		return replaceOnce(h.t, text, `crl = ["tls/clients.crl"`, `crl = ["tls/clients.crl"`+more[".crl"])
	})
}

// checkVerdicts compares what an apt says for each certificate.
func (c *client) checkVerdicts(t *testing.T, apt func(args ...string) (string, bool), all []verdict) {
	for _, v := range all {
		t.Run(v.name, func(t *testing.T) {
			c.present(v.own, v.chain...)
			out, ok := apt("apt-get", "update", "--error-on=any")
			if ok != (v.want == "") || !strings.Contains(out, v.want) {
				t.Errorf("apt-get update: %v, want %q in\n%s", ok, v.want, out)
			}
		})
	}
}

// What the person at the client reads, for everything that can be wrong with a
// certificate.
func TestAptSaysWhatIsWrongWithACertificate(t *testing.T) {
	a, _, _ := sample(t)
	h := newHost(t, a)
	c := h.client("bad")
	verdicts := certificateVerdicts(h)
	h.must("sync")
	h.serve()
	c.checkVerdicts(t, c.apt, verdicts)
}
