package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"aptmirror/proxy/pki"
)

// now is the moment of all tests here.
var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

const dayLong = 24 * time.Hour

// issuer is a certificate of the test with its key.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type change func(c *x509.Certificate)

func newKey(t testing.TB) crypto.Signer {
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

func newRoot(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	key := newKey(t)
	return issuer{key: key}.sign(t, name, key, append([]change{authority}, changes...))
}

// authority turns a leaf template into one of a CA.
func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	c.ExtKeyUsage, c.DNSNames = nil, nil
	c.NotBefore, c.NotAfter = now.AddDate(-5, 0, 0), now.AddDate(5, 0, 0)
}

func (i issuer) sub(t testing.TB, name string, changes ...change) issuer {
	t.Helper()
	return i.sign(t, name, newKey(t), append([]change{authority}, changes...))
}

// leaf makes the certificate of a client that is good unless a change spoils it.
func (i issuer) leaf(t testing.TB, changes ...change) *x509.Certificate {
	t.Helper()
	return i.sign(t, "host", newKey(t), changes).cert
}

func (i issuer) leafWithKey(t testing.TB, key crypto.Signer, changes ...change) *x509.Certificate {
	t.Helper()
	return i.sign(t, "host", key, changes).cert
}

func (i issuer) sign(t testing.TB, name string, key crypto.Signer, changes []change) issuer {
	t.Helper()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-dayLong),
		NotAfter:              now.Add(30 * dayLong),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"host.example.org"},
	}
	for _, change := range changes {
		change(template)
	}
	parent := i.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), i.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{cert, key}
}

// list makes the CRL of an authority, fresh for a week around now unless moved by shift.
func (i issuer) list(t testing.TB, shift time.Duration, revoked ...*x509.Certificate) *pki.CRL {
	t.Helper()
	template := &x509.RevocationList{
		Number:     big.NewInt(now.Add(shift).Unix()),
		ThisUpdate: now.Add(shift - 3*dayLong),
		NextUpdate: now.Add(shift + 4*dayLong),
	}
	for _, c := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now.Add(shift - 4*dayLong)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.cert, i.key)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := pki.ReadCRL(der, []*x509.Certificate{i.cert})
	if err != nil {
		t.Fatal(err)
	}
	return lists[0]
}

func newTrust(t testing.TB, c Config) *Trust {
	t.Helper()
	trust, err := NewTrust(c)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func names(dns ...string) change { return func(c *x509.Certificate) { c.DNSNames = dns } }

func uris(t testing.TB, list ...string) change {
	t.Helper()
	var parsed []*url.URL
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, u)
	}
	return func(c *x509.Certificate) { c.URIs = parsed }
}

func usages(list ...x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = list }
}

func life(from, until time.Duration) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(from), now.Add(until) }
}

func certs(list ...*x509.Certificate) []*x509.Certificate { return list }
