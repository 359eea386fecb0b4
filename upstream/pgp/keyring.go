package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// MaxKeyringBytes is the longest keyring file that is read; a longer one is refused. Debian's archive keyring has
// 60 kB.
const MaxKeyringBytes = 16 << 20

// Keyring is a set of trusted certificates, optionally restricted to some of their keys. It does not change after it
// was made and is safe for concurrent use.
type Keyring struct {
	certs []*certificate           // in file order
	byID  map[uint64][]*signingKey // every key of certs by its 64-bit ID
	pins  []pin                    // empty: every key counts
}

// pin is one entry of Signed-By.
type pin struct {
	fingerprint string
	exact       bool // FINGERPRINT!: only this key, not the subkeys of this primary key
}

// Key describes a trusted certificate.
type Key struct {
	Fingerprint string // upper-case hex
	UserID      string
	Algorithm   string // of the primary key
	Created     time.Time
	Expires     time.Time // zero: never; by the newest self-signature
	Revoked     bool
}

// ReadKeyring reads one keyring file as gpg --export writes it: binary, or armoured in one or more blocks. Keys of
// versions and algorithms that this package cannot check are left out; a keyring without any key is an error.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	certs, err := readCertificates(r)
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	return newKeyring(certs, nil), nil
}

// LoadKeyring reads the files and merges them. What several files know about one key is put together, so a revocation
// in one of them counts for all.
func LoadKeyring(paths ...string) (*Keyring, error) {
	if len(paths) == 0 {
		return nil, errors.New("reading keyring: no file is named")
	}
	var all []*certificate
	for _, path := range paths {
		certs, err := loadCertificates(path)
		if err != nil {
			return nil, fmt.Errorf("reading keyring %s: %w", path, err)
		}
		all = mergeCertificates(all, certs)
	}
	return newKeyring(all, nil), nil
}

func loadCertificates(path string) ([]*certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the caller names the path
	}
	defer f.Close()
	return readCertificates(f)
}

func newKeyring(certs []*certificate, pins []pin) *Keyring {
	k := &Keyring{certs: certs, byID: make(map[uint64][]*signingKey), pins: pins}
	for _, cert := range certs {
		if cert.keys == nil {
			cert.bind()
		}
		for i := range cert.keys {
			key := &cert.keys[i]
			k.byID[key.public.KeyId] = append(k.byID[key.public.KeyId], key)
		}
	}
	return k
}

func readCertificates(r io.Reader) ([]*certificate, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxKeyringBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxKeyringBytes {
		return nil, &Error{Malformed, fmt.Sprintf("longer than %d bytes", MaxKeyringBytes)}
	}
	packets, err := keyringPackets(data)
	if err != nil {
		return nil, err
	}
	certs, err := parseCertificates(packets)
	if err == nil && len(certs) == 0 {
		err = &Error{UnknownKey, "holds no usable OpenPGP key (version 4, able to sign)"}
	}
	return certs, err
}

// keyringPackets removes the armour, if any.
func keyringPackets(data []byte) ([]byte, error) {
	switch {
	case len(data) > 12 && string(data[8:12]) == "KBXf":
		return nil, &Error{Malformed, "is a GnuPG keybox; write it anew with gpg --export"}
	case len(data) > 0 && data[0]&0x80 == 0:
		return readKeyBlocks(data)
	}
	return data, nil
}

// parseCertificates groups packets into certificates. Packets that follow something unknown are skipped with it.
func parseCertificates(data []byte) ([]*certificate, error) {
	var certs []*certificate
	var current *certificate // nil while skipping
	var part *component      // what signatures belong to, nil while skipping
	for len(data) > 0 {
		p, rest, err := nextPacket(data)
		if err != nil {
			return nil, &Error{Malformed, "holds " + err.Error()}
		}
		data = rest
		switch p.tag {
		case tagSecretKey, tagSecretSubkey:
			return nil, &Error{Malformed, "holds a private key; export the public one with gpg --export"}
		case tagPublicKey:
			if current, part = newCertificate(p); current != nil {
				certs = append(certs, current)
			}
		case tagSignature:
			if part != nil {
				part.add(p)
			}
		case tagTrust, tagMarker, tagPadding: // GnuPG's own notes, and filling
		default:
			part = nil
			if current != nil && (p.tag == tagUserID || p.tag == tagPublicSubkey) {
				current.components = append(current.components, component{rawPacket: p})
				part = &current.components[len(current.components)-1]
			}
		}
	}
	return mergeCertificates(nil, certs), nil
}

func newCertificate(p rawPacket) (*certificate, *component) {
	key := parseKey(p)
	if key == nil {
		return nil, nil
	}
	c := &certificate{fingerprint: fingerprintOf(key), primary: key, components: []component{{rawPacket: p}}}
	return c, &c.components[0]
}

// mergeCertificates adds certs to all, one entry for each fingerprint.
func mergeCertificates(all, certs []*certificate) []*certificate {
	for _, cert := range certs {
		i := slices.IndexFunc(all, func(c *certificate) bool { return c.fingerprint == cert.fingerprint })
		if i < 0 {
			all = append(all, cert)
			continue
		}
		all[i].merge(cert)
	}
	return all
}

// Pin returns the keyring restricted to these fingerprints, written as in Signed-By of sources.list(5): the 40 hex digits
// of a primary key, which stand for its subkeys too, or those of any key with a final "!" for exactly this one. Other
// keys of the keyring stay known: their bad signatures still refuse a file, their good ones no longer accept it. A
// fingerprint that is not in the keyring is an error.
func (k *Keyring) Pin(fingerprints ...string) (*Keyring, error) {
	var pins []pin
	for _, text := range fingerprints {
		p, err := k.parsePin(text)
		if err != nil {
			return nil, fmt.Errorf("pinning key %q: %w", text, err)
		}
		pins = append(pins, p)
	}
	if len(pins) == 0 {
		return nil, errors.New("pinning keys: no fingerprint is given")
	}
	return newKeyring(k.certs, pins), nil
}

func (k *Keyring) parsePin(text string) (pin, error) {
	digits, exact := strings.CutSuffix(strings.ToUpper(strings.ReplaceAll(text, " ", "")), "!")
	if len(digits) != 40 || strings.Trim(digits, "0123456789ABCDEF") != "" {
		return pin{}, errors.New("not a fingerprint: 40 hex digits, optionally followed by \"!\"")
	}
	p := pin{digits, exact}
	for _, cert := range k.certs {
		for i := range cert.keys {
			switch {
			case p.matches(&cert.keys[i]):
				return p, nil
			case cert.keys[i].fingerprint == digits:
				return pin{}, fmt.Errorf("this is a subkey of %s; pin that, or write %s! for the subkey alone", cert.fingerprint, digits)
			}
		}
	}
	return pin{}, &Error{UnknownKey, "the key is not in the keyring"}
}

func (p pin) matches(key *signingKey) bool {
	return p.exact && p.fingerprint == key.fingerprint || !p.exact && p.fingerprint == key.cert.fingerprint
}

// trusts tells whether signatures of the key count.
func (k *Keyring) trusts(key *signingKey) bool {
	return len(k.pins) == 0 || slices.ContainsFunc(k.pins, func(p pin) bool { return p.matches(key) })
}

// trusted returns the certificates with at least one key that counts.
func (k *Keyring) trusted() (certs []*certificate) {
	for _, cert := range k.certs {
		for i := range cert.keys {
			if k.trusts(&cert.keys[i]) {
				certs = append(certs, cert)
				break
			}
		}
	}
	return certs
}

// Primaries describes the certificates that count, in file order.
func (k *Keyring) Primaries() (keys []Key) {
	for _, cert := range k.trusted() {
		name, _ := algorithm(cert.primary)
		key := Key{Fingerprint: cert.fingerprint, UserID: cert.userID, Algorithm: name,
			Created: cert.primary.CreationTime.UTC(), Revoked: cert.keys[0].revoked}
		if b := newest(cert.bindings, farFuture, func(*binding) bool { return true }); b != nil && !b.keyEnds.IsZero() {
			key.Expires = b.keyEnds.UTC()
		}
		keys = append(keys, key)
	}
	return keys
}

// farFuture is later than any time that a version 4 packet can hold (32 bits of seconds).
var farFuture = time.Unix(1<<33, 0)

// Write writes the certificates that count in binary, the form for a .gpg file that every apt and gpgv reads. The same
// keyring always gives the same bytes.
func (k *Keyring) Write(w io.Writer) error {
	if _, err := w.Write(k.binary()); err != nil {
		return fmt.Errorf("writing keyring: %w", err)
	}
	return nil
}

func (k *Keyring) binary() []byte {
	var out bytes.Buffer
	for _, cert := range k.trusted() {
		for _, part := range cert.components {
			out.Write(part.raw)
			for _, sig := range part.signatures {
				out.Write(sig.raw)
			}
		}
	}
	return out.Bytes()
}

// Armored returns the certificates that count as one armoured block, the form for a .asc file or Signed-By.
func (k *Keyring) Armored() []byte {
	const width = 64
	packets := k.binary()
	text := base64.StdEncoding.EncodeToString(packets)
	out := bytes.NewBufferString(beginKey + "\n\n")
	for len(text) > 0 {
		n := min(width, len(text))
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	out.WriteString("=" + base64.StdEncoding.EncodeToString(crc24(packets)) + "\n" + endKey + "\n")
	return out.Bytes()
}
