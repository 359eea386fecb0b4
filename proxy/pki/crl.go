package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// MaxCRLBytes bounds a file of CRLs. 100,000 revocations take 4.9 MB.
	MaxCRLBytes = 64 << 20
	// maxCRLs bounds the lists in one file; there is one per authority.
	maxCRLs = 100
	// maxSerialBytes is the longest serial number (RFC 5280 section 4.1.2.2).
	maxSerialBytes = 20
)

// Revoked is one entry of a CRL.
type Revoked struct {
	Serial *big.Int
	Time   time.Time // whole seconds
	Reason int       // CRLReason, RFC 5280 section 5.3.1; 0 = unspecified
}

// CRL is a verified revocation list. It is immutable.
type CRL struct {
	Issuer     *x509.Certificate // one certificate with the key that signed it
	Number     *big.Int          // nil where the list has none
	ThisUpdate time.Time
	NextUpdate time.Time // never zero

	revoked map[string]Revoked // by serialKey
}

// CRL signs a list of the given revocations, PEM. number has to grow from list to list;
// after next, servers refuse every certificate of the authority.
func (a *Authority) CRL(revoked []Revoked, number *big.Int, now, next time.Time) ([]byte, error) {
	entries := make([]x509.RevocationListEntry, len(revoked))
	for i, r := range revoked {
		if err := checkSerial(r.Serial); err != nil {
			return nil, fmt.Errorf("signing CRL: %w", err)
		}
		entries[i] = x509.RevocationListEntry{SerialNumber: r.Serial, RevocationTime: r.Time, ReasonCode: r.Reason}
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:                    number,
		ThisUpdate:                now,
		NextUpdate:                next,
		RevokedCertificateEntries: entries,
	}, a.cert, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing CRL: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}

// ReadCRL reads the CRLs of a file, PEM (several allowed) or DER (one), and verifies each:
// signed by one of the issuers, complete (neither delta, indirect nor partitioned), with a
// next update, and without a critical extension that is not understood. Whether a list is
// still fresh is for whoever uses it to ask, because that changes as time goes by.
func ReadCRL(data []byte, issuers []*x509.Certificate) ([]*CRL, error) {
	if len(data) > MaxCRLBytes {
		return nil, fmt.Errorf("reading CRL: %d bytes, at most %d are allowed", len(data), MaxCRLBytes)
	}
	var lists []*CRL
	add := func(der []byte) error {
		list, err := readOneCRL(der, issuers)
		if lists = append(lists, list); len(lists) > maxCRLs {
			return fmt.Errorf("more than %d lists", maxCRLs)
		}
		return err
	}
	var err error
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		err = eachBlock(data, "X509 CRL", add)
	} else {
		err = add(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading CRL: %w", err)
	}
	return lists, nil
}

// LoadCRL is ReadCRL for a file.
func LoadCRL(file string, issuers []*x509.Certificate) ([]*CRL, error) {
	data, err := readLimited(file, MaxCRLBytes)
	if err != nil {
		return nil, err
	}
	lists, err := ReadCRL(data, issuers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return lists, nil
}

// Lookup returns the entry of a serial number. It does not look at dates.
func (c *CRL) Lookup(serial *big.Int) (Revoked, bool) {
	r, ok := c.revoked[serialKey(serial)]
	return r, ok
}

// Len is the number of revoked certificates.
func (c *CRL) Len() int { return len(c.revoked) }

// Covers reports whether this list speaks for the certificates of an authority: same name
// and same key, so that it also holds for a cross-signed or renewed certificate of it.
func (c *CRL) Covers(authority *x509.Certificate) bool {
	return bytes.Equal(c.Issuer.RawSubject, authority.RawSubject) &&
		bytes.Equal(c.Issuer.RawSubjectPublicKeyInfo, authority.RawSubjectPublicKeyInfo)
}

// Newer reports whether this list supersedes another of the same authority.
func (c *CRL) Newer(than *CRL) bool {
	if c.Number != nil && than.Number != nil && c.Number.Cmp(than.Number) != 0 {
		return c.Number.Cmp(than.Number) > 0
	}
	return c.ThisUpdate.After(than.ThisUpdate)
}

func readOneCRL(der []byte, issuers []*x509.Certificate) (*CRL, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	// The parser passes over what follows the list.
	if len(list.Raw) != len(der) {
		return nil, fmt.Errorf("%d bytes after the list", len(der)-len(list.Raw))
	}
	issuer, err := findIssuer(list, issuers)
	if err != nil {
		return nil, err
	}
	if err := checkCRL(list); err != nil {
		return nil, fmt.Errorf("list of %q: %w", issuer.Subject.CommonName, err)
	}
	revoked := make(map[string]Revoked, len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		if err := checkEntry(e); err != nil {
			return nil, fmt.Errorf("list of %q: serial %x: %w", issuer.Subject.CommonName, e.SerialNumber, err)
		}
		revoked[serialKey(e.SerialNumber)] = Revoked{Serial: e.SerialNumber, Time: e.RevocationTime, Reason: e.ReasonCode}
	}
	return &CRL{Issuer: issuer, Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, revoked: revoked}, nil
}

// findIssuer returns the certificate whose key signed the list. Several authorities may
// have one name, after a change of key.
func findIssuer(list *x509.RevocationList, issuers []*x509.Certificate) (*x509.Certificate, error) {
	var failed error
	for _, c := range issuers {
		if !bytes.Equal(c.RawSubject, list.RawIssuer) {
			continue
		}
		if failed = list.CheckSignatureFrom(c); failed == nil {
			return c, nil
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("the signature of the list of %q is not by that authority: %w", list.Issuer.CommonName, failed)
	}
	return nil, fmt.Errorf("the list is from %q, which is not one of the configured authorities", list.Issuer.CommonName)
}

var (
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReason         = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidDelta          = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidScope          = asn1.ObjectIdentifier{2, 5, 29, 28} // issuing distribution point
	oidEntryIssuer    = asn1.ObjectIdentifier{2, 5, 29, 29}
)

func checkCRL(list *x509.RevocationList) error {
	switch {
	case list.NextUpdate.IsZero():
		return errors.New("it has no next update, so it could be used for ever")
	case !list.NextUpdate.After(list.ThisUpdate):
		return fmt.Errorf("its next update %s is not after its start %s", list.NextUpdate.Format(time.RFC3339), list.ThisUpdate.Format(time.RFC3339))
	}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDelta):
			return errors.New("it is a delta list, a complete one is needed")
		case e.Id.Equal(oidScope):
			return errors.New("it covers only a part of the certificates (issuing distribution point), a complete one is needed")
		case e.Critical && !known(e, oidAuthorityKeyID, oidCRLNumber):
			return fmt.Errorf("critical extension %s is not understood", e.Id)
		}
	}
	return nil
}

func checkEntry(e x509.RevocationListEntry) error {
	for _, x := range e.Extensions {
		switch {
		case x.Id.Equal(oidEntryIssuer):
			return errors.New("it is of another authority (indirect list)")
		case x.Critical && !known(x, oidReason):
			return fmt.Errorf("critical extension %s is not understood", x.Id)
		}
	}
	return nil
}

// serialKey keeps the sign: a foreign authority may have numbers that RFC 5280 forbids.
func serialKey(serial *big.Int) string { return serial.Text(16) }

func known(e pkix.Extension, ids ...asn1.ObjectIdentifier) bool {
	for _, id := range ids {
		if e.Id.Equal(id) {
			return true
		}
	}
	return false
}

func checkSerial(serial *big.Int) error {
	if serial == nil || serial.Sign() <= 0 || len(serial.Bytes()) > maxSerialBytes {
		return fmt.Errorf("a serial number is positive and has at most %d bytes", maxSerialBytes)
	}
	return nil
}
