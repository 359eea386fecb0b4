package resign

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"aptmirror/upstream/pgp"
)

// Algorithm is the kind of a new site key.
type Algorithm string

const (
	// EdDSA is Ed25519 under its old number 22, which gpgv 2.2 and sqv 1 know; they do not know the newer number 27.
	EdDSA Algorithm = "ed25519"
	// RSA4096 is for sites with clients older than Debian 9. Making one takes seconds.
	RSA4096 Algorithm = "rsa4096"
)

// Key is a site key: an OpenPGP key with its private part, or with a command that signs in place of one. It is safe for
// concurrent use.
type Key struct {
	public  []byte       // the public half in binary
	ring    *pgp.Keyring // of the public half: what the key signs is used only if it verifies here
	command []string     // nil where the private part is in entity

	mu     sync.Mutex // go-crypto notes in entity which self-signatures it has checked
	entity *openpgp.Entity
}

// NewKeyAt makes a key that signs and does nothing else, without an end date: an expired site key stops every client at
// once, and the site replaces keys by signing with two for a while. Signatures older than their key do not verify.
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
	key, err := newKey(entity)
	if err != nil {
		return nil, fmt.Errorf("making site key: %w", err)
	}
	return key, nil
}

// newKey takes over the entity.
func newKey(entity *openpgp.Entity) (*Key, error) {
	if v := entity.PrimaryKey.Version; v != 4 {
		return nil, fmt.Errorf("a key of version %d, which apt does not read; make a version 4 key", v)
	}
	public, err := publicPackets(entity)
	if err != nil {
		return nil, err
	}
	ring, err := pgp.ReadKeyring(bytes.NewReader(public))
	if err != nil {
		return nil, err
	}
	return &Key{public: public, ring: ring, entity: entity}, nil
}

// Fingerprint returns the primary key's fingerprint in upper-case hex, as Signed-By of sources.list(5) takes it.
func (k *Key) Fingerprint() string {
	return strings.ToUpper(hex.EncodeToString(k.entity.PrimaryKey.Fingerprint))
}

// UserID returns the name and address that the key was made for.
func (k *Key) UserID() string { return k.ring.Primaries()[0].UserID }

// Algorithm names the primary key's kind for people, such as "RSA-4096".
func (k *Key) Algorithm() string { return k.ring.Primaries()[0].Algorithm }

// Created returns when the key was made.
func (k *Key) Created() time.Time { return k.entity.PrimaryKey.CreationTime.UTC() }

// Command says whether another program signs for the key.
func (k *Key) Command() bool { return k.command != nil }

// Expires returns when the key can no longer sign, by itself or by a subkey: from then on every client refuses what it
// signed, also earlier. Zero means never.
func (k *Key) Expires() time.Time {
	end := k.ring.Primaries()[0].Expires
	last, found := k.subkeysEnd()
	if found && !last.IsZero() && (end.IsZero() || last.Before(end)) {
		return last
	}
	return end
}

// subkeysEnd returns when the last of the subkeys expires that sign; without any the primary key signs.
func (k *Key) subkeysEnd() (end time.Time, found bool) {
	for i := range k.entity.Subkeys {
		sub := &k.entity.Subkeys[i]
		newest := newestSignature(sub.Bindings)
		if newest == nil || !newest.FlagSign || len(sub.Revocations) > 0 {
			continue
		}
		this := lifeEnd(sub.PublicKey.CreationTime, newest)
		if !found || this.IsZero() || (!end.IsZero() && this.After(end)) {
			end = this
		}
		found = true
	}
	return end, found
}

// newestSignature returns nil where there is none.
func newestSignature(sigs []*packet.VerifiableSignature) (newest *packet.Signature) {
	for _, s := range sigs {
		if newest == nil || s.Packet.CreationTime.After(newest.CreationTime) {
			newest = s.Packet
		}
	}
	return newest
}

// lifeEnd returns when a key ends by its self-signature; zero: never.
func lifeEnd(created time.Time, self *packet.Signature) time.Time {
	if self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return created.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second).UTC()
}

// Check says why clients would refuse what the key signs now: it has expired, was revoked or is too weak. A command is
// not run for it.
func (k *Key) Check(now time.Time) error {
	info := k.ring.Primaries()[0]
	end := k.Expires()
	switch {
	case info.Revoked:
		return fmt.Errorf("site key %s is revoked: make a new one and sign with that", k.Fingerprint())
	case !end.IsZero() && !now.Before(end):
		return fmt.Errorf("site key %s expired on %s: give it a later end with gpg --quick-set-expire, or sign with a new one",
			k.Fingerprint(), end.Format(time.DateOnly))
	case k.Command():
		return nil
	}
	text := []byte("Origin: aptmirror\n")
	packets, err := k.signHere(text, packet.SigTypeBinary, now)
	if err == nil {
		_, err = k.ring.VerifyDetached(text, packets, now)
	}
	if err != nil {
		return fmt.Errorf("site key %s: %w", k.Fingerprint(), err)
	}
	return nil
}

// errPublic is for a key file that is the wrong half.
var errPublic = errors.New("holds only the public key; export the private one with gpg --export-secret-keys")

// WritePublic writes the public half: binary for a .gpg file (gpgv reads no other), armoured for a .asc file. The same
// key always gives the same bytes.
func (k *Key) WritePublic(w io.Writer, armoured bool) (err error) {
	if armoured {
		err = writeArmour(w, openpgp.PublicKeyType, k.public)
	} else {
		_, err = w.Write(k.public)
	}
	if err != nil {
		return fmt.Errorf("writing public site key: %w", err)
	}
	return nil
}

// serializer is any part of a key.
type serializer interface{ Serialize(io.Writer) error }

// publicPackets does what Entity.Serialize does, with the user IDs sorted instead of in map order.
func publicPackets(e *openpgp.Entity) ([]byte, error) {
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
