package pgp

import (
	"crypto"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// VerifyBinary checks a file that is not text, of any length, against a detached signature of its bytes, armoured or
// binary, as of now. The result has no Text. A refusal is an *Error; any other error is that of reading.
func (k *Keyring) VerifyBinary(r io.Reader, sig []byte, now time.Time) (*Result, error) {
	blocks, err := detachedBlocks(sig)
	if err != nil {
		return nil, err
	}
	packets, err := signaturePackets(blocks)
	if err != nil {
		return nil, err
	}
	m := &message{kinds: []packet.SignatureType{packet.SigTypeBinary}, digests: neededDigests(packets)}
	var writers []io.Writer
	for _, state := range m.digests {
		writers = append(writers, state)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), r); err != nil {
		return nil, fmt.Errorf("reading what is signed: %w", err)
	}
	return k.verify(m, blocks, now)
}

// neededDigests starts the digests that checkKnown will ask for: the bytes pass by only once.
func neededDigests(sigs []rawPacket) map[digestKind]hash.Hash {
	needed := make(map[digestKind]hash.Hash)
	for _, p := range sigs {
		h, no := readable(p)
		if no != nil || !computable(h.hashID) {
			continue
		}
		sig := parseSignature(p)
		if sig == nil {
			continue
		}
		if key := (digestKind{sig.Hash, packet.SigTypeBinary}); needed[key] == nil && available(sig.Hash) {
			needed[key] = sig.Hash.New()
		}
	}
	return needed
}

func available(h crypto.Hash) bool { return h > 0 && h.Available() }

// Unverified takes a clearsigned message apart by the same rules as VerifyClearsigned, but looks at no signature. It is
// for files that are trusted for another reason, such as who brought them; text without a signature comes back as it is.
func Unverified(data []byte) (text []byte, err error) {
	if !strings.HasPrefix(string(data[:min(len(data), len(beginMessage))]), "-----BEGIN PGP") {
		return data, checkBytes(data)
	}
	parts, err := splitClearsigned(data)
	if err != nil {
		return nil, err
	}
	return parts.text, nil
}
