package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"aptmirror/proxy/pki"
)

const (
	// maxPresented bounds the certificates that one client may send. Each of them costs
	// signature checks while a chain is searched; real chains have two or three.
	maxPresented = 8
	// maxVerified bounds the clients whose chain is remembered, about 500 bytes each.
	maxVerified = 8192
	// clockSkew is how far a CRL may lie in the future: authority and mirror are two machines.
	clockSkew = 5 * time.Minute
)

// Config is what client certificates are measured against.
type Config struct {
	// Authorities are the certificates of client_ca. Those that are not signed by another of
	// them are trust anchors, the others intermediates that clients need not send.
	Authorities []*x509.Certificate
	// CRLs are verified lists, see pki.ReadCRL. Of several for one authority the newest counts.
	CRLs []*pki.CRL
	// CRLRequired refuses certificates of authorities without a CRL. Otherwise those are
	// not checked for revocation.
	CRLRequired bool
	// CRLGrace is for how long after its next update a CRL is still good enough. 0 = not at all.
	CRLGrace time.Duration
	// CNAllowed takes the common name of certificates that have no other name.
	CNAllowed bool
}

// Trust verifies client certificates. What it trusts never changes: to change it, make
// another and swap them. It is safe for concurrent use.
type Trust struct {
	config        Config
	anchors       *x509.CertPool
	intermediates []*x509.Certificate

	mu sync.RWMutex // guards verified
	// verified remembers chains that were found good, by the digest of all that was
	// presented. CRLs cannot change under it, time can: hence the window of each entry.
	verified map[[32]byte]verified
}

// verified is a positive result, good while from <= now <= until.
type verified struct {
	identity    Identity
	from, until time.Time
}

// NewTrust checks the configuration. The caller must not change what is in it afterwards.
func NewTrust(c Config) (*Trust, error) {
	if len(c.Authorities) == 0 {
		return nil, errors.New("building client trust: no certificate authority, so every client would be refused")
	}
	t := &Trust{config: c, anchors: x509.NewCertPool(), verified: map[[32]byte]verified{}}
	anchored := false
	for _, authority := range c.Authorities {
		if err := checkAuthority(authority); err != nil {
			return nil, fmt.Errorf("building client trust: authority %q: %w", authority.Subject.CommonName, err)
		}
		if signedByOther(authority, c.Authorities) {
			t.intermediates = append(t.intermediates, authority)
		} else {
			t.anchors.AddCert(authority)
			anchored = true
		}
	}
	if !anchored {
		return nil, errors.New("building client trust: the authorities sign each other in a circle, add the root")
	}
	return t, nil
}

// Config returns what the Trust was made from. The caller must not change what is in it.
func (t *Trust) Config() Config { return t.config }

// Pool returns the configured authorities for tls.Config.ClientCAs, which tells clients
// whose certificates are welcome. Verification does not depend on it.
func (t *Trust) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range t.config.Authorities {
		pool.AddCert(c)
	}
	return pool
}

// Identify verifies the certificates that a client presented, leaf first, and says who it
// is. The error is always a *RefusedError. Call it for every request, with the current
// time: certificates expire and CRLs go stale while connections stay open.
func (t *Trust) Identify(certs []*x509.Certificate, now time.Time) (Identity, error) {
	if len(certs) == 0 {
		return Identity{}, refuse(NoCertificate, "client certificate required, ask your administrator for one")
	}
	if len(certs) > maxPresented {
		return Identity{}, refuse(Unusable, "client certificate cannot be used: %d certificates were sent, at most %d are allowed", len(certs), maxPresented)
	}
	key := digest(certs)
	t.mu.RLock()
	known, ok := t.verified[key]
	t.mu.RUnlock()
	if ok && !now.Before(known.from) && !now.After(known.until) {
		return known.identity, nil
	}
	result, refused := t.verify(certs, now)
	if refused != nil {
		return Identity{}, refused
	}
	t.remember(key, result)
	return result.identity, nil
}

// remember starts over when full: that costs each client one more verification, which is
// less than keeping an order of use on every request.
func (t *Trust) remember(key [32]byte, v verified) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.verified) >= maxVerified {
		clear(t.verified)
	}
	t.verified[key] = v
}

// digest identifies what was presented. DER says where it ends, so that no two lists of
// certificates have the same concatenation.
func digest(certs []*x509.Certificate) [32]byte {
	if len(certs) == 1 {
		return sha256.Sum256(certs[0].Raw)
	}
	h := sha256.New()
	for _, c := range certs {
		h.Write(c.Raw)
	}
	return [32]byte(h.Sum(nil))
}

func checkAuthority(c *x509.Certificate) error {
	if !c.BasicConstraintsValid || !c.IsCA {
		return errors.New("it is not a certificate authority (basic constraints CA:TRUE)")
	}
	return pki.CheckKey(c.PublicKey)
}

func signedByOther(c *x509.Certificate, authorities []*x509.Certificate) bool {
	for _, other := range authorities {
		if string(other.RawSubject) == string(c.RawIssuer) && !other.Equal(c) &&
			string(other.RawSubjectPublicKeyInfo) != string(c.RawSubjectPublicKeyInfo) && c.CheckSignatureFrom(other) == nil {
			return true
		}
	}
	return false
}
