// Package identity turns a client's certificates into a name and the name into what it may do.
//
// Trust verifies: chain to a configured authority, validity, revocation, strength of keys
// and signatures, usage, and exactly one name. It does so on every call, because a
// connection outlives a revocation. Grants decides: rules give rights, nothing takes them
// away, and without a rule nothing is allowed.
//
// An identity is one of
//
//	uri:spiffe://example.org/host   the URI SAN (scheme spiffe or urn), if there is one
//	dns:host.example.org            else the DNS SAN
//	cn:host                         else the common name, only where Config.CNAllowed
//
// and a rule names it by pattern. In a pattern "*" stands for any characters but the
// separator ("." in dns:, "/" in uri:, none in cn:), "**" for any characters at all and "?"
// for one. A rule may also say sha256:HEX, the fingerprint of one certificate, or "*" alone,
// every identity.
//
// The package does no I/O and no logging, knows nothing of HTTP, and never reads the clock.
// Every refusal carries one line of text for the person at the client: ASCII, below 200
// bytes, without line breaks, so that it can be the reason phrase of a status line.
package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"aptmirror/proxy/pki"
)

// Identity is who a certificate says it is.
type Identity struct {
	Name string // with its kind: dns:, uri: or cn:
	// Fingerprint is the SHA-256 of the leaf, lower-case hex. It can allow but must not be
	// used to forbid: the holder of an ECDSA certificate can change the bytes of its
	// signature without making it invalid. Serial cannot be changed that way.
	Fingerprint string
	Serial      string // lower-case hex, as the CRL and openssl have it
	Issuer      string // common name of the authority that signed it
	NotAfter    time.Time
}

// String is the name.
func (id Identity) String() string { return id.Name }

// Of says who a certificate claims to be, without verifying anything. The error is a
// *RefusedError.
func Of(leaf *x509.Certificate, cnAllowed bool) (Identity, error) {
	id, refused := newIdentity(leaf, cnAllowed)
	if refused != nil {
		return Identity{}, refused
	}
	return id, nil
}

func newIdentity(leaf *x509.Certificate, cnAllowed bool) (Identity, *RefusedError) {
	name, refused := nameOf(leaf, cnAllowed)
	if refused != nil {
		return Identity{}, refused
	}
	sum := sha256.Sum256(leaf.Raw)
	return Identity{
		Name:        name,
		Fingerprint: hex.EncodeToString(sum[:]),
		Serial:      leaf.SerialNumber.Text(16),
		Issuer:      leaf.Issuer.CommonName,
		NotAfter:    leaf.NotAfter,
	}, nil
}

// nameOf takes the first kind of name that the certificate has; of that kind there has to
// be exactly one, since choosing would let the order of names decide who someone is.
func nameOf(leaf *x509.Certificate, cnAllowed bool) (string, *RefusedError) {
	uris := slices.DeleteFunc(slices.Clone(leaf.URIs), func(u *url.URL) bool { return u.Scheme != "spiffe" && u.Scheme != "urn" })
	switch {
	case len(uris) > 1:
		return "", ambiguous(len(uris), "identity URIs")
	case len(uris) == 1:
		return uriName(uris[0])
	case len(leaf.DNSNames) > 1:
		return "", ambiguous(len(leaf.DNSNames), "DNS names")
	case len(leaf.DNSNames) == 1:
		return dnsName(leaf.DNSNames[0])
	case cnAllowed:
		return commonName(leaf)
	}
	return "", refuse(Unusable, "client certificate cannot be used: it has no DNS name and no identity URI as subject alternative name")
}

func ambiguous(n int, what string) *RefusedError {
	return refuse(AmbiguousName, "client certificate has %d %s, exactly one is needed to say who this machine is", n, what)
}

func uriName(u *url.URL) (string, *RefusedError) {
	if err := pki.CheckURI(u); err != nil {
		return "", refuse(Unusable, "client certificate cannot be used: %v", err).because(err)
	}
	return "uri:" + u.String(), nil
}

func dnsName(name string) (string, *RefusedError) {
	name = strings.ToLower(name)
	if err := pki.CheckName(name); err != nil {
		return "", refuse(Unusable, "client certificate cannot be used: %v", err).because(err)
	}
	return "dns:" + name, nil
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// maxCommonName is the upper bound of X.520, in bytes.
const maxCommonName = 64

func commonName(leaf *x509.Certificate) (string, *RefusedError) {
	var names []string
	for _, attribute := range leaf.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			names = append(names, fmt.Sprint(attribute.Value))
		}
	}
	switch {
	case len(names) == 0:
		return "", refuse(Unusable, "client certificate cannot be used: it has no DNS name, no identity URI and no common name")
	case len(names) > 1:
		return "", ambiguous(len(names), "common names")
	case names[0] == "" || len(names[0]) > maxCommonName || !printable(names[0]):
		return "", refuse(Unusable, "client certificate cannot be used: its common name is not 1 to %d printable ASCII characters", maxCommonName)
	}
	return "cn:" + names[0], nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
