package pgp

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1"   // so that a SHA-1 signature can be told bad from weak
	_ "crypto/sha256" // digests of signatures
	_ "crypto/sha512"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// MaxClockSkew is how far ahead of now a signature may be dated; apt's default for Acquire::Max-FutureTime. One dated
// later does not count.
const MaxClockSkew = 10 * time.Second

// minRSABits is the smallest RSA modulus that apt 3 accepts.
const minRSABits = 2048

// digestNames are the digests by their number in RFC 9580 section 9.5.
var digestNames = map[byte]string{
	1: "MD5", 2: "SHA1", 3: "RIPEMD160", 8: "SHA256", 9: "SHA384", 10: "SHA512", 11: "SHA224", 12: "SHA3-256", 14: "SHA3-512",
}

// computable tells whether a signature over this digest is checked before the digest is judged: a bad SHA-1 signature
// refuses the file, a good one is merely worth nothing. The others cannot be computed by gpgv either.
func computable(hashID byte) bool {
	name := digestNames[hashID]
	return name == "SHA1" || name == "SHA224" || acceptedDigest(hashID)
}

func acceptedDigest(hashID byte) bool { return hashID >= 8 && hashID <= 10 }

// strongDigest is acceptedDigest for the digest of a parsed signature.
func strongDigest(h crypto.Hash) bool {
	return h == crypto.SHA256 || h == crypto.SHA384 || h == crypto.SHA512
}

// curveNames are the curves that both gpgv's default assertion and apt's sqv policy accept.
var curveNames = map[packet.Curve]string{
	packet.Curve25519:    "Ed25519",
	packet.Curve448:      "Ed448",
	packet.CurveNistP256: "P-256",
	packet.CurveNistP384: "P-384",
	packet.CurveNistP521: "P-521",
}

// algorithm names a key's algorithm and size; strong is false where apt 3 would refuse it.
func algorithm(key *packet.PublicKey) (name string, strong bool) {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		public, ok := key.PublicKey.(*rsa.PublicKey)
		if !ok {
			return "RSA", false
		}
		bits := public.N.BitLen()
		return fmt.Sprintf("RSA-%d", bits), bits >= minRSABits
	case packet.PubKeyAlgoDSA:
		return "DSA", false
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		curve, err := key.Curve()
		if err != nil {
			return "an unknown curve", false
		}
		if name, strong = curveNames[curve]; !strong {
			name = string(curve)
		}
		return name, strong
	}
	return fmt.Sprintf("algorithm %d", key.PubKeyAlgo), false
}

// binding is a self-signature that was checked: what the owner of a key said about it, and when.
type binding struct {
	created       time.Time
	signatureEnds time.Time // zero: never
	keyEnds       time.Time // zero: never
	strong        bool      // made with a digest that apt 3 accepts for self-signatures
	signs         bool      // the key flags let the key sign data
	primaryID     bool      // on a user ID marked as the primary one
	direct        bool      // on the key itself, not on a user ID
}

func newBinding(sig *packet.Signature, key *packet.PublicKey) binding {
	return binding{
		created:       sig.CreationTime,
		signatureEnds: after(sig.CreationTime, sig.SigLifetimeSecs),
		keyEnds:       after(key.CreationTime, sig.KeyLifetimeSecs),
		strong:        strongDigest(sig.Hash),
		signs:         sig.FlagsValid && sig.FlagSign,
		primaryID:     sig.IsPrimaryId != nil && *sig.IsPrimaryId,
		direct:        sig.SigType == packet.SigTypeDirectSignature,
	}
}

// after adds a lifetime in seconds; none and 0 both mean for ever.
func after(start time.Time, lifetime *uint32) time.Time {
	if lifetime == nil || *lifetime == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(*lifetime) * time.Second)
}

func passed(end, t time.Time) bool { return !end.IsZero() && !t.Before(end) }

// newest returns the latest binding in force at t among those that match, nil if there is none.
func newest(all []binding, t time.Time, match func(*binding) bool) (found *binding) {
	for i := range all {
		b := &all[i]
		if match(b) && !b.created.After(t) && !passed(b.signatureEnds, t) && (found == nil || b.created.After(found.created)) {
			found = b
		}
	}
	return found
}

// checkBindings says why a key bound by these self-signatures is unusable at t, "" if it is not. Implementations differ
// in which self-signature they take the key's expiry from (GnuPG the newest, Sequoia the primary user ID's, both heed
// the one on the key itself); the key counts as expired when any of these says so.
func checkBindings(all []binding, t time.Time, mustSign bool) (Reason, string) {
	groups := []func(*binding) bool{
		func(b *binding) bool { return !b.direct },
		func(b *binding) bool { return b.primaryID },
		func(b *binding) bool { return b.direct },
		func(b *binding) bool { return b.strong && !b.direct },
	}
	for _, match := range groups {
		if b := newest(all, t, match); b != nil && passed(b.keyEnds, t) {
			return ExpiredKey, "expired on " + b.keyEnds.UTC().Format(time.DateOnly)
		}
	}
	switch strong := newest(all, t, groups[3]); {
	case newest(all, t, groups[0]) == nil:
		return WeakKey, "has no self-signature that is in force"
	case strong == nil:
		return WeakKey, "is only bound by self-signatures with a weak digest, which apt 3 refuses"
	case mustSign && !strong.signs:
		return WeakKey, "is not marked as a signing key"
	}
	return "", ""
}

// check says why the key must not be relied on at t, "" if it may.
func (k *signingKey) check(t time.Time) (Reason, string) {
	if k.revoked {
		return RevokedKey, "was revoked by its owner"
	}
	for _, key := range []*packet.PublicKey{k.cert.primary, k.public} {
		if name, strong := algorithm(key); !strong {
			return WeakKey, "uses " + name + ", which apt 3 refuses"
		}
		if key.CreationTime.After(t) {
			return FutureSignature, "was made on " + key.CreationTime.UTC().Format(time.DateTime) + ", later than the clock says"
		}
	}
	isPrimary := k.public == k.cert.primary
	if reason, why := checkBindings(k.cert.bindings, t, isPrimary); reason != "" || isPrimary {
		return reason, why
	}
	return checkBindings(k.bindings, t, true)
}

// lapsed tells whether the key had expired at t, a time in the past, by what its owner had said until then. Keyrings often
// lack the self-signatures of that time; then nothing is held against the key.
func (k *signingKey) lapsed(t time.Time) bool {
	for _, all := range [][]binding{k.cert.bindings, k.bindings} {
		if b := newest(all, t, func(*binding) bool { return true }); b != nil && passed(b.keyEnds, t) {
			return true
		}
	}
	return false
}
