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

// verify applies the rules of the package to all signatures of a message.
func (k *Keyring) verify(m *message, blocks [][]byte, now time.Time) (*Result, error) {
	sigs, err := signaturePackets(blocks)
	if err != nil {
		return nil, err
	}
	result := &Result{Text: m.text}
	var worthless []*Error
	for _, p := range sigs {
		sig, refusal := k.judge(m, p, now)
		switch {
		case refusal == nil:
			result.Signatures = append(result.Signatures, *sig)
		case refusal.Reason == BadSignature || refusal.Reason == Malformed:
			return nil, refusal
		default:
			worthless = append(worthless, refusal)
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

// judge returns a good signature of a trusted key, or why it is none. BadSignature and Malformed condemn the whole file.
func (k *Keyring) judge(m *message, p rawPacket, now time.Time) (*Signature, *Error) {
	h, err := readHeader(p.body)
	if err != nil {
		return nil, &Error{Malformed, "the signature holds " + err.Error()}
	}
	if h.version > 5 {
		// RFC 9580 section 5.2 wants unknown versions ignored, so that archives can add new signatures beside old ones.
		return nil, &Error{UnknownKey, fmt.Sprintf("a signature of version %d, which this program cannot check", h.version)}
	}
	if h.version != 4 {
		return nil, &Error{Malformed, fmt.Sprintf("a signature of the obsolete version %d", h.version)}
	}
	if h.kind != packet.SigTypeBinary && h.kind != packet.SigTypeText {
		return nil, &Error{Malformed, fmt.Sprintf("a signature of type 0x%02x, which is not one of a file", byte(h.kind))}
	}
	known := k.find(h.issuers)
	if len(known) == 0 {
		return nil, &Error{UnknownKey, "made by " + unknownIssuer(h.issuers) + ", which is not in the keyring"}
	}
	key, sig, refusal := checkKnown(m, p, h, known)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := k.policy(m, h, key, sig, now); refusal != nil {
		return nil, refusal
	}
	name, _ := algorithm(key.public)
	return &Signature{Fingerprint: key.cert.fingerprint, KeyFingerprint: key.fingerprint, UserID: key.cert.userID,
		Created: sig.CreationTime.UTC(), Hash: digestNames[h.hashID], Algorithm: name}, nil
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
func checkKnown(m *message, p rawPacket, h header, known []*signingKey) (*signingKey, *packet.Signature, *Error) {
	who := "key " + known[0].fingerprint
	if !computable(h.hashID) {
		return nil, nil, &Error{WeakDigest, who + " signed with " + digestName(h.hashID) + ", which apt refuses"}
	}
	if !slices.Contains(m.kinds, h.kind) {
		return nil, nil, &Error{Malformed, who + " made a binary signature, which cannot stand in a clearsigned file"}
	}
	sig := parseSignature(p)
	if sig == nil || hasUnknownCritical(sig) {
		return nil, nil, &Error{BadSignature, "the signature of " + who + " has parts that cannot be checked"}
	}
	for _, key := range known {
		state, err := m.digest(sig.Hash, h.kind)
		if err == nil && key.public.VerifySignature(state, sig) == nil {
			return key, sig, nil
		}
	}
	return nil, nil, &Error{BadSignature, "the signature of " + who + " does not match the text; it was changed on its way, or two versions were mixed"}
}

// hasUnknownCritical tells of notations that must be understood and are not; this package knows none.
func hasUnknownCritical(sig *packet.Signature) bool {
	return slices.ContainsFunc(sig.Notations, func(n *packet.Notation) bool { return n.IsCritical })
}

// policy judges a signature that matches the text. Order: the key first, since that is what a person has to mend.
func (k *Keyring) policy(m *message, h header, key *signingKey, sig *packet.Signature, now time.Time) *Error {
	who := "key " + key.fingerprint
	if !k.trusts(key) {
		return &Error{UnknownKey, who + " is in the keyring but is not one of the pinned keys"}
	}
	if reason, why := key.check(now); reason != "" {
		return &Error{reason, who + " " + why + "; look for a newer keyring package of the archive"}
	}
	ends := after(sig.CreationTime, sig.SigLifetimeSecs)
	made := sig.CreationTime.UTC().Format(time.DateTime)
	switch {
	case !acceptedDigest(h.hashID):
		return &Error{WeakDigest, who + " signed with " + digestName(h.hashID) + ", which apt refuses"}
	case m.clear && !slices.Contains(m.announced, digestName(h.hashID)):
		return &Error{WeakDigest, who + " signed with " + digestName(h.hashID) + ", which the file's Hash header does not name"}
	case sig.CreationTime.After(now.Add(MaxClockSkew)):
		return &Error{FutureSignature, who + " signed on " + made + " UTC, later than this machine's clock says"}
	case sig.CreationTime.Before(key.public.CreationTime):
		return &Error{WeakKey, who + " signed on " + made + " UTC, before it existed"}
	case passed(ends, now):
		return &Error{ExpiredSignature, "the signature of " + who + " ended on " + ends.UTC().Format(time.DateTime) + " UTC"}
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
