package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"aptmirror/proxy/pki"
)

// verify is the full check. Chain first: only what a known authority signed is worth an
// exact explanation.
func (t *Trust) verify(certs []*x509.Certificate, now time.Time) (verified, *RefusedError) {
	for _, c := range certs {
		// Judged before any of them is used: a signature check with a huge key is slow.
		if err := pki.CheckKey(c.PublicKey); err != nil {
			return verified{}, refuse(Unusable, "client certificate cannot be used: %v", err).because(err)
		}
	}
	if refused := checkPresented(certs[1:]); refused != nil {
		return verified{}, refused
	}
	chains, refused := t.chains(certs, now)
	if refused != nil {
		return verified{}, refused
	}
	if refused := checkLeaf(certs[0]); refused != nil {
		return verified{}, refused
	}
	from, until, refused := t.anyGood(chains, now)
	if refused != nil {
		return verified{}, refused
	}
	// x509 holds alternative names to the constraints of authorities, and no others.
	cnAllowed := t.config.CNAllowed && !slices.ContainsFunc(slices.Concat(chains...), constrained)
	id, refused := newIdentity(certs[0], cnAllowed)
	return verified{id, from, until}, refused
}

// maxSameName is how many certificates of one authority a client may send: two roots may
// have signed it.
const maxSameName = 2

// checkPresented refuses what no chain needs: many authorities of one name, or of different
// keys. Every order of them would be tried, at the cost of a signature check for each step,
// for a client that nobody knows yet.
func checkPresented(authorities []*x509.Certificate) *RefusedError {
	named := map[string][]*x509.Certificate{}
	for _, c := range authorities {
		same := named[string(c.RawSubject)]
		if slices.ContainsFunc(same, c.Equal) {
			continue
		}
		if len(same) == maxSameName || len(same) > 0 && string(same[0].RawSubjectPublicKeyInfo) != string(c.RawSubjectPublicKeyInfo) {
			return refuse(Unusable, "client certificate cannot be used: it came with several authorities \"%s\", SslCert must contain the one that signed it", c.Subject.CommonName)
		}
		named[string(c.RawSubject)] = append(same, c)
	}
	return nil
}

func (t *Trust) options(certs []*x509.Certificate, now time.Time) x509.VerifyOptions {
	pool := x509.NewCertPool()
	for _, c := range slices.Concat(certs[1:], t.intermediates) {
		pool.AddCert(c)
	}
	return x509.VerifyOptions{
		Roots:         t.anchors,
		Intermediates: pool,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func (t *Trust) chains(certs []*x509.Certificate, now time.Time) ([][]*x509.Certificate, *RefusedError) {
	options := t.options(certs, now)
	chains, err := certs[0].Verify(options)
	if err == nil {
		return chains, nil
	}
	if refused := t.explainTime(certs, options, now); refused != nil {
		return nil, refused.because(err)
	}
	// An expired certificate that would not be good in its time either: say that instead.
	options.CurrentTime = clamp(now, certs[0])
	if _, other := certs[0].Verify(options); other != nil && !expiry(other) {
		return nil, explain(certs, other)
	}
	if expiry(err) && !options.CurrentTime.Equal(now) {
		return nil, outOfTime(certs[0], true, now).because(err)
	}
	return nil, explain(certs, err)
}

func expiry(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

// explainTime looks for a certificate whose validity is the only thing that is wrong: at
// the nearest moment of its life the whole chain is good.
func (t *Trust) explainTime(certs []*x509.Certificate, options x509.VerifyOptions, now time.Time) *RefusedError {
	for i, c := range slices.Concat(certs, t.config.Authorities) {
		options.CurrentTime = clamp(now, c)
		if options.CurrentTime.Equal(now) {
			continue
		}
		if _, err := certs[0].Verify(options); err == nil {
			return outOfTime(c, i == 0, now)
		}
	}
	return nil
}

func outOfTime(c *x509.Certificate, leaf bool, now time.Time) *RefusedError {
	late := now.After(c.NotAfter)
	switch {
	case leaf && late:
		return refuse(Expired, "client certificate expired on %s, ask your administrator for a new one", day(c.NotAfter))
	case leaf:
		return refuse(NotYetValid, "client certificate is not valid before %s, here it is %s: check the clocks", minute(c.NotBefore), minute(now))
	case late:
		return refuse(Expired, "the certificate authority \"%s\" of the client certificate expired on %s, tell your administrator", c.Subject.CommonName, day(c.NotAfter))
	}
	return refuse(NotYetValid, "the certificate authority \"%s\" of the client certificate is not valid before %s, here it is %s", c.Subject.CommonName, minute(c.NotBefore), minute(now))
}

// explain puts an error of x509 into words for the person at the client.
func explain(certs []*x509.Certificate, err error) *RefusedError {
	var invalid x509.CertificateInvalidError
	switch {
	case slices.ContainsFunc(certs, weaklySigned):
		return refuse(Unusable, "client certificate cannot be used: it is signed with SHA-1 or MD5, ask your administrator for a new one").because(err)
	case errors.As(err, &x509.UnknownAuthorityError{}):
		return refuse(UnknownIssuer, "client certificate is from \"%s\", not trusted here; if that is an intermediate authority, SslCert must contain its certificate too", certs[0].Issuer.CommonName).because(err)
	case errors.As(err, &x509.UnhandledCriticalExtension{}):
		return refuse(Unusable, "client certificate cannot be used: it has a critical extension that is not understood").because(err)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return notClientAuth().because(err)
	case errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName:
		return refuse(Unusable, "client certificate cannot be used: its authority \"%s\" may not issue certificates for this name", certs[0].Issuer.CommonName).because(err)
	}
	return refuse(Unusable, "client certificate cannot be used: its chain of authorities is not valid").because(err)
}

func notClientAuth() *RefusedError {
	return refuse(Unusable, "client certificate cannot be used: it is not for clients (extended key usage clientAuth is missing)")
}

// checkLeaf is stricter than x509, which lets certificates without any extended key usage
// and those of authorities pass as clients.
func checkLeaf(leaf *x509.Certificate) *RefusedError {
	switch {
	case leaf.IsCA:
		return refuse(Unusable, "client certificate cannot be used: it belongs to a certificate authority")
	case !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return notClientAuth()
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse(Unusable, "client certificate cannot be used: it may not sign (key usage digitalSignature is missing)")
	}
	return nil
}

// constrained tells of an authority that may issue certificates for some names alone.
func constrained(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidNameConstraints) })
}

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// anyGood looks for one chain without fault and says when it is good. With several chains,
// as cross-signing makes them, one is enough; if none is, the first says why.
func (t *Trust) anyGood(chains [][]*x509.Certificate, now time.Time) (from, until time.Time, refused *RefusedError) {
	for _, chain := range chains {
		from, until, err := t.checkChain(chain, now)
		if err == nil {
			return from, until, nil
		}
		if refused == nil {
			refused = err
		}
	}
	return from, until, refused
}

// checkChain checks what x509 does not: revocation of everything below the anchor, and
// the key and signature of everything above the leaf.
func (t *Trust) checkChain(chain []*x509.Certificate, now time.Time) (from, until time.Time, refused *RefusedError) {
	from, until = chain[0].NotBefore, chain[0].NotAfter
	for i, c := range chain {
		from, until = later(from, c.NotBefore), earlier(until, c.NotAfter)
		if err := pki.CheckKey(c.PublicKey); err != nil {
			return from, until, refuse(Unusable, "client certificate cannot be used: its authority \"%s\" has a weak key", c.Subject.CommonName).because(err)
		}
		if i+1 == len(chain) {
			break
		}
		list, refused := t.checkRevoked(c, chain[i+1], i == 0, now)
		if refused != nil {
			return from, until, refused
		}
		if list != nil {
			from, until = later(from, list.ThisUpdate.Add(-clockSkew)), earlier(until, list.NextUpdate.Add(t.config.CRLGrace))
		}
	}
	return from, until, nil
}

// checkRevoked returns the list that cleared c, nil where its authority has none.
func (t *Trust) checkRevoked(c, authority *x509.Certificate, leaf bool, now time.Time) (*pki.CRL, *RefusedError) {
	list := t.listOf(authority)
	if list == nil {
		if t.config.CRLRequired {
			return nil, refuse(StaleCRL, "the mirror has no revocation list of authority \"%s\", tell your administrator", authority.Subject.CommonName)
		}
		return nil, nil
	}
	// A stale list still knows whom it revoked.
	if entry, ok := list.Lookup(c.SerialNumber); ok {
		if leaf {
			return nil, refuse(Revoked, "client certificate was revoked on %s, ask your administrator for a new one", day(entry.Time))
		}
		return nil, refuse(Revoked, "the certificate authority \"%s\" of the client certificate was revoked on %s, ask your administrator for a new one", c.Subject.CommonName, day(entry.Time))
	}
	if now.After(list.NextUpdate.Add(t.config.CRLGrace)) {
		return nil, refuse(StaleCRL, "the mirror's revocation list of authority \"%s\" ran out on %s, tell your administrator", authority.Subject.CommonName, day(list.NextUpdate))
	}
	if now.Before(list.ThisUpdate.Add(-clockSkew)) {
		return nil, refuse(StaleCRL, "the mirror's revocation list of authority \"%s\" begins on %s, its clock says %s, tell your administrator", authority.Subject.CommonName, day(list.ThisUpdate), minute(now))
	}
	return list, nil
}

// listOf returns the newest list of an authority, nil for none.
func (t *Trust) listOf(authority *x509.Certificate) *pki.CRL {
	var newest *pki.CRL
	for _, list := range t.config.CRLs {
		if list.Covers(authority) && (newest == nil || list.Newer(newest)) {
			newest = list
		}
	}
	return newest
}

// weaklySigned is about certificates that others signed: a root's own signature proves nothing.
func weaklySigned(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return string(c.RawSubject) != string(c.RawIssuer)
	}
	return false
}

// clamp is the moment in the life of c that is nearest to now.
func clamp(now time.Time, c *x509.Certificate) time.Time {
	return earlier(later(now, c.NotBefore), c.NotAfter)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func day(t time.Time) string    { return t.UTC().Format(time.DateOnly) }
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
