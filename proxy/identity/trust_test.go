package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"aptmirror/proxy/pki"
)

// verdict is one case: what a client presents, what it meets, and the answer.
type verdict struct {
	name    string
	config  Config
	present []*x509.Certificate
	want    string // identity, or reason: text
}

func verdicts(t testing.TB) []verdict {
	root := newRoot(t, "Root")
	other := newRoot(t, "Other CA")
	twin := newRoot(t, "Root") // the same name with another key
	sub := root.sub(t, "Issuing")
	narrow := root.sub(t, "Narrow", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"branch.example.org"} })
	shortLived := root.sub(t, "Short", life(-20*dayLong, -10*dayLong))
	rsaRoot := issuer{key: rsaKey(t, 2048)}
	rsaRoot = rsaRoot.sign(t, "RSA root", rsaRoot.key, []change{authority})
	serverOnly := root.sub(t, "For servers", usages(x509.ExtKeyUsageServerAuth))
	newer := issuer{key: root.key}.sign(t, "Root", root.key, []change{authority, life(-dayLong, 99*dayLong)})
	ended := newRoot(t, "Ended", life(-99*dayLong, -dayLong))
	good, revokedLeaf := root.leaf(t), root.leaf(t)
	subLeaf := sub.leaf(t)
	trust := func(list ...*x509.Certificate) Config { return Config{Authorities: list} }
	withCRL := func(lists ...*pki.CRL) Config {
		return Config{Authorities: certs(root.cert, sub.cert), CRLs: lists}
	}
	again := func(i, by issuer) *x509.Certificate { return by.sign(t, "Issuing", i.key, []change{authority}).cert }
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	return []verdict{
		{"good", trust(root.cert), certs(good), "dns:host.example.org"},
		{"good through an intermediate", trust(root.cert), certs(subLeaf, sub.cert), "dns:host.example.org"},
		{"intermediate known to the mirror", trust(root.cert, sub.cert), certs(subLeaf), "dns:host.example.org"},
		{"issuing authority as trust anchor", trust(sub.cert), certs(subLeaf), "dns:host.example.org"},
		{"root sent along", trust(root.cert), certs(subLeaf, sub.cert, root.cert), "dns:host.example.org"},
		{"Ed25519", trust(root.cert), certs(root.leafWithKey(t, ed25519Key(t))), "dns:host.example.org"},
		{"P-384", trust(root.cert), certs(root.leafWithKey(t, p384)), "dns:host.example.org"},
		{"RSA 2048", trust(rsaRoot.cert), certs(rsaRoot.leafWithKey(t, rsaKey(t, 2048))), "dns:host.example.org"},
		{"upper case name", trust(root.cert), certs(root.leaf(t, names("HOST.Example.org"))), "dns:host.example.org"},
		{"single label", trust(root.cert), certs(root.leaf(t, names("build7"))), "dns:build7"},
		{"spiffe URI", trust(root.cert), certs(root.leaf(t, names(), uris(t, "spiffe://example.org/host/7"))), "uri:spiffe://example.org/host/7"},
		{"URI before DNS name", trust(root.cert), certs(root.leaf(t, uris(t, "urn:example:host:7"))), "uri:urn:example:host:7"},
		{"web address is no identity", trust(root.cert), certs(root.leaf(t, uris(t, "https://example.org/policy"))), "dns:host.example.org"},
		{"name inside the constraint", trust(root.cert), certs(narrow.leaf(t, names("a.branch.example.org")), narrow.cert), "dns:a.branch.example.org"},
		{"CRL without it", withCRL(root.list(t, 0, revokedLeaf)), certs(good), "dns:host.example.org"},
		{"newest of two CRLs clears it", withCRL(root.list(t, -3*dayLong, good), root.list(t, 0)), certs(good), "dns:host.example.org"},
		{"stale CRL within its grace", Config{Authorities: certs(root.cert), CRLs: []*pki.CRL{root.list(t, -5*dayLong)}, CRLGrace: 2 * dayLong}, certs(good), "dns:host.example.org"},
		{"an authority sent twice", trust(root.cert), certs(subLeaf, sub.cert, sub.cert), "dns:host.example.org"},
		{"two certificates of one authority", trust(root.cert), certs(subLeaf, sub.cert, again(sub, other)), "dns:host.example.org"},
		{"CN where allowed", Config{Authorities: certs(root.cert), CNAllowed: true}, certs(root.leaf(t, names())), "cn:host"},
		{"DNS name before CN", Config{Authorities: certs(root.cert), CNAllowed: true}, certs(good), "dns:host.example.org"},

		{"no certificate", trust(root.cert), nil,
			"no-certificate: client certificate required, ask your administrator for one"},
		{"wrong authority", trust(root.cert), certs(other.leaf(t)),
			`unknown-issuer: client certificate is from "Other CA", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
		{"wrong authority of the same name", trust(root.cert), certs(twin.leaf(t)),
			`unknown-issuer: client certificate is from "Root", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
		{"missing intermediate", trust(root.cert), certs(subLeaf),
			`unknown-issuer: client certificate is from "Issuing", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
		{"expired", trust(root.cert), certs(root.leaf(t, life(-30*dayLong, -14*dayLong))),
			"expired: client certificate expired on 2026-03-01, ask your administrator for a new one"},
		{"expired and from a wrong authority", trust(root.cert), certs(other.leaf(t, life(-30*dayLong, -14*dayLong))),
			`unknown-issuer: client certificate is from "Other CA", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
		{"not yet valid", trust(root.cert), certs(root.leaf(t, life(time.Hour, dayLong))),
			"not-yet-valid: client certificate is not valid before 2026-03-15 13:00 UTC, here it is 2026-03-15 12:00 UTC: check the clocks"},
		{"expired intermediate", trust(root.cert), certs(shortLived.leaf(t, life(-20*dayLong, dayLong)), shortLived.cert),
			`expired: the certificate authority "Short" of the client certificate expired on 2026-03-05, tell your administrator`},
		{"for servers only", trust(root.cert), certs(root.leaf(t, usages(x509.ExtKeyUsageServerAuth))),
			"unusable: client certificate cannot be used: it is not for clients (extended key usage clientAuth is missing)"},
		{"no extended key usage", trust(root.cert), certs(root.leaf(t, usages())),
			"unusable: client certificate cannot be used: it is not for clients (extended key usage clientAuth is missing)"},
		{"any extended key usage", trust(root.cert), certs(root.leaf(t, usages(x509.ExtKeyUsageAny))),
			"unusable: client certificate cannot be used: it is not for clients (extended key usage clientAuth is missing)"},
		{"authority for servers only", trust(root.cert), certs(serverOnly.leaf(t), serverOnly.cert),
			"unusable: client certificate cannot be used: it is not for clients (extended key usage clientAuth is missing)"},
		{"certificate of an authority", trust(root.cert), certs(root.sub(t, "host", usages(x509.ExtKeyUsageClientAuth), names("host.example.org")).cert),
			"unusable: client certificate cannot be used: it belongs to a certificate authority"},
		{"the root itself", trust(root.cert), certs(root.cert),
			"unusable: client certificate cannot be used: it belongs to a certificate authority"},
		{"key usage without signing", trust(root.cert), certs(root.leaf(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })),
			"unusable: client certificate cannot be used: it may not sign (key usage digitalSignature is missing)"},
		{"revoked", withCRL(root.list(t, 0, good)), certs(good),
			"revoked: client certificate was revoked on 2026-03-11, ask your administrator for a new one"},
		{"revoked in a stale CRL", withCRL(root.list(t, -30*dayLong, good)), certs(good),
			"revoked: client certificate was revoked on 2026-02-09, ask your administrator for a new one"},
		{"revoked by the newer of two CRLs", withCRL(root.list(t, 0, good), root.list(t, -dayLong)), certs(good),
			"revoked: client certificate was revoked on 2026-03-11, ask your administrator for a new one"},
		{"revoked intermediate", withCRL(root.list(t, 0, sub.cert)), certs(subLeaf, sub.cert),
			`revoked: the certificate authority "Issuing" of the client certificate was revoked on 2026-03-11, ask your administrator for a new one`},
		{"stale CRL", withCRL(root.list(t, -5*dayLong)), certs(good),
			`stale-crl: the mirror's revocation list of authority "Root" ran out on 2026-03-14, tell your administrator`},
		{"stale CRL of the root above a fresh one", withCRL(root.list(t, -5*dayLong), sub.list(t, 0)), certs(subLeaf, sub.cert),
			`stale-crl: the mirror's revocation list of authority "Root" ran out on 2026-03-14, tell your administrator`},
		{"CRL from the future", withCRL(root.list(t, 10*dayLong)), certs(good),
			`stale-crl: the mirror's revocation list of authority "Root" begins on 2026-03-22, its clock says 2026-03-15 12:00 UTC, tell your administrator`},
		{"CRL required and missing", Config{Authorities: certs(root.cert), CRLRequired: true}, certs(good),
			`stale-crl: the mirror has no revocation list of authority "Root", tell your administrator`},
		{"name outside the constraint", trust(root.cert), certs(narrow.leaf(t), narrow.cert),
			`unusable: client certificate cannot be used: its authority "Narrow" may not issue certificates for this name`},
		{"no name", trust(root.cert), certs(root.leaf(t, names(), func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"Example"}} })),
			"unusable: client certificate cannot be used: it has no DNS name and no identity URI as subject alternative name"},
		{"CN only", trust(root.cert), certs(root.leaf(t, names())),
			"unusable: client certificate cannot be used: it has no DNS name and no identity URI as subject alternative name"},
		{"no CN where allowed", Config{Authorities: certs(root.cert), CNAllowed: true}, certs(root.leaf(t, names(), func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"Example"}} })),
			"unusable: client certificate cannot be used: it has no DNS name, no identity URI and no common name"},
		{"two CNs", Config{Authorities: certs(root.cert), CNAllowed: true}, certs(root.leaf(t, names(), func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidCommonName, Value: "a"}, {Type: oidCommonName, Value: "b"}}
		})), "ambiguous-name: client certificate has 2 common names, exactly one is needed to say who this machine is"},
		{"two DNS names", trust(root.cert), certs(root.leaf(t, names("a.example.org", "b.example.org"))),
			"ambiguous-name: client certificate has 2 DNS names, exactly one is needed to say who this machine is"},
		{"two identity URIs", trust(root.cert), certs(root.leaf(t, uris(t, "spiffe://example.org/a", "urn:example:b"))),
			"ambiguous-name: client certificate has 2 identity URIs, exactly one is needed to say who this machine is"},
		{"wildcard name", trust(root.cert), certs(root.leaf(t, names("*.example.org"))),
			`unusable: client certificate cannot be used: host name "*.example.org": character '*' is not allowed (a-z, 0-9, hyphen)`},
		{"RSA 1024", trust(root.cert), certs(root.leafWithKey(t, rsaKey(t, 1024))),
			"unusable: client certificate cannot be used: RSA key of 1024 bits, allowed are 2048 to 8192"},
		{"P-224", trust(root.cert), certs(root.leafWithKey(t, p224)),
			"unusable: client certificate cannot be used: ECDSA key on curve P-224, allowed are P-256, P-384, P-521"},
		{"SHA-1", trust(rsaRoot.cert), certs(rsaRoot.leaf(t, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })),
			"unusable: client certificate cannot be used: it is signed with SHA-1 or MD5, ask your administrator for a new one"},
		{"unknown critical extension", trust(root.cert), certs(root.leaf(t, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})), "unusable: client certificate cannot be used: it has a critical extension that is not understood"},
		{"authority below a path length of zero", trust(root.cert), pathTooLong(t, root),
			"unusable: client certificate cannot be used: its chain of authorities is not valid"},
		{"expired before the root was renewed", trust(newer.cert), certs(root.leaf(t, life(-30*dayLong, -14*dayLong))),
			"expired: client certificate expired on 2026-03-01, ask your administrator for a new one"},
		{"expired root", trust(ended.cert), certs(ended.leaf(t)),
			`expired: the certificate authority "Ended" of the client certificate expired on 2026-03-14, tell your administrator`},
		{"authorities of one name with different keys", trust(root.cert), certs(subLeaf, sub.cert, other.sub(t, "Issuing").cert),
			`unusable: client certificate cannot be used: it came with several authorities "Issuing", SslCert must contain the one that signed it`},
		{"an authority in many certificates", trust(root.cert), certs(subLeaf, again(sub, root), again(sub, newer), sub.cert),
			`unusable: client certificate cannot be used: it came with several authorities "Issuing", SslCert must contain the one that signed it`},
		{"CN below a constraint", Config{Authorities: certs(root.cert), CNAllowed: true}, certs(narrow.leaf(t, names()), narrow.cert),
			"unusable: client certificate cannot be used: it has no DNS name and no identity URI as subject alternative name"},
		{"too many certificates", trust(root.cert), certs(good, good, good, good, good, good, good, good, good),
			"unusable: client certificate cannot be used: 9 certificates were sent, at most 8 are allowed"},
		{"line break in an authority's name", trust(root.cert), certs(newRoot(t, "Evil\r\nSet-Cookie: \u00e9").leaf(t)),
			`unknown-issuer: client certificate is from "Evil??Set-Cookie: ?", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too`},
	}
}

func pathTooLong(t testing.TB, root issuer) []*x509.Certificate {
	last := root.sub(t, "Last", func(c *x509.Certificate) { c.MaxPathLenZero = true })
	below := last.sub(t, "Below")
	return certs(below.leaf(t), below.cert, last.cert)
}

func TestIdentify(t *testing.T) {
	for _, tt := range verdicts(t) {
		t.Run(tt.name, func(t *testing.T) {
			trust := newTrust(t, tt.config)
			for range 2 { // the second answer may come from memory
				id, err := trust.Identify(tt.present, now)
				if got := answer(id, err); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				checkText(t, err)
			}
		})
	}
}

func answer(id Identity, err error) string {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return string(refused.Reason) + ": " + refused.Text
	}
	return id.Name
}

func checkText(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("error %T, want *RefusedError", err)
	}
	if len(refused.Text) == 0 || len(refused.Text) >= 200 || !printable(refused.Text) {
		t.Errorf("text is not one short line of ASCII: %q", refused.Text)
	}
}

func TestIdentityFields(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t)
	id, err := newTrust(t, Config{Authorities: certs(root.cert)}).Identify(certs(leaf), now)
	if err != nil {
		t.Fatal(err)
	}
	if id.Serial != fmt.Sprintf("%x", leaf.SerialNumber) || id.Issuer != "Root" || !id.NotAfter.Equal(leaf.NotAfter) || len(id.Fingerprint) != 64 {
		t.Errorf("got %+v", id)
	}
}

// What was found good once is judged anew as time goes by.
func TestRememberedChainExpires(t *testing.T) {
	root := newRoot(t, "Root")
	leaf := root.leaf(t)
	trust := newTrust(t, Config{Authorities: certs(root.cert), CRLs: []*pki.CRL{root.list(t, 0)}})
	tests := []struct {
		at   time.Time
		want Reason
	}{
		{now, ""},
		{now.Add(4 * dayLong), ""},
		{now.Add(4*dayLong + time.Second), StaleCRL},
		{now.Add(31 * dayLong), Expired},
		{now.Add(-2 * dayLong), NotYetValid},
		{now, ""},
	}
	for _, tt := range tests {
		_, err := trust.Identify(certs(leaf), tt.at)
		var refused *RefusedError
		if got := errors.As(err, &refused); got != (tt.want != "") || got && refused.Reason != tt.want {
			t.Errorf("at %s: got %v, want %q", tt.at, err, tt.want)
		}
	}
}

// A leaf can be meant to outlive the intermediate above it; what is remembered must not.
func TestRememberedChainEndsWithItsIntermediate(t *testing.T) {
	root := newRoot(t, "Root")
	sub := root.sub(t, "Short", life(-dayLong, dayLong))
	present := certs(sub.leaf(t), sub.cert)
	trust := newTrust(t, Config{Authorities: certs(root.cert)})
	if _, err := trust.Identify(present, now); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Identify(present, now.Add(2*dayLong)); answer(Identity{}, err) != `expired: the certificate authority "Short" of the client certificate expired on 2026-03-16, tell your administrator` {
		t.Errorf("got %v", err)
	}
}

// A remembered chain does not vouch for a client that stops sending its intermediate.
func TestRememberedChainNeedsTheSameCertificates(t *testing.T) {
	root := newRoot(t, "Root")
	sub := root.sub(t, "Issuing")
	leaf := sub.leaf(t)
	trust := newTrust(t, Config{Authorities: certs(root.cert)})
	if _, err := trust.Identify(certs(leaf, sub.cert), now); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Identify(certs(leaf), now); err == nil {
		t.Error("accepted without intermediate")
	}
}

// An intermediate that was revoked under one root can still be good under another.
func TestCrossSignedChainWithoutFaultIsEnough(t *testing.T) {
	rootA, rootB := newRoot(t, "A"), newRoot(t, "B")
	viaA := rootA.sub(t, "Issuing")
	viaB := rootB.sign(t, "Issuing", viaA.key, []change{authority})
	leaf := viaA.leaf(t)
	config := Config{Authorities: certs(rootA.cert, rootB.cert), CRLs: []*pki.CRL{rootA.list(t, 0, viaA.cert)}}
	if _, err := newTrust(t, config).Identify(certs(leaf, viaA.cert, viaB.cert), now); err != nil {
		t.Errorf("refused although the chain through B is good: %v", err)
	}
	config.CRLs = append(config.CRLs, viaA.list(t, 0, leaf))
	if _, err := newTrust(t, config).Identify(certs(leaf, viaA.cert, viaB.cert), now); err == nil {
		t.Error("accepted although the issuing authority revoked the leaf")
	}
}

func TestIdentifyFromManyConnections(t *testing.T) {
	root := newRoot(t, "Root")
	trust := newTrust(t, Config{Authorities: certs(root.cert)})
	clients := certs(root.leaf(t, names("a")), root.leaf(t, names("b")), root.leaf(t, names("c")))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 300 {
				c := clients[i%len(clients)]
				if id, err := trust.Identify(certs(c), now); err != nil || id.Name != "dns:"+c.DNSNames[0] {
					t.Errorf("got %v, %v for %v", id, err, c.DNSNames)
				}
			}
		})
	}
	wg.Wait()
}

func TestMemoryIsBounded(t *testing.T) {
	trust := newTrust(t, Config{Authorities: certs(newRoot(t, "Root").cert)})
	for i := range maxVerified + 10 {
		trust.remember([32]byte{byte(i), byte(i >> 8)}, verified{})
	}
	if n := len(trust.verified); n > maxVerified {
		t.Errorf("%d chains remembered, at most %d are meant to be", n, maxVerified)
	}
}

func TestNewTrustRefuses(t *testing.T) {
	root := newRoot(t, "Root")
	weak := issuer{key: rsaKey(t, 1024)}
	weak = weak.sign(t, "Weak", weak.key, []change{authority})
	tests := []struct {
		name, want  string
		authorities []*x509.Certificate
	}{
		{"nothing", "no certificate authority", nil},
		{"leaf", `authority "host": it is not a certificate authority`, certs(root.leaf(t))},
		{"weak key", `authority "Weak": RSA key of 1024 bits`, certs(weak.cert)},
	}
	for _, tt := range tests {
		if _, err := NewTrust(Config{Authorities: tt.authorities}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Whatever bytes a client sends, there is no panic, the text is one short line, and only
// what the authority signed is accepted.
func FuzzIdentify(f *testing.F) {
	root := newRoot(f, "Root")
	sub := root.sub(f, "Issuing")
	good := certs(root.leaf(f), sub.leaf(f), root.leaf(f, names(), uris(f, "spiffe://example.org/a")), root.leaf(f, names()))
	bad := certs(root.leaf(f, names("a", "b")), root.leaf(f, usages()), root.leaf(f, life(-9*dayLong, -dayLong)), sub.cert)
	for _, c := range append(good, bad...) {
		f.Add(c.Raw)
		f.Add(append(append([]byte{}, c.Raw...), sub.cert.Raw...))
	}
	trust := newTrust(f, Config{Authorities: certs(root.cert), CRLs: []*pki.CRL{root.list(f, 0)}, CNAllowed: true})
	signed := map[string]bool{}
	for _, c := range good {
		signed[string(c.RawTBSCertificate)] = true
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		presented, err := x509.ParseCertificates(der)
		if err != nil {
			return
		}
		_, err = trust.Identify(presented, now)
		checkText(t, err)
		if err == nil && !signed[string(presented[0].RawTBSCertificate)] {
			t.Errorf("accepted %x", der)
		}
	})
}

func BenchmarkIdentify(b *testing.B) {
	root := newRoot(b, "Root")
	sub := root.sub(b, "Issuing")
	present := certs(sub.leaf(b), sub.cert)
	trust := newTrust(b, Config{Authorities: certs(root.cert), CRLs: []*pki.CRL{root.list(b, 0), sub.list(b, 0)}})
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := trust.Identify(present, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, refused := trust.verify(present, now); refused != nil {
				b.Fatal(refused)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		stranger := certs(newRoot(b, "Other").leaf(b))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := trust.Identify(stranger, now); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
