package pgp

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet types of RFC 9580 section 5.
const (
	tagSignature    = 2
	tagSecretKey    = 5
	tagPublicKey    = 6
	tagSecretSubkey = 7
	tagMarker       = 10
	tagTrust        = 12
	tagUserID       = 13
	tagPublicSubkey = 14
	tagPadding      = 21
)

// maxSignatures is the most signatures one file may carry; more is refused before any arithmetic is done. Debian uses
// three.
const maxSignatures = 16

// rawPacket is one packet as it stands in its file.
type rawPacket struct {
	tag  int
	raw  []byte // header and body
	body []byte
}

var errPacket = errors.New("a broken OpenPGP packet")

// nextPacket cuts the first packet off data (RFC 9580 section 4.2). Partial and indeterminate lengths are refused:
// nothing writes them for keys or signatures.
func nextPacket(data []byte) (p rawPacket, rest []byte, err error) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return p, nil, errPacket
	}
	head, size := 0, uint64(0)
	if data[0]&0x40 != 0 {
		p.tag = int(data[0] & 0x3f)
		head, size = newLength(data)
	} else {
		p.tag = int(data[0]>>2) & 0x0f
		head, size = oldLength(data)
	}
	if head == 0 || head > len(data) || size > uint64(len(data)-head) {
		return p, nil, errPacket
	}
	end := head + int(size)
	p.raw, p.body = data[:end:end], data[head:end:end]
	return p, data[end:], nil
}

// newLength returns the size of a new-format header and of the body; head 0 means unusable.
func newLength(data []byte) (head int, size uint64) {
	switch first := data[1]; {
	case first < 192:
		return 2, uint64(first)
	case first < 224 && len(data) >= 3:
		return 3, uint64(first-192)<<8 + uint64(data[2]) + 192
	case first == 255 && len(data) >= 6:
		return 6, uint64(binary.BigEndian.Uint32(data[2:]))
	}
	return 0, 0
}

// oldLength is newLength for the old packet format, which GnuPG still writes.
func oldLength(data []byte) (head int, size uint64) {
	switch data[0] & 3 {
	case 0:
		return 2, uint64(data[1])
	case 1:
		if len(data) >= 3 {
			return 3, uint64(binary.BigEndian.Uint16(data[1:]))
		}
	case 2:
		if len(data) >= 5 {
			return 5, uint64(binary.BigEndian.Uint32(data[1:]))
		}
	}
	return 0, 0
}

// header is what has to be known of a signature packet before deciding whether to look into it.
type header struct {
	version int
	kind    packet.SignatureType
	hashID  byte
	issuers []issuer
}

// issuer names a key by one subpacket: its fingerprint, or only its 64-bit ID.
type issuer struct {
	fingerprint string // upper-case hex, "" where only the ID is known
	id          uint64
}

func (i issuer) String() string {
	if i.fingerprint != "" {
		return i.fingerprint
	}
	return keyID(i.id)
}

const (
	subpacketIssuer            = 16
	subpacketIssuerFingerprint = 33
)

// readHeader reads the fields of a version 4 signature (RFC 9580 section 5.2.3) up to its digest prefix. Of other
// versions only the number is known.
func readHeader(body []byte) (h header, err error) {
	if len(body) < 6 {
		return h, errPacket
	}
	if h.version = int(body[0]); h.version != 4 {
		return h, nil
	}
	h.kind, h.hashID = packet.SignatureType(body[1]), body[3]
	rest := body[4:]
	for range 2 { // the hashed area, then the unhashed one
		if len(rest) < 2 {
			return h, errPacket
		}
		size := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; size > len(rest) {
			return h, errPacket
		}
		if err := h.readIssuers(rest[:size]); err != nil {
			return h, err
		}
		rest = rest[size:]
	}
	return h, nil
}

// readIssuers walks one subpacket area (RFC 9580 section 5.2.3.7).
func (h *header) readIssuers(area []byte) error {
	for len(area) > 0 {
		head, size := subpacketLength(area)
		if head == 0 || size == 0 || size > uint64(len(area)-head) {
			return errPacket
		}
		body := area[head : head+int(size)]
		area = area[head+int(size):]
		switch kind := body[0] & 0x7f; {
		case kind == subpacketIssuer && len(body) == 9:
			h.issuers = append(h.issuers, issuer{id: binary.BigEndian.Uint64(body[1:])})
		case kind == subpacketIssuerFingerprint && len(body) == 22 && body[1] == 4:
			fingerprint := strings.ToUpper(hex.EncodeToString(body[2:]))
			h.issuers = append(h.issuers, issuer{fingerprint, binary.BigEndian.Uint64(body[14:])})
		}
	}
	return nil
}

func subpacketLength(area []byte) (head int, size uint64) {
	switch first := area[0]; {
	case first < 192:
		return 1, uint64(first)
	case first < 255 && len(area) >= 2:
		return 2, uint64(first-192)<<8 + uint64(area[1]) + 192
	case first == 255 && len(area) >= 5:
		return 5, uint64(binary.BigEndian.Uint32(area[1:]))
	}
	return 0, 0
}
