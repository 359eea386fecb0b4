// Package pki is the built-in certificate authority for sites that have none,
// and the reader of the certificates and revocation lists (CRLs) of sites that do.
//
// It owns these files, all PEM:
//
//	*.crt                           certificates, leaf first, then intermediates; mode 0644
//	*.key                           one PKCS#8 private key, not encrypted; mode 0600, never replaced
//	*.crl                           one CRL per authority (RFC 5280 section 5); mode 0644
//	clients/NAME/client.crt         the current certificate of client NAME
//	clients/NAME/client.key         its key, absent when the client made its own
//	clients/.retired/NAME/SERIAL/   the same two files once they were replaced
//
// The CRL file itself is the record of what is revoked: there is no second list that
// could differ from what the server enforces.
//
// It never decides who may do what (package identity), never speaks to the network, and
// never reads the clock: the time is an argument everywhere. Times in certificates are
// whole seconds, UTC.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

const (
	// authorityYears is long because replacing the authority means visiting every client.
	authorityYears = 10
	// backdate makes new certificates valid on machines whose clock is late by up to an hour.
	backdate = time.Hour
	// maxCommonName is the upper bound of X.520 common names, in bytes.
	maxCommonName = 64
)

// Authority is a certificate with the key that belongs to it, able to issue
// certificates and CRLs. It is immutable and safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	// above holds what a client needs between cert and its root, cert included;
	// empty when cert is itself a root.
	above []*x509.Certificate
	key   crypto.Signer
}

// NewAuthority makes a self-signed P-256 authority called name that may issue leaves but
// no further authorities (path length 0) and is valid for ten years. Nothing is
// written: see Save.
func NewAuthority(name string, now time.Time) (*Authority, error) {
	if err := checkCommonName(name); err != nil {
		return nil, fmt.Errorf("creating certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("creating certificate authority %q: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("creating certificate authority %q: %w", name, err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// LoadAuthority reads an authority from its two files. certFile may continue with the
// certificates above it. The key has to belong to the first certificate, which has to be
// allowed to sign certificates; a key file that everyone can read is refused.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	certs, err := LoadCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %w", err)
	}
	key, err := LoadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %w", err)
	}
	if err := checkAuthority(certs[0]); err != nil {
		return nil, fmt.Errorf("loading certificate authority: %s: %w", certFile, err)
	}
	if !samePublicKey(certs[0].PublicKey, key.Public()) {
		return nil, fmt.Errorf("loading certificate authority: the key in %s does not belong to the certificate in %s", keyFile, certFile)
	}
	above, err := chainAbove(certs)
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %s: %w", certFile, err)
	}
	return &Authority{cert: certs[0], above: above, key: key}, nil
}

// chainAbove returns what the holder of a leaf has to send after it: certs up to the first
// root, without it. Each has to be signed by the next, because TLS libraries insist on the order.
func chainAbove(certs []*x509.Certificate) ([]*x509.Certificate, error) {
	for i, c := range certs {
		if SelfSigned(c) {
			return certs[:i], nil
		}
		if i+1 < len(certs) {
			if err := c.CheckSignatureFrom(certs[i+1]); err != nil {
				return nil, fmt.Errorf("certificate %d is not signed by the one after it: %w", i+1, err)
			}
		}
	}
	return certs, nil
}

// Certificate returns the authority's own certificate, for trust stores and client kits.
// The caller must not change it.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// CertPEM returns the authority's own certificate.
func (a *Authority) CertPEM() []byte { return encodeCertificates(a.cert) }

// Save writes the authority to two new files. An existing key is never replaced: the
// error then is fs.ErrExist and nothing was written.
func (a *Authority) Save(certFile, keyFile string) error {
	certs := a.above
	if len(certs) == 0 {
		certs = []*x509.Certificate{a.cert}
	}
	return saveKeyPair(certFile, encodeCertificates(certs...), keyFile, a.key)
}

// SelfSigned reports whether a certificate carries its own signature, as roots do.
func SelfSigned(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func checkAuthority(c *x509.Certificate) error {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return fmt.Errorf("certificate %q is not a certificate authority (basic constraints CA:TRUE)", c.Subject.CommonName)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("certificate %q may not sign certificates (key usage keyCertSign)", c.Subject.CommonName)
	}
	return CheckKey(c.PublicKey)
}

// checkCommonName accepts printable ASCII, which every tool shows as it was meant.
func checkCommonName(name string) error {
	if name == "" || len(name) > maxCommonName {
		return fmt.Errorf("the name must have 1 to %d characters, this has %d", maxCommonName, len(name))
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			return fmt.Errorf("the name %q must be printable ASCII", name)
		}
	}
	return nil
}

// sign creates a certificate and reads it back, so that what is returned is exactly what
// the bytes say. A nil serial number makes the library choose 159 random bits.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// samePublicKey reports whether two public keys are equal.
func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
