package pki

import (
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What an authority has issued and signed holds under its renewed certificate, and what it
// issues afterwards under the old one, as long as that is good.
func TestARenewedAuthorityIsTheSame(t *testing.T) {
	begin := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	old, err := NewAuthority("Server CA", begin)
	if err != nil {
		t.Fatal(err)
	}
	before, err := old.IssueServer(Leaf{Names: []string{"mirror.example.org"}}, begin)
	if err != nil {
		t.Fatal(err)
	}
	list, err := old.CRL([]Revoked{{Serial: big.NewInt(7), Time: begin}}, big.NewInt(1), begin, begin.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	now := begin.AddDate(9, 10, 0)
	renewed, err := old.Renew(now)
	if err != nil {
		t.Fatal(err)
	}
	if end := renewed.Certificate().NotAfter; !end.Equal(now.AddDate(authorityYears, 0, 0)) {
		t.Errorf("it ends on %s", end)
	}
	if renewed.Certificate().SerialNumber.Cmp(old.Certificate().SerialNumber) == 0 {
		t.Error("both have one serial number")
	}
	after, err := renewed.IssueServer(Leaf{Names: []string{"mirror.example.org"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Cert.CheckSignatureFrom(renewed.Certificate()); err != nil {
		t.Errorf("what was issued before: %v", err)
	}
	for _, root := range []*Authority{renewed, old} {
		roots := x509.NewCertPool()
		roots.AddCert(root.Certificate())
		if _, err := after.Cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: "mirror.example.org"}); err != nil {
			t.Errorf("what was issued afterwards: %v", err)
		}
	}
	lists, err := ReadCRL(list, []*x509.Certificate{renewed.Certificate()})
	if err != nil || !lists[0].Covers(old.Certificate()) {
		t.Errorf("the list: %v", err)
	}
	if string(renewed.Certificate().SubjectKeyId) != string(before.Cert.AuthorityKeyId) {
		t.Error("the key identifier is another: OpenSSL would not find the issuer")
	}
}

func TestRenewServer(t *testing.T) {
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	ca, err := NewAuthority("Server CA", now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("Server CA", now)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ca.IssueServer(Leaf{Names: []string{"a.example.org", "b.example.org"}, IPs: []net.IP{net.IPv4(192, 0, 2, 1)}, Days: 100}, now)
	if err != nil {
		t.Fatal(err)
	}
	later := now.AddDate(0, 0, 90)
	same, err := ca.RenewServer(old.Cert, Leaf{}, later)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(same.Cert.DNSNames, old.Cert.DNSNames) || len(same.Cert.IPAddresses) != 1 || !same.Cert.NotAfter.Equal(later.AddDate(0, 0, 100)) ||
		!samePublicKey(same.Cert.PublicKey, old.Cert.PublicKey) {
		t.Errorf("got %v %v until %s", same.Cert.DNSNames, same.Cert.IPAddresses, same.Cert.NotAfter)
	}
	changed, err := ca.RenewServer(old.Cert, Leaf{Names: []string{"C.example.org"}, Days: 10}, later)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(changed.Cert.DNSNames, []string{"c.example.org"}) || len(changed.Cert.IPAddresses) != 0 || !changed.Cert.NotAfter.Equal(later.AddDate(0, 0, 10)) {
		t.Errorf("got %v until %s", changed.Cert.DNSNames, changed.Cert.NotAfter)
	}
	for name, test := range map[string]struct {
		by *Authority
		l  Leaf
		at time.Time
	}{
		"another authority of this name": {other, Leaf{}, later},
		"a bad name":                     {ca, Leaf{Names: []string{"a b"}}, later},
		"an authority that has ended":    {ca, Leaf{}, now.AddDate(11, 0, 0)},
	} {
		if _, err := test.by.RenewServer(old.Cert, test.l, test.at); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReplaceInLeavesTheOthers(t *testing.T) {
	now := time.Now()
	one, err := NewAuthority("One", now)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewAuthority("One", now) // of the same name
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, append(two.CertPEM(), one.CertPEM()...), 0o644); err != nil {
		t.Fatal(err)
	}
	renewed, err := one.Renew(now.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := renewed.ReplaceIn(file); err != nil {
		t.Fatal(err)
	}
	certs, err := LoadCertificates(file)
	if err != nil || len(certs) != 2 || !certs[0].Equal(two.Certificate()) || !certs[1].Equal(renewed.Certificate()) {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
	if err := os.WriteFile(file, two.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := renewed.ReplaceIn(file); err == nil {
		t.Error("a stranger was replaced")
	}
}
