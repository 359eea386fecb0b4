// Package resign makes the site's own repositories out of verified ones: it merges and filters indexes, writes the
// Release files over them and signs those with the site's keys.
//
// It owns the form of what the site signs: version 4 OpenPGP keys of kinds that every supported apt reads, SHA-512,
// armour with checksums (GnuPG before 2.4 cannot do without), and byte-identical output for the same key, text and time.
// It never verifies what upstream signed (package upstream/pgp does), never fetches anything, and is never called from
// the path of a client's request: signing happens when a generation is built.
package resign

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Algorithm is the kind of a new site key.
type Algorithm string

const (
	// EdDSA is Ed25519 under its old number 22, which gpgv 2.2 and sqv 1 know; they do not know the newer number 27.
	EdDSA Algorithm = "ed25519"
	// RSA4096 is for sites with clients older than Debian 9. Making one takes seconds.
	RSA4096 Algorithm = "rsa4096"
)

// maxKeyBytes is the longest private key file that is read; a longer one is refused.
const maxKeyBytes = 1 << 20

// Key is a site key: an OpenPGP key with its private part. It is safe for concurrent use.
type Key struct {
	mu     sync.Mutex // go-crypto notes in entity which self-signatures it has checked
	entity *openpgp.Entity
}

// NewKey makes a key that signs and does nothing else, without an end date: an expired site key stops every client at
// once, and the site replaces keys by signing with two for a while.
func NewKey(name, email string, alg Algorithm) (*Key, error) {
	return NewKeyAt(time.Now(), name, email, alg)
}

// NewKeyAt is NewKey with the date of creation given. Signatures older than their key do not verify.
func NewKeyAt(created time.Time, name, email string, alg Algorithm) (*Key, error) {
	config := signingConfig(created)
	switch alg {
	case EdDSA:
		config.Algorithm = packet.PubKeyAlgoEdDSA
	case RSA4096:
		config.Algorithm, config.RSABits = packet.PubKeyAlgoRSA, 4096
	default:
		return nil, fmt.Errorf("making site key: algorithm %q is neither %q nor %q", alg, EdDSA, RSA4096)
	}
	entity, err := openpgp.NewEntity(name, "", email, config)
	if err != nil {
		return nil, fmt.Errorf("making site key: %w", err)
	}
	entity.Subkeys = nil // NewEntity adds one for encryption
	return &Key{entity: entity}, nil
}

// ReadKey reads one private key as gpg --export-secret-keys writes it, armoured or binary, without a passphrase.
func ReadKey(r io.Reader) (*Key, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("reading site key: longer than %d bytes", maxKeyBytes)
	}
	entity, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	return &Key{entity: entity}, nil
}

// LoadKey reads a private key file. One that its group or others can read is refused: such a key counts as leaked.
func LoadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("reading site key: %w", &fs.PathError{Op: "open", Path: path,
			Err: fmt.Errorf("others can get at this private key (mode %04o); run chmod 600", mode)})
	}
	key, err := ReadKey(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func parseKey(data []byte) (*openpgp.Entity, error) {
	var body io.Reader = bytes.NewReader(data)
	if len(data) > 0 && data[0]&0x80 == 0 {
		block, err := armor.Decode(body)
		if err != nil {
			return nil, errors.New("neither binary nor armoured OpenPGP")
		}
		body = block.Body
	}
	list, err := openpgp.ReadKeyRing(body)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("holds %d keys instead of one", len(list))
	}
	return list[0], checkUsable(list[0])
}

// checkUsable refuses at load time what would otherwise fail at the next publish.
func checkUsable(e *openpgp.Entity) error {
	if e.PrimaryKey.Version != 4 {
		return fmt.Errorf("a key of version %d, which apt does not read; make a version 4 key", e.PrimaryKey.Version)
	}
	if e.PrivateKey == nil {
		return errors.New("holds only the public key; export the private one with gpg --export-secret-keys")
	}
	private := []*packet.PrivateKey{e.PrivateKey}
	for _, sub := range e.Subkeys {
		private = append(private, sub.PrivateKey)
	}
	for _, key := range private {
		if key != nil && key.Encrypted {
			return errors.New("the key has a passphrase, which a daemon cannot type; remove it and protect the file instead")
		}
	}
	return nil
}

// Fingerprint returns the primary key's fingerprint in upper-case hex, as Signed-By of sources.list(5) takes it.
func (k *Key) Fingerprint() string {
	return strings.ToUpper(hex.EncodeToString(k.entity.PrimaryKey.Fingerprint))
}

// WritePrivate writes the whole key armoured, as ReadKey and gpg --import take it. The caller sees to the file mode.
func (k *Key) WritePrivate(w io.Writer) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var packets bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&packets, nil); err != nil {
		return fmt.Errorf("writing site key: %w", err)
	}
	if err := writeArmour(w, openpgp.PrivateKeyType, packets.Bytes()); err != nil {
		return fmt.Errorf("writing site key: %w", err)
	}
	return nil
}

// WritePublic writes the public half: binary for a .gpg file (gpgv reads no other), armoured for a .asc file. The same
// key always gives the same bytes.
func (k *Key) WritePublic(w io.Writer, armoured bool) error {
	packets, err := k.publicPackets()
	if err == nil && armoured {
		err = writeArmour(w, openpgp.PublicKeyType, packets)
	} else if err == nil {
		_, err = w.Write(packets)
	}
	if err != nil {
		return fmt.Errorf("writing public site key: %w", err)
	}
	return nil
}

// serializer is any part of a key.
type serializer interface{ Serialize(io.Writer) error }

// publicPackets does what Entity.Serialize does, with the user IDs sorted instead of in map order.
func (k *Key) publicPackets() ([]byte, error) {
	e := k.entity
	parts := []serializer{e.PrimaryKey}
	for _, sig := range slices.Concat(e.Revocations, e.DirectSignatures) {
		parts = append(parts, sig.Packet)
	}
	for _, id := range slices.SortedFunc(maps.Values(e.Identities), byName) {
		parts = append(parts, id)
	}
	for i := range e.Subkeys {
		parts = append(parts, publicSubkey{&e.Subkeys[i]})
	}
	var out bytes.Buffer
	for _, part := range parts {
		if err := part.Serialize(&out); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func byName(a, b *openpgp.Identity) int { return cmp.Compare(a.Name, b.Name) }

type publicSubkey struct{ *openpgp.Subkey }

func (s publicSubkey) Serialize(w io.Writer) error { return s.Subkey.Serialize(w, false) }
