package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

func newAuthority(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority("Example clients", now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func uri(t testing.TB, s string) []*url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return []*url.URL{u}
}

func verify(t testing.TB, a *Authority, c *x509.Certificate, usage x509.ExtKeyUsage, host string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: host})
	if err != nil {
		t.Error(err)
	}
}

func TestNewAuthority(t *testing.T) {
	c := newAuthority(t).Certificate()
	if !c.IsCA || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !SelfSigned(c) {
		t.Errorf("not an issuing root: %+v", c)
	}
	if want := now.AddDate(10, 0, 0); !c.NotAfter.Equal(want) {
		t.Errorf("ends %s, want %s", c.NotAfter, want)
	}
	for _, name := range []string{"", "two\nlines", "Zo\u00eb", strings.Repeat("a", 65)} {
		if _, err := NewAuthority(name, now); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
}

func TestIssueServer(t *testing.T) {
	a := newAuthority(t)
	for _, algorithm := range []Algorithm{P256, Ed25519} {
		i, err := a.IssueServer(Leaf{Names: []string{"Mirror.example.org", "*.apt.example.org"}, IPs: []net.IP{net.IPv4(192, 0, 2, 1)}, Algorithm: algorithm}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"mirror.example.org", "a.apt.example.org", "192.0.2.1"} {
			verify(t, a, i.Cert, x509.ExtKeyUsageServerAuth, host)
		}
		if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, i.Cert.ExtKeyUsage); diff != "" {
			t.Error(diff)
		}
	}
}

func TestIssueClient(t *testing.T) {
	a := newAuthority(t)
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60)
	tests := []struct {
		leaf   Leaf
		dns    []string
		uris   int
		common string
	}{
		{Leaf{Names: []string{"Host.example.org"}}, []string{"host.example.org"}, 0, "host.example.org"},
		{Leaf{Names: []string{"build7"}, Algorithm: Ed25519}, []string{"build7"}, 0, "build7"},
		{Leaf{Names: []string{long}}, []string{long}, 0, ""},
		{Leaf{URIs: uri(t, "spiffe://example.org/host/7")}, nil, 1, "spiffe://example.org/host/7"},
	}
	for _, tt := range tests {
		i, err := a.IssueClient(tt.leaf, now)
		if err != nil {
			t.Fatal(err)
		}
		c := i.Cert
		verify(t, a, c, x509.ExtKeyUsageClientAuth, "")
		if c.IsCA || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || c.KeyUsage != x509.KeyUsageDigitalSignature {
			t.Errorf("%v: wrong usages: %v %v", tt.leaf.Names, c.ExtKeyUsage, c.KeyUsage)
		}
		if diff := cmp.Diff(tt.dns, c.DNSNames); diff != "" || len(c.URIs) != tt.uris || c.Subject.CommonName != tt.common {
			t.Errorf("got DNS %v, %d URIs, CN %q", c.DNSNames, len(c.URIs), c.Subject.CommonName)
		}
		if want := now.AddDate(0, 0, DefaultDays); !c.NotAfter.Equal(want) {
			t.Errorf("ends %s, want %s", c.NotAfter, want)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	a := newAuthority(t)
	ip := []net.IP{net.IPv4(192, 0, 2, 1)}
	tests := []struct {
		server bool
		leaf   Leaf
		want   string
	}{
		{false, Leaf{}, "exactly one DNS name or one URI"},
		{false, Leaf{Names: []string{"a", "b"}}, "exactly one DNS name or one URI"},
		{false, Leaf{Names: []string{"a"}, URIs: uri(t, "urn:a:b")}, "exactly one DNS name or one URI"},
		{false, Leaf{Names: []string{"a"}, IPs: ip}, "exactly one DNS name or one URI"},
		{false, Leaf{Names: []string{"*.example.org"}}, "character '*' is not allowed"},
		{false, Leaf{Names: []string{""}}, "empty host name"},
		{false, Leaf{Names: []string{"a..b"}}, "empty part"},
		{false, Leaf{Names: []string{"../etc"}}, "empty part"},
		{false, Leaf{Names: []string{"a/b"}}, "character '/'"},
		{false, Leaf{Names: []string{"-a"}}, "hyphen"},
		{false, Leaf{Names: []string{"192.0.2.1"}}, "is an address"},
		{false, Leaf{Names: []string{strings.Repeat("a", 64)}}, "at most 63"},
		{false, Leaf{Names: []string{strings.Repeat("a.", 127)}}, "at most 253"},
		{false, Leaf{URIs: uri(t, "https://example.org/")}, "scheme must be spiffe or urn"},
		{false, Leaf{URIs: uri(t, "spiffe://u@example.org/a")}, "not allowed"},
		{false, Leaf{URIs: uri(t, "spiffe:///a")}, "nothing after the scheme"},
		{false, Leaf{Names: []string{"a"}, Days: -1}, "a life of -1 days"},
		{false, Leaf{Names: []string{"a"}, Days: 4000}, "a life of 4000 days"},
		{false, Leaf{Names: []string{"a"}, Algorithm: 7}, "unknown key algorithm"},
		{true, Leaf{}, "needs a host name or an address"},
		{true, Leaf{Names: []string{"a.*.example.org"}}, "character '*'"},
		{true, Leaf{Names: []string{"a"}, URIs: uri(t, "urn:a:b")}, "no URIs"},
		{true, Leaf{IPs: []net.IP{{1, 2}}}, "not an IP address"},
		{true, Leaf{Names: make([]string, 101)}, "at most 100"},
	}
	for _, tt := range tests {
		issue := a.IssueClient
		if tt.server {
			issue = a.IssueServer
		}
		if _, err := issue(tt.leaf, now); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.leaf, err, tt.want)
		}
	}
}

func TestLeafEndsWithItsAuthority(t *testing.T) {
	a := newAuthority(t)
	late := now.AddDate(10, 0, -5)
	i, err := a.IssueClient(Leaf{Names: []string{"a"}}, late)
	if err != nil || !i.Cert.NotAfter.Equal(a.cert.NotAfter) {
		t.Errorf("got %v, %v, want the end of the authority", i.Cert.NotAfter, err)
	}
	if _, err := a.IssueClient(Leaf{Names: []string{"a"}}, now.AddDate(10, 0, 0)); err == nil {
		t.Error("an expired authority issued")
	}
	if _, err := a.IssueClient(Leaf{Names: []string{"a"}}, now.AddDate(-1, 0, 0)); err == nil {
		t.Error("an authority issued before its time")
	}
}

func request(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{"everyone.example.org"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func TestSignRequestTakesOnlyTheKey(t *testing.T) {
	a := newAuthority(t)
	key, _ := newKey(P256)
	csr := request(t, key)
	i, err := a.SignRequest(csr, Leaf{Names: []string{"host.example.org"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, a, i.Cert, x509.ExtKeyUsageClientAuth, "")
	if diff := cmp.Diff([]string{"host.example.org"}, i.Cert.DNSNames); diff != "" || i.Cert.Subject.CommonName != "host.example.org" {
		t.Errorf("names come from the request: %s", diff)
	}
	if !samePublicKey(i.Cert.PublicKey, key.Public()) {
		t.Error("not the key of the request")
	}
	if _, err := i.KeyPEM(); err == nil {
		t.Error("there is a key to encode")
	}
}

func TestSignRequestRefuses(t *testing.T) {
	a := newAuthority(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := newKey(P256)
	good := request(t, key)
	block, _ := pem.Decode(good)
	forged := append([]byte{}, block.Bytes...)
	forged[len(forged)-1] ^= 1
	tests := []struct {
		name, want string
		csr        []byte
	}{
		{"weak key", "RSA key of 1024 bits", request(t, weak)},
		{"forged", "", forged},
		{"certificate", "it holds a certificate", a.CertPEM()},
		{"nothing", "", nil},
		{"huge", "at most 65536", make([]byte, 65537)},
	}
	for _, tt := range tests {
		if _, err := a.SignRequest(tt.csr, Leaf{Names: []string{"a"}}, now); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// openssl agrees that what is issued is good, for its purpose only.
func TestIssuedByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	a, dir := newAuthority(t), t.TempDir()
	ca, leaf, crl := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "leaf.crt"), filepath.Join(dir, "ca.crl")
	if err := a.Save(ca, filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	client, err := a.IssueClient(Leaf{Names: []string{"host.example.org"}, Algorithm: Ed25519}, now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.IssueServer(Leaf{Names: []string{"mirror.example.org"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := a.IssueClient(Leaf{Names: []string{"gone.example.org"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.CRL([]Revoked{{Serial: revoked.Cert.SerialNumber, Time: now, Reason: 1}}, revoked.Cert.SerialNumber, now, now.AddDate(0, 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := WritePublic(crl, list); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		issued  *Issued
		purpose string
		good    bool
	}{
		{client, "sslclient", true}, {client, "sslserver", false},
		{server, "sslserver", true}, {server, "sslclient", false},
		{revoked, "sslclient", false},
	}
	for _, tt := range tests {
		if err := WritePublic(leaf, tt.issued.CertPEM()); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-attime", "1773576000", "-purpose", tt.purpose,
			"-CAfile", ca, "-CRLfile", crl, "-crl_check_all", leaf).CombinedOutput()
		if (err == nil) != tt.good {
			t.Errorf("%v for %s: %s", tt.issued.Cert.DNSNames, tt.purpose, out)
		}
	}
	key, err := client.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(leaf, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(openssl, "pkey", "-in", leaf, "-check", "-noout").CombinedOutput(); err != nil {
		t.Errorf("openssl cannot read the key: %s", out)
	}
}

func TestKindsOfKeys(t *testing.T) {
	for name, want := range map[string]string{"p256": "P-256", "ed25519": "Ed25519"} {
		algorithm, err := ParseAlgorithm(name)
		if err != nil {
			t.Fatal(err)
		}
		key, err := newKey(algorithm)
		if err != nil || KeyName(key.Public()) != want {
			t.Errorf("%s: %v, %s", name, err, KeyName(key.Public()))
		}
	}
	if _, err := ParseAlgorithm("rsa"); err == nil {
		t.Error("made an RSA key")
	}
	if got := KeyName(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}); got != "RSA 2048" {
		t.Errorf("got %s", got)
	}
}
