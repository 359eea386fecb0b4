package pgp

import (
	"bytes"
	"crypto"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// VerifyClearsigned checks an InRelease file as of now. Every refusal is an *Error.
func (k *Keyring) VerifyClearsigned(data []byte, now time.Time) (*Result, error) {
	parts, err := splitClearsigned(data)
	if err != nil {
		return nil, err
	}
	m := &message{kinds: []packet.SignatureType{packet.SigTypeText}, announced: parts.hashes, clear: true, text: parts.text}
	return k.verify(m, parts.blocks, now)
}

// VerifyDetached checks text, a Release file, against its Release.gpg, armoured or binary, as of now. Every refusal is
// an *Error.
func (k *Keyring) VerifyDetached(text, sig []byte, now time.Time) (*Result, error) {
	if err := checkBytes(text); err != nil {
		return nil, err
	}
	blocks, err := detachedBlocks(sig)
	if err != nil {
		return nil, err
	}
	m := &message{kinds: []packet.SignatureType{packet.SigTypeBinary, packet.SigTypeText}, text: text}
	return k.verify(m, blocks, now)
}

func detachedBlocks(sig []byte) ([][]byte, error) {
	switch {
	case len(sig) == 0:
		return nil, &Error{Unsigned, "the signature is empty"}
	case len(sig) > MaxMessageBytes:
		return nil, &Error{Malformed, fmt.Sprintf("the signature is longer than %d bytes", MaxMessageBytes)}
	case sig[0]&0x80 != 0:
		return [][]byte{sig}, nil
	}
	if err := checkBytes(sig); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(sig, []byte(beginSignature)) {
		return nil, &Error{Unsigned, "the signature file does not begin with " + beginSignature}
	}
	return readSignatureBlocks(&lines{rest: sig})
}

// message is a text whose signatures are being checked. It keeps the digest of the text for each way of computing it, so
// that many signatures cost one pass.
type message struct {
	text      []byte
	clear     bool // clearsigned: the last line end is not signed
	kinds     []packet.SignatureType
	announced []string // digests in the Hash headers of a clearsigned message
	digests   map[digestKind]hash.Hash
}

type digestKind struct {
	hash crypto.Hash
	kind packet.SignatureType
}

// digest returns the state of a digest that has seen the text, to be finished by the caller.
func (m *message) digest(h crypto.Hash, kind packet.SignatureType) (hash.Hash, error) {
	key := digestKind{h, kind}
	state, ok := m.digests[key]
	if !ok {
		if m.digests == nil {
			m.digests = make(map[digestKind]hash.Hash)
		}
		state = h.New()
		state.Write(m.signedBytes(kind))
		m.digests[key] = state
	}
	cloner, ok := state.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("%v cannot be used", h)
	}
	return cloner.Clone()
}

// signedBytes is the text as the signature type wants it: as it stands, or with CR LF.
func (m *message) signedBytes(kind packet.SignatureType) []byte {
	if kind == packet.SigTypeBinary {
		return m.text
	}
	canonical := bytes.ReplaceAll(m.text, []byte("\n"), []byte("\r\n"))
	if m.clear {
		canonical = bytes.TrimSuffix(canonical, []byte("\r\n"))
	}
	return canonical
}

// refusal is why one signature does not count, and what that means for the file.
type refusal struct {
	Error
	weight
}

type weight int

const (
	ignored    weight = iota // adds nothing
	stopping                 // gpgv reads no further here, so nothing after it counts: refuses unless a good one came before
	condemning               // refuses, whatever else there is
)

// verify applies the rules of the package to all signatures of a message.
func (k *Keyring) verify(m *message, blocks [][]byte, now time.Time) (*Result, error) {
	sigs, err := signaturePackets(blocks)
	if err != nil {
		return nil, err
	}
	result := &Result{Text: m.text}
	var worthless []*Error
	for _, p := range sigs {
		sig, no := k.judge(m, p, now)
		switch {
		case no == nil:
			result.Signatures = append(result.Signatures, *sig)
		case no.weight == condemning, no.weight == stopping && len(result.Signatures) == 0:
			return nil, &no.Error
		default:
			worthless = append(worthless, &no.Error)
		}
	}
	if len(result.Signatures) == 0 {
		return nil, noGoodSignature(worthless)
	}
	return result, nil
}

// signaturePackets cuts the blocks into packets, which must all be signatures.
func signaturePackets(blocks [][]byte) (sigs []rawPacket, err error) {
	for _, data := range blocks {
		for len(data) > 0 {
			p, rest, err := nextPacket(data)
			if err != nil {
				return nil, &Error{Malformed, "the signature holds " + err.Error()}
			}
			if p.tag != tagSignature {
				return nil, &Error{Malformed, fmt.Sprintf("the signature holds a packet of type %d", p.tag)}
			}
			if sigs, data = append(sigs, p), rest; len(sigs) > maxSignatures {
				return nil, &Error{Malformed, fmt.Sprintf("more than %d signatures", maxSignatures)}
			}
		}
	}
	if len(sigs) == 0 {
		return nil, &Error{Unsigned, "the signature is empty"}
	}
	return sigs, nil
}

// judge returns a good signature of a trusted key, or why it is none.
func (k *Keyring) judge(m *message, p rawPacket, now time.Time) (*Signature, *refusal) {
	h, no := readable(p)
	if no != nil {
		return nil, no
	}
	known := k.find(h.issuers)
	if len(known) == 0 {
		return nil, refuse(ignored, UnknownKey, "made by %s, which is not in the keyring", unknownIssuer(h.issuers))
	}
	key, sig, no := checkKnown(m, p, h, known)
	if no != nil {
		return nil, no
	}
	if no := k.policy(m, h, key, sig, now); no != nil {
		return nil, no
	}
	name, _ := algorithm(key.public)
	return &Signature{Fingerprint: key.cert.fingerprint, KeyFingerprint: key.fingerprint, UserID: key.cert.userID,
		Created: sig.CreationTime.UTC(), Hash: digestNames[h.hashID], Algorithm: name}, nil
}

func refuse(w weight, reason Reason, format string, args ...any) *refusal {
	return &refusal{Error{reason, fmt.Sprintf(format, args...)}, w}
}

// readable tells whether the packet is a signature of a file in a form that can be checked. RFC 9580 section 5.2 wants
// unknown versions ignored, so that archives can add new signatures behind old ones; versions 3 and 5 gpgv would check.
func readable(p rawPacket) (h header, no *refusal) {
	h, err := readHeader(p.body)
	switch {
	case err != nil:
		return h, refuse(condemning, Malformed, "the signature holds %v", err)
	case h.version > 5:
		return h, refuse(stopping, Malformed, "a signature of version %d, which not every apt can check, without one of version 4 before it", h.version)
	case h.version != 4:
		return h, refuse(condemning, Malformed, "a signature of version %d, which is obsolete", h.version)
	case h.kind != packet.SigTypeBinary && h.kind != packet.SigTypeText:
		return h, refuse(condemning, Malformed, "a signature of type 0x%02x, which is not one of a file", byte(h.kind))
	}
	return h, nil
}

// find returns the keys that an issuer subpacket names.
func (k *Keyring) find(issuers []issuer) (keys []*signingKey) {
	for _, i := range issuers {
		for _, key := range k.byID[i.id] {
			if (i.fingerprint == "" || i.fingerprint == key.fingerprint) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func unknownIssuer(issuers []issuer) string {
	if len(issuers) == 0 {
		return "a key that is not named"
	}
	name := issuers[0].String()
	for _, i := range issuers {
		if i.fingerprint != "" {
			name = i.fingerprint
		}
	}
	return "key " + name
}

// checkKnown does the arithmetic: which of the keys made the signature. Anything but a match is bad, as it is for gpgv:
// a known key does not sign something else by accident.
func checkKnown(m *message, p rawPacket, h header, known []*signingKey) (*signingKey, *packet.Signature, *refusal) {
	who := "key " + known[0].fingerprint
	if !computable(h.hashID) {
		return nil, nil, refuse(ignored, WeakDigest, "%s signed with %s, which apt refuses", who, digestName(h.hashID))
	}
	if !slices.Contains(m.kinds, h.kind) {
		return nil, nil, refuse(condemning, Malformed, "%s made a signature of type 0x%02x, which cannot be one of this file: clearsigned ones have 0x01, binary ones 0x00", who, byte(h.kind))
	}
	sig := parseSignature(p)
	if sig == nil || hasUnknownCritical(sig) {
		return nil, nil, refuse(condemning, BadSignature, "the signature of %s has parts that cannot be checked", who)
	}
	for _, key := range known {
		state, err := m.digest(sig.Hash, h.kind)
		if err == nil && key.public.VerifySignature(state, sig) == nil {
			return key, sig, nil
		}
	}
	return nil, nil, refuse(condemning, BadSignature,
		"the signature of %s does not match the text; it was changed on its way, or two versions were mixed", who)
}

// hasUnknownCritical tells of notations that must be understood and are not; this package knows none.
func hasUnknownCritical(sig *packet.Signature) bool {
	return slices.ContainsFunc(sig.Notations, func(n *packet.Notation) bool { return n.IsCritical })
}

// policy judges a signature that matches the text.
func (k *Keyring) policy(m *message, h header, key *signingKey, sig *packet.Signature, now time.Time) *refusal {
	who := "key " + key.fingerprint
	made := sig.CreationTime.UTC().Format(time.DateTime)
	if ends := after(sig.CreationTime, sig.SigLifetimeSecs); passed(ends, now) {
		return refuse(stopping, ExpiredSignature, "the signature of %s ended on %s UTC", who, ends.UTC().Format(time.DateTime))
	}
	if !k.trusts(key) {
		return refuse(ignored, UnknownKey, "%s is in the keyring but is not one of the pinned keys", who)
	}
	if reason, why := key.check(now); reason != "" {
		return refuse(ignored, reason, "%s %s; look for a newer keyring package of the archive", who, why)
	}
	switch digest := digestName(h.hashID); {
	case !acceptedDigest(h.hashID):
		return refuse(ignored, WeakDigest, "%s signed with %s, which apt refuses", who, digest)
	case m.clear && !slices.Contains(m.announced, digest):
		return refuse(ignored, WeakDigest, "%s signed with %s, which the file's Hash header does not name", who, digest)
	case sig.CreationTime.After(now.Add(MaxClockSkew)):
		return refuse(ignored, FutureSignature, "%s signed on %s UTC, later than this machine's clock says", who, made)
	case sig.CreationTime.Before(key.public.CreationTime):
		return refuse(ignored, WeakKey, "%s signed on %s UTC, before it existed", who, made)
	case key.lapsed(sig.CreationTime):
		return refuse(ignored, ExpiredKey, "%s signed on %s UTC, when it had expired and was not renewed yet", who, made)
	}
	return nil
}

func digestName(id byte) string {
	if name, ok := digestNames[id]; ok {
		return name
	}
	return fmt.Sprintf("digest %d", id)
}

func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }

// noGoodSignature sums up why none of the signatures counts. The reason is that of the first known key: what is wrong
// with it can be mended, while unknown keys are normal beside it.
func noGoodSignature(worthless []*Error) *Error {
	sum := &Error{Reason: UnknownKey}
	var details []string
	for _, e := range worthless {
		if sum.Reason == UnknownKey {
			sum.Reason = e.Reason
		}
		details = append(details, e.Detail)
	}
	sum.Detail = strings.Join(details, "; ")
	if sum.Reason == UnknownKey {
		sum.Detail += "; add the archive's key to the keyring if you trust it"
	}
	return sum
}
