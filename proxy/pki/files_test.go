package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAuthoritySurvivesItsFiles(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	if err := a.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	checkMode(t, cert, 0o644)
	checkMode(t, key, 0o600)
	loaded, err := LoadAuthority(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	i, err := loaded.IssueClient(Leaf{Names: []string{"host"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, a, i.Cert, x509.ExtKeyUsageClientAuth, "")
	if n := bytes.Count(i.CertPEM(), []byte("BEGIN CERTIFICATE")); n != 1 {
		t.Errorf("%d certificates to send, the root is not one of them", n)
	}
}

func checkMode(t *testing.T, file string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %04o, want %04o", filepath.Base(file), got, want)
	}
}

func TestExistingKeyIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	if err := newAuthority(t).Save(cert, key); err != nil {
		t.Fatal(err)
	}
	before := read(t, cert) + read(t, key)
	if err := newAuthority(t).Save(cert, key); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if after := read(t, cert) + read(t, key); after != before {
		t.Error("the files changed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLoadAuthorityRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	a, b := newAuthority(t), newAuthority(t)
	client, err := a.IssueClient(Leaf{Names: []string{"host"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{a.Save(at("a.crt"), at("a.key")), b.Save(at("b.crt"), at("b.key")), client.Save(at("c.crt"), at("c.key")),
		os.WriteFile(at("open.key"), []byte(read(t, at("a.key"))), 0o600), os.Chmod(at("open.key"), 0o644),
		os.WriteFile(at("empty"), nil, 0o600),
		os.WriteFile(at("locked.key"), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ cert, key, want string }{
		{"a.crt", "b.key", "does not belong to the certificate"},
		{"c.crt", "c.key", "is not a certificate authority"},
		{"a.crt", "open.key", "everyone can read or write this private key (mode 0644)"},
		{"a.crt", "empty", "no private key in it"},
		{"a.crt", "a.crt", "everyone can read"},
		{"a.crt", "locked.key", "is encrypted"},
		{"empty", "a.key", `no PEM block "CERTIFICATE"`},
		{"a.key", "a.key", `PEM block 1 is a "PRIVATE KEY"`},
		{"none", "a.key", "no such file"},
	}
	for _, tt := range tests {
		if _, err := LoadAuthority(at(tt.cert), at(tt.key)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: got %v, want %q", tt.cert, tt.key, err, tt.want)
		}
	}
}

// An authority below a company's root makes its clients send the intermediate.
func TestIntermediateAuthority(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	root := newAuthority(t)
	root.cert.MaxPathLenZero, root.cert.MaxPathLen = false, -1
	key, _ := newKey(P256)
	cert, err := sign(&x509.Certificate{Subject: root.cert.Subject, NotBefore: now, NotAfter: now.AddDate(1, 0, 0), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1, 2}}, root.cert, key.Public(), root.key)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := encodeKey(key)
	if err := errors.Join(WriteKey(at("sub.key"), text), WritePublic(at("sub.crt"), encodeCertificates(cert, root.cert)), WritePublic(at("wrong.crt"), encodeCertificates(cert, cert))); err != nil {
		t.Fatal(err)
	}
	sub, err := LoadAuthority(at("sub.crt"), at("sub.key"))
	if err != nil {
		t.Fatal(err)
	}
	i, err := sub.IssueClient(Leaf{Names: []string{"host"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := ReadCertificates(i.CertPEM())
	if err != nil || len(chain) != 2 || !chain[1].Equal(cert) {
		t.Errorf("got %d certificates, %v, want leaf and intermediate", len(chain), err)
	}
	if _, err := LoadAuthority(at("wrong.crt"), at("sub.key")); err == nil || !strings.Contains(err.Error(), "certificate 1 is not signed by the one after it") {
		t.Errorf("wrong order: got %v", err)
	}
}

func TestReadCertificatesRefusesHalfAFile(t *testing.T) {
	text := append(newAuthority(t).CertPEM(), newAuthority(t).CertPEM()...)
	if all, err := ReadCertificates(append([]byte("subject=/CN=x\n"), text...)); err != nil || len(all) != 2 {
		t.Fatalf("got %d certificates, %v", len(all), err)
	}
	for cut := range len(text) - 1 {
		// Right after the first block is the one place where a cut cannot be seen.
		if all, err := ReadCertificates(text[:cut]); err == nil && len(all) != 1 {
			t.Errorf("cut at %d of %d: %d certificates, no error", cut, len(text), len(all))
		}
	}
	middle := bytes.Replace(text, []byte("\nMII"), []byte("\n!!!"), 1)
	if _, err := ReadCertificates(middle); err == nil {
		t.Error("a damaged block was passed over")
	}
}

func FuzzReadCertificates(f *testing.F) {
	f.Add(newAuthority(f).CertPEM())
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := ReadCertificates(text)
		if (err == nil) != (len(certs) > 0) {
			t.Errorf("%d certificates, %v", len(certs), err)
		}
	})
}

func FuzzReadKey(f *testing.F) {
	for _, a := range []Algorithm{P256, Ed25519} {
		key, err := newKey(a)
		if err != nil {
			f.Fatal(err)
		}
		text, _ := encodeKey(key)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := ReadKey(text); err == nil && CheckKey(key.Public()) != nil {
			t.Error("a key that is not allowed was read")
		}
	})
}
