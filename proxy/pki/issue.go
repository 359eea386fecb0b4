package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultDays is the life of a certificate when Leaf.Days is zero.
	DefaultDays = 397
	// maxDays is the longest life that is issued, in days.
	maxDays = 3650
	// maxSANs bounds the names in one certificate; more would not fit one line of any report.
	maxSANs = 100
	// maxRequestBytes bounds a certificate signing request; real ones have about 1 KiB.
	maxRequestBytes = 64 << 10
)

// Leaf says what a new certificate is for.
type Leaf struct {
	Names []string   // DNS names; upper case is folded
	IPs   []net.IP   // servers only
	URIs  []*url.URL // clients only, see CheckURI
	// Days is the life in days, 0 = DefaultDays. A leaf never outlives its authority: it is
	// cut to the authority's end, so look at Issued.Cert.NotAfter.
	Days      int
	Algorithm Algorithm
	// Key is an existing key to go on with; nil makes a new one of Algorithm.
	Key crypto.Signer
}

// Issued is a new certificate. Nothing is written until Save.
type Issued struct {
	Cert *x509.Certificate
	Key  crypto.Signer // nil when the certificate answers a signing request

	intermediates []*x509.Certificate
}

// IssueServer makes a server certificate (extended key usage serverAuth). At least one
// name or address is needed; the first label of a name may be "*".
func (a *Authority) IssueServer(l Leaf, now time.Time) (*Issued, error) {
	l.Names = lower(l.Names)
	if err := l.checkServer(); err != nil {
		return nil, fmt.Errorf("issuing server certificate: %w", err)
	}
	return a.issue(l, x509.ExtKeyUsageServerAuth, now)
}

// IssueClient makes a client certificate (extended key usage clientAuth). It carries
// exactly one DNS name or one URI, because that is who the client is.
func (a *Authority) IssueClient(l Leaf, now time.Time) (*Issued, error) {
	l.Names = lower(l.Names)
	if err := l.checkClient(); err != nil {
		return nil, fmt.Errorf("issuing client certificate: %w", err)
	}
	return a.issue(l, x509.ExtKeyUsageClientAuth, now)
}

// SignRequest makes a client certificate for a key that stays with the client. Only the
// public key is taken from the signing request (PKCS#10, PEM or DER), whose own signature
// proves that the sender has the private half; names, usages and life come from l, since a
// request can ask for anything.
func (a *Authority) SignRequest(csr []byte, l Leaf, now time.Time) (*Issued, error) {
	l.Names = lower(l.Names)
	if err := l.checkClient(); err != nil {
		return nil, fmt.Errorf("signing certificate request: %w", err)
	}
	request, err := readRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("reading certificate request: %w", err)
	}
	cert, err := a.certify(l, x509.ExtKeyUsageClientAuth, request.PublicKey, now)
	if err != nil {
		return nil, fmt.Errorf("signing certificate request: %w", err)
	}
	return &Issued{Cert: cert, intermediates: a.above}, nil
}

// CertPEM returns the certificate followed by the intermediates that its holder has to
// send, without the root.
func (i *Issued) CertPEM() []byte {
	return encodeCertificates(append([]*x509.Certificate{i.Cert}, i.intermediates...)...)
}

// KeyPEM returns the private key as PKCS#8. It fails where the key stayed with the client.
func (i *Issued) KeyPEM() ([]byte, error) {
	if i.Key == nil {
		return nil, errors.New("encoding private key: it stayed with whoever made the signing request")
	}
	return encodeKey(i.Key)
}

// Save writes certificate and key to two files. An existing key is never replaced: the
// error then is fs.ErrExist and nothing was written.
func (i *Issued) Save(certFile, keyFile string) error {
	if i.Key == nil {
		return WritePublic(certFile, i.CertPEM())
	}
	return saveKeyPair(certFile, i.CertPEM(), keyFile, i.Key)
}

func (a *Authority) issue(l Leaf, usage x509.ExtKeyUsage, now time.Time) (*Issued, error) {
	key, err := l.Key, error(nil)
	if key == nil {
		key, err = newKey(l.Algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("issuing certificate: %w", err)
	}
	cert, err := a.certify(l, usage, key.Public(), now)
	if err != nil {
		return nil, fmt.Errorf("issuing certificate: %w", err)
	}
	return &Issued{Cert: cert, Key: key, intermediates: a.above}, nil
}

// certify signs. l has been checked.
func (a *Authority) certify(l Leaf, usage x509.ExtKeyUsage, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if err := CheckKey(public); err != nil {
		return nil, err
	}
	from, until, err := a.life(l.Days, now)
	if err != nil {
		return nil, err
	}
	return sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: l.commonName()},
		NotBefore:             from,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
		DNSNames:              l.Names,
		IPAddresses:           l.IPs,
		URIs:                  l.URIs,
	}, a.cert, public, a.key)
}

// life is the time from a little before now for the given days, inside the authority's own.
func (a *Authority) life(days int, now time.Time) (from, until time.Time, err error) {
	switch {
	case days < 0 || days > maxDays:
		return from, until, fmt.Errorf("a life of %d days, allowed are 1 to %d", days, maxDays)
	case now.Before(a.cert.NotBefore):
		return from, until, fmt.Errorf("the authority %q is not valid before %s", a.cert.Subject.CommonName, a.cert.NotBefore.Format(time.DateOnly))
	case !now.Before(a.cert.NotAfter):
		return from, until, fmt.Errorf("the authority %q expired on %s", a.cert.Subject.CommonName, a.cert.NotAfter.Format(time.DateOnly))
	case days == 0:
		days = DefaultDays
	}
	from, until = now.Add(-backdate), now.AddDate(0, 0, days)
	if from.Before(a.cert.NotBefore) {
		from = a.cert.NotBefore
	}
	if until.After(a.cert.NotAfter) {
		until = a.cert.NotAfter
	}
	return from, until, nil
}

func (l *Leaf) checkServer() error {
	switch n := len(l.Names) + len(l.IPs); {
	case n == 0:
		return errors.New("it needs a host name or an address")
	case n > maxSANs:
		return fmt.Errorf("%d names, at most %d are allowed", n, maxSANs)
	case len(l.URIs) != 0:
		return errors.New("a server certificate has no URIs")
	}
	for _, ip := range l.IPs {
		if ip.To16() == nil {
			return fmt.Errorf("%q is not an IP address", ip.String())
		}
	}
	for _, name := range l.Names {
		if err := checkServerName(name); err != nil {
			return err
		}
	}
	return nil
}

func (l *Leaf) checkClient() error {
	if len(l.Names)+len(l.URIs) != 1 || len(l.IPs) != 0 {
		return fmt.Errorf("it needs exactly one DNS name or one URI and no address, this has %d names, %d URIs, %d addresses",
			len(l.Names), len(l.URIs), len(l.IPs))
	}
	if len(l.Names) == 1 {
		return CheckName(l.Names[0])
	}
	return CheckURI(l.URIs[0])
}

// commonName repeats the name for tools that only show the subject. It is empty where it
// does not fit, which makes the subject alternative name critical.
func (l *Leaf) commonName() string {
	name := ""
	switch {
	case len(l.Names) > 0:
		name = l.Names[0]
	case len(l.IPs) > 0:
		name = l.IPs[0].String()
	case len(l.URIs) > 0:
		name = l.URIs[0].String()
	}
	if len(name) > maxCommonName {
		return ""
	}
	return name
}

func readRequest(csr []byte) (*x509.CertificateRequest, error) {
	if len(csr) > maxRequestBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(csr), maxRequestBytes)
	}
	if block, _ := pem.Decode(csr); block != nil {
		if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("it holds a %s", strings.ToLower(block.Type))
		}
		csr = block.Bytes
	}
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	// The key is judged before it is used: checking a signature with a huge key is slow.
	if err := CheckKey(request.PublicKey); err != nil {
		return nil, err
	}
	return request, request.CheckSignature()
}

func lower(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = strings.ToLower(name)
	}
	return folded
}
