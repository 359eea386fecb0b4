package pgp

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// component is a primary key, a user ID or a subkey with the signatures that follow it in a keyring.
type component struct {
	rawPacket
	signatures []rawPacket
}

// certificate is one OpenPGP key as its owner publishes it. After bind it is read only.
type certificate struct {
	fingerprint string
	primary     *packet.PublicKey
	components  []component // the primary key first, then in file order

	userID   string       // the primary one
	bindings []binding    // of the primary key
	keys     []signingKey // every key that can make signatures, usable or not
}

// signingKey is a primary key or subkey that signatures can name.
type signingKey struct {
	cert        *certificate
	public      *packet.PublicKey
	fingerprint string
	revoked     bool
	bindings    []binding // of a subkey
}

// parseKey reads a public key or subkey packet; nil for versions and algorithms that no signature here can have.
func parseKey(p rawPacket) *packet.PublicKey {
	parsed, err := packet.Read(bytes.NewReader(p.raw))
	if err != nil {
		return nil
	}
	key, ok := parsed.(*packet.PublicKey)
	if !ok || key.Version != 4 || !key.PubKeyAlgo.CanSign() {
		return nil
	}
	return key
}

func parseSignature(p rawPacket) *packet.Signature {
	parsed, err := packet.Read(bytes.NewReader(p.raw))
	if err != nil {
		return nil
	}
	sig, _ := parsed.(*packet.Signature)
	return sig
}

func fingerprintOf(key *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(key.Fingerprint))
}

// merge adds what other knows about the same key: newer self-signatures, revocations, subkeys.
func (c *certificate) merge(other *certificate) {
	for _, theirs := range other.components {
		ours := c.find(theirs.rawPacket)
		if ours == nil {
			c.components = append(c.components, theirs)
			continue
		}
		for _, sig := range theirs.signatures {
			ours.add(sig)
		}
	}
	// A keyring has user IDs before subkeys (RFC 9580 section 10.1); the tags happen to be in that order.
	slices.SortStableFunc(c.components[1:], func(a, b component) int { return a.tag - b.tag })
}

func (c *certificate) find(p rawPacket) *component {
	for i := range c.components {
		if c.components[i].tag == p.tag && bytes.Equal(c.components[i].body, p.body) {
			return &c.components[i]
		}
	}
	return nil
}

func (c *component) add(sig rawPacket) {
	for _, have := range c.signatures {
		if bytes.Equal(have.body, sig.body) {
			return
		}
	}
	c.signatures = append(c.signatures, sig)
}

// bind checks the self-signatures of the certificate and fills in what they say.
func (c *certificate) bind() {
	c.bindings, c.keys, c.userID = nil, nil, ""
	primary := signingKey{cert: c, public: c.primary, fingerprint: c.fingerprint}
	primary.revoked = c.bindPrimary(&c.components[0])
	c.bindUserIDs()
	c.keys = append(c.keys, primary)
	for i := range c.components {
		if part := &c.components[i]; part.tag == tagPublicSubkey {
			c.bindSubkey(part, primary.revoked)
		}
	}
}

// own returns the signatures of the component, of the wanted types, that may be made by the primary key: those that say
// so or name nobody. Third parties' certifications are never looked at, nor are revocations by a designated revoker.
func (c *certificate) own(part *component, want func(packet.SignatureType) bool) (sigs []*packet.Signature) {
	for _, raw := range part.signatures {
		h, err := readHeader(raw.body)
		if err != nil || h.version != 4 || !want(h.kind) {
			continue
		}
		sig := parseSignature(raw)
		if sig != nil && (sig.IssuerKeyId == nil || sig.CheckKeyIdOrFingerprint(c.primary)) {
			sigs = append(sigs, sig)
		}
	}
	return sigs
}

// bindPrimary reads direct-key signatures and revocations. A revocation counts whatever its reason and date.
func (c *certificate) bindPrimary(part *component) (revoked bool) {
	want := func(t packet.SignatureType) bool {
		return t == packet.SigTypeDirectSignature || t == packet.SigTypeKeyRevocation
	}
	for _, sig := range c.own(part, want) {
		switch {
		case sig.SigType == packet.SigTypeKeyRevocation:
			revoked = revoked || c.primary.VerifyRevocationSignature(sig) == nil
		case c.primary.VerifyDirectKeySignature(sig) == nil:
			c.bindings = append(c.bindings, newBinding(sig, c.primary))
		}
	}
	return revoked
}

// bindUserIDs reads the self-certifications. Those of a user ID that was revoked later do not count.
func (c *certificate) bindUserIDs() {
	var named *binding // the one that userID is taken from
	for i := range c.components {
		part := &c.components[i]
		if part.tag != tagUserID {
			continue
		}
		for _, b := range c.certifications(part) {
			c.bindings = append(c.bindings, b)
			if named == nil || b.primaryID && !named.primaryID || b.primaryID == named.primaryID && b.created.After(named.created) {
				named, c.userID = &b, Legible(string(part.body))
			}
		}
	}
}

// Legible keeps what strangers say, the owner of a key in its name or a server in an answer, from doing anything to the terminal
// that it is shown on.
func Legible(said string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(said, "?"))
}

func (c *certificate) certifications(part *component) (found []binding) {
	want := func(t packet.SignatureType) bool {
		return t >= packet.SigTypeGenericCert && t <= packet.SigTypePositiveCert || t == packet.SigTypeCertificationRevocation
	}
	var revoked []*packet.Signature
	for _, sig := range c.own(part, want) {
		if c.primary.VerifyUserIdSignature(string(part.body), c.primary, sig) != nil {
			continue
		}
		if sig.SigType == packet.SigTypeCertificationRevocation {
			revoked = append(revoked, sig)
			continue
		}
		found = append(found, newBinding(sig, c.primary))
	}
	for _, sig := range revoked {
		found = dropUntil(found, sig)
	}
	return found
}

// dropUntil removes the bindings that a revocation undoes: those that are not newer.
func dropUntil(all []binding, revocation *packet.Signature) (left []binding) {
	for _, b := range all {
		if b.created.After(revocation.CreationTime) {
			left = append(left, b)
		}
	}
	return left
}

// bindSubkey reads the bindings of a subkey. Go-crypto checks the subkey's signature back to the primary key as well
// where the binding lets it sign, so that nobody can adopt another's subkey.
func (c *certificate) bindSubkey(part *component, revoked bool) {
	public := parseKey(part.rawPacket)
	if public == nil {
		return
	}
	key := signingKey{cert: c, public: public, fingerprint: fingerprintOf(public), revoked: revoked}
	want := func(t packet.SignatureType) bool {
		return t == packet.SigTypeSubkeyBinding || t == packet.SigTypeSubkeyRevocation
	}
	for _, sig := range c.own(part, want) {
		switch {
		case sig.SigType == packet.SigTypeSubkeyRevocation:
			key.revoked = key.revoked || c.primary.VerifySubkeyRevocationSignature(sig, public) == nil
		case c.primary.VerifyKeySignature(public, sig) == nil:
			key.bindings = append(key.bindings, subkeyBinding(sig, public))
		}
	}
	c.keys = append(c.keys, key)
}

// subkeyBinding is newBinding with the cross-signature's digest and end date taken into account.
func subkeyBinding(sig *packet.Signature, public *packet.PublicKey) binding {
	b := newBinding(sig, public)
	if back := sig.EmbeddedSignature; back != nil {
		b.strong = b.strong && strongDigest(back.Hash)
		if end := after(back.CreationTime, back.SigLifetimeSecs); b.signatureEnds.IsZero() || passed(end, b.signatureEnds) {
			b.signatureEnds = end
		}
	}
	return b
}
