package upstreamtest

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Key signs archives, rightly or wrongly. It does not change after it was made.
type Key struct {
	entity *openpgp.Entity
	hash   crypto.Hash
	at     time.Time // dates signatures; zero: the date of the publication
	until  uint32    // seconds that signatures last, 0 for ever
}

// keyCreated is early enough for any date that a test may publish at.
var keyCreated = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newKey(t testing.TB, name string, adjust func(*packet.Config)) *Key {
	t.Helper()
	config := &packet.Config{
		Algorithm:   packet.PubKeyAlgoEdDSA,
		DefaultHash: crypto.SHA512,
		Time:        func() time.Time { return keyCreated },
	}
	adjust(config)
	entity, err := openpgp.NewEntity(name, "", "key@mirror.example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	entity.Subkeys = nil // one for encryption
	return &Key{entity: entity, hash: crypto.SHA512}
}

// NewKey makes a key that any verifier accepts once it is in the keyring.
func NewKey(t testing.TB) *Key {
	t.Helper()
	return newKey(t, "Archive key", func(*packet.Config) {})
}

// NewExpiredKey makes a key that expired the day before, and whose signatures are from the time before that.
func NewExpiredKey(t testing.TB) *Key {
	t.Helper()
	end := time.Now().Add(-24 * time.Hour)
	k := newKey(t, "Expired key", func(c *packet.Config) { c.KeyLifetimeSecs = uint32(end.Sub(keyCreated).Seconds()) })
	k.at = end.Add(-24 * time.Hour)
	return k
}

// NewRevokedKey makes a key whose public half says that it is no longer used.
func NewRevokedKey(t testing.TB) *Key {
	t.Helper()
	k := newKey(t, "Revoked key", func(*packet.Config) {})
	if err := k.entity.Revoke(packet.KeyRetired, "for tests", &packet.Config{Time: func() time.Time { return keyCreated }}); err != nil {
		t.Fatal(err)
	}
	return k
}

var weakKey struct {
	sync.Once
	key *Key
}

// NewWeakKey returns an RSA key of 1024 bits, the same one on every call: making it takes a while.
func NewWeakKey(t testing.TB) *Key {
	t.Helper()
	weakKey.Do(func() {
		weakKey.key = newKey(t, "Weak key", func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 1024 })
	})
	return weakKey.key
}

// SigningSHA1 returns the key making its signatures with SHA-1.
func (k *Key) SigningSHA1() *Key {
	weak := *k
	weak.hash = crypto.SHA1
	return &weak
}

// SigningFor returns the key making signatures that end after d.
func (k *Key) SigningFor(d time.Duration) *Key {
	short := *k
	short.until = uint32(d.Seconds())
	return &short
}

// Fingerprint returns the fingerprint in upper-case hex.
func (k *Key) Fingerprint() string {
	return strings.ToUpper(hex.EncodeToString(k.entity.PrimaryKey.Fingerprint))
}

// Public returns the public half in binary.
func (k *Key) Public() []byte { return publicKeys([]*Key{k}) }

func publicKeys(keys []*Key) []byte {
	var out bytes.Buffer
	for _, k := range keys {
		if err := k.entity.Serialize(&out); err != nil {
			panic(err) // a bytes.Buffer takes everything, and the key was made here
		}
	}
	return out.Bytes()
}

// sign makes one signature packet.
func (k *Key) sign(t testing.TB, data []byte, kind packet.SignatureType, at time.Time) []byte {
	t.Helper()
	if !k.at.IsZero() {
		at = k.at
	}
	key := k.entity.PrivateKey
	sig := &packet.Signature{Version: 4, SigType: kind, PubKeyAlgo: key.PubKeyAlgo, Hash: k.hash, CreationTime: at, IssuerKeyId: &key.KeyId}
	if k.until != 0 {
		sig.SigLifetimeSecs = &k.until
	}
	state := k.hash.New()
	state.Write(data)
	var out bytes.Buffer
	plain := &packet.Config{NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)} // a salt needs a strong digest
	if err := sig.Sign(state, key, plain); err != nil {
		t.Fatal(err)
	}
	if err := sig.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Clearsign returns text as an InRelease file. Its lines must end in LF and have no blanks before it.
func Clearsign(t testing.TB, text []byte, at time.Time, keys ...*Key) []byte {
	t.Helper()
	return clearsign(t, text, at, keys)
}

func clearsign(t testing.TB, text []byte, at time.Time, keys []*Key) []byte {
	t.Helper()
	canonical := bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte("\r\n"))
	var packets []byte
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		packets = append(packets, k.sign(t, canonical, packet.SigTypeText, at)...)
		names = append(names, strings.ReplaceAll(k.hash.String(), "-", ""))
	}
	out := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: " + strings.Join(names, ", ") + "\n\n"
	for line := range strings.Lines(string(text)) {
		if line[0] == '-' {
			out += "- "
		}
		out += line
	}
	return append([]byte(out), armoured(t, packets)...)
}

// DetachSign returns an armoured Release.gpg for text.
func DetachSign(t testing.TB, text []byte, at time.Time, keys ...*Key) []byte {
	t.Helper()
	return detachSign(t, text, at, keys)
}

func detachSign(t testing.TB, text []byte, at time.Time, keys []*Key) []byte {
	t.Helper()
	var packets []byte
	for _, k := range keys {
		packets = append(packets, k.sign(t, text, packet.SigTypeBinary, at)...)
	}
	return armoured(t, packets)
}

func armoured(t testing.TB, packets []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.SignatureType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packets); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}
