// Package pgp verifies the OpenPGP signatures of archives: clearsigned InRelease files, Release with a detached
// Release.gpg, and the keyrings they are checked against (RFC 9580, and apt's own stricter framing).
//
// The rule is "never laxer than apt": a file is accepted only if gpgv as apt 2.6 runs it and sqv as apt 3 runs it
// would both accept it. At least one good signature of a trusted key is needed; signatures of unknown keys are
// ignored; a signature of a known key that is cryptographically wrong refuses the file, whatever else is in it.
// A known key that is expired, revoked or weak adds nothing, and takes nothing away from a good signature beside it.
// Ed25519 and Ed448 keys under their new numbers (27, 28) are the one exception to the rule: they are accepted although
// the programs of Debian 12 and 13 cannot read them yet.
//
// Only Result.Text may be parsed by a caller: the bytes around it, and the spaces at the ends of its lines, are not
// signed.
//
// The package never signs, never talks to a network or a key server, never reads the clock (the caller passes now),
// and never trusts a key because of who certified it: being in the keyring is the trust.
package pgp

import "time"

// Reason says why a file or keyring was refused. The set is bounded, so it can be a metric label.
type Reason string

const (
	Unsigned         Reason = "unsigned"          // no signature where one must be
	Malformed        Reason = "malformed"         // framing, armour or packets are not what apt accepts, or over a limit
	UnknownKey       Reason = "unknown-key"       // only signed by keys outside the keyring or its pins
	BadSignature     Reason = "bad-signature"     // a known key's signature does not match the text
	WeakDigest       Reason = "weak-digest"       // signed with something else than SHA-256, SHA-384 or SHA-512
	WeakKey          Reason = "weak-key"          // algorithm, size, usage or self-signature that apt 3 refuses
	ExpiredKey       Reason = "expired-key"       // the key has expired by now
	RevokedKey       Reason = "revoked-key"       // the key was revoked, for whatever reason
	ExpiredSignature Reason = "expired-signature" // the signature carries an end date that has passed
	FutureSignature  Reason = "future-signature"  // made later than now
)

// Error is a refusal. Detail is a sentence for the person who meets it: which key, and what to do.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }

// Signature is one good signature of a trusted key.
type Signature struct {
	Fingerprint    string // of the primary key, upper-case hex
	KeyFingerprint string // of the key or subkey that signed, upper-case hex
	UserID         string // the key's primary user ID, as its owner wrote it but for control characters
	Created        time.Time
	Hash           string // "SHA256", "SHA384" or "SHA512"
	Algorithm      string // "RSA-4096", "Ed25519", "P-256" and so on
}

// Result is what a successful verification yields.
type Result struct {
	// Text is the signed text with LF line ends: the only bytes that may be parsed.
	Text []byte
	// Signatures are the good ones, in file order, at least one.
	Signatures []Signature
}
