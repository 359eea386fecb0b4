package pki

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Renew gives the authority another ten years, under the same name and with the same key,
// so that everything it has issued and signed holds under the new certificate as well.
// Who trusts the old one needs the new one before that ends. Only the holder of the
// authority above can renew one that is no root.
func (a *Authority) Renew(now time.Time) (*Authority, error) {
	old := a.cert
	if !SelfSigned(old) {
		return nil, fmt.Errorf("renewing certificate authority %q: %q has issued it, have it renewed there", old.Subject.CommonName, old.Issuer.CommonName)
	}
	template := *old
	template.SerialNumber, template.SignatureAlgorithm = nil, x509.UnknownSignatureAlgorithm
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.AddDate(authorityYears, 0, 0)
	cert, err := sign(&template, &template, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("renewing certificate authority %q: %w", old.Subject.CommonName, err)
	}
	return &Authority{cert: cert, key: a.key}, nil
}

// RenewServer issues another certificate for the key of a server certificate that this
// authority has issued: with the names, addresses and life of the old one, as far as l
// does not say otherwise. The key itself is not needed, and l.Key and l.Algorithm do not count.
func (a *Authority) RenewServer(old *x509.Certificate, l Leaf, now time.Time) (*Issued, error) {
	if !a.Issued(old) {
		return nil, fmt.Errorf("renewing server certificate: %q has issued it and not %q, have it renewed there", old.Issuer.CommonName, a.cert.Subject.CommonName)
	}
	if len(l.Names)+len(l.IPs) == 0 {
		l.Names, l.IPs = old.DNSNames, old.IPAddresses
	}
	if l.Days == 0 {
		l.Days = min(max(1, int(old.NotAfter.Sub(old.NotBefore)/(24*time.Hour))), maxDays)
	}
	l.Names = lower(l.Names)
	if err := l.checkServer(); err != nil {
		return nil, fmt.Errorf("renewing server certificate: %w", err)
	}
	cert, err := a.certify(l, x509.ExtKeyUsageServerAuth, old.PublicKey, now)
	if err != nil {
		return nil, fmt.Errorf("renewing server certificate: %w", err)
	}
	return &Issued{Cert: cert, intermediates: a.above}, nil
}

// Issued reports whether a certificate carries the signature of this authority.
func (a *Authority) Issued(c *x509.Certificate) bool { return c.CheckSignatureFrom(a.cert) == nil }

// ReplaceIn puts the authority's certificate in the place of the one with the same name and
// key in a file of certificates, and leaves the others. It is one step, as WritePublic.
func (a *Authority) ReplaceIn(file string) error {
	certs, err := LoadCertificates(file)
	if err != nil {
		return fmt.Errorf("replacing the certificate of %q: %w", a.cert.Subject.CommonName, err)
	}
	i := slices.IndexFunc(certs, a.isEarlier)
	if i < 0 {
		return fmt.Errorf("replacing the certificate of %q: %s has none with this name and key", a.cert.Subject.CommonName, file)
	}
	certs[i] = a.cert
	return WritePublic(file, encodeCertificates(certs...))
}

func (a *Authority) isEarlier(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(a.cert.RawSubject) && samePublicKey(c.PublicKey, a.cert.PublicKey)
}
