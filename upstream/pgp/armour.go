package pgp

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

const (
	beginKey  = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	endKey    = "-----END PGP PUBLIC KEY BLOCK-----"
	beginAny  = "-----BEGIN PGP "
	beginPriv = "-----BEGIN PGP PRIVATE KEY BLOCK-----"
)

// readSignatureBlocks decodes what is left of the input: one or more signature blocks and not a line else. Text around
// the blocks is how CVE-2013-1051 and CVE-2019-3462 carried their payload.
func readSignatureBlocks(in *lines) (blocks [][]byte, err error) {
	for {
		line, ok := in.next()
		if !ok {
			return blocks, nil
		}
		if string(line) != beginSignature {
			return nil, malformed(in.n, "text outside the signature blocks")
		}
		block, err := readArmour(in, endSignature)
		if err != nil {
			return nil, err
		}
		if blocks = append(blocks, block); len(blocks) > maxSignatures {
			return nil, malformed(in.n, fmt.Sprintf("more than %d signature blocks", maxSignatures))
		}
	}
}

// readKeyBlocks decodes every public key block, ignoring text between them: people keep notes in .asc files.
func readKeyBlocks(data []byte) (packets []byte, err error) {
	in := &lines{rest: data, trim: true}
	for line, ok := in.next(); ok; line, ok = in.next() {
		switch {
		case string(line) == beginPriv:
			return nil, malformed(in.n, "a private key; export the public one with gpg --export")
		case string(line) == beginKey:
			block, err := readArmour(in, endKey)
			if err != nil {
				return nil, err
			}
			packets = append(packets, block...)
		case bytes.HasPrefix(line, []byte(beginAny)):
			return nil, malformed(in.n, "not a public key block")
		}
	}
	return packets, nil
}

// readArmour decodes one block whose first line has been read (RFC 9580 section 6.2): headers, an empty line, base64,
// an optional checksum, and the line end. A checksum that is there must be right.
func readArmour(in *lines, end string) ([]byte, error) {
	first := in.n
	for {
		line, ok := in.next()
		if !ok || bytes.HasPrefix(line, []byte("-")) {
			return nil, malformed(in.n, "no empty line after the armour headers")
		}
		if len(line) == 0 {
			break
		}
		if !bytes.Contains(line, []byte(": ")) && !bytes.HasSuffix(line, []byte(":")) {
			return nil, malformed(in.n, "not an armour header")
		}
	}
	text, sum, err := readBase64(in, end)
	if err != nil {
		return nil, err
	}
	body := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(body, text)
	if err != nil || n == 0 {
		return nil, malformed(first, "the armour is not base64")
	}
	if body = body[:n]; sum != nil && !bytes.Equal(sum, crc24(body)) {
		return nil, malformed(first, "the armour's checksum does not match")
	}
	return body, nil
}

// readBase64 collects the encoded lines up to the end line; sum is nil where there is no checksum line.
func readBase64(in *lines, end string) (text, sum []byte, err error) {
	for {
		line, ok := in.next()
		switch {
		case !ok:
			return nil, nil, malformed(in.n, "the file ends within the armour")
		case string(line) == end:
			return text, sum, nil
		case sum != nil:
			return nil, nil, malformed(in.n, "text after the armour's checksum")
		case len(line) == 5 && line[0] == '=':
			if sum, err = base64.StdEncoding.Strict().DecodeString(string(line[1:])); err != nil {
				return nil, nil, malformed(in.n, "the armour's checksum is not base64")
			}
		default:
			text = append(text, line...)
		}
	}
}

// crc24 is the armour checksum of RFC 9580 section 6.1.1, big endian.
func crc24(data []byte) []byte {
	const initial, generator = 0xb704ce, 0x864cfb
	crc := uint32(initial)
	for _, c := range data {
		crc ^= uint32(c) << 16
		for range 8 {
			if crc <<= 1; crc&0x1000000 != 0 {
				crc ^= 0x1000000 | generator
			}
		}
	}
	return []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}
}
