package pgp

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// now is the clock of the tests. It is the real one because gpgv, which some compare with, cannot be told another.
var now = time.Now().Truncate(time.Second)

const day = 24 * time.Hour

const releaseText = "Origin: Example\nSuite: stable\nDate: Sun, 01 Mar 2026 12:00:00 UTC\n"

var (
	keysMu sync.Mutex
	keys   = make(map[string]*openpgp.Entity) // made once each: RSA keys take long
)

// key returns the test key of this name; the configuration counts on the first call.
func key(tb testing.TB, name string, adjust func(*packet.Config)) *openpgp.Entity {
	tb.Helper()
	keysMu.Lock()
	defer keysMu.Unlock()
	if k := keys[name]; k != nil {
		return k
	}
	keys[name] = newEntity(tb, name, adjust)
	return keys[name]
}

func newEntity(tb testing.TB, name string, adjust func(*packet.Config)) *openpgp.Entity {
	tb.Helper()
	made := now.Add(-100 * day)
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512, Time: func() time.Time { return made }}
	if adjust != nil {
		adjust(config)
	}
	e, err := openpgp.NewEntity(name, "", name+"@mirror.example.org", config)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func goodKey(tb testing.TB) *openpgp.Entity  { return key(tb, "good", nil) }
func otherKey(tb testing.TB) *openpgp.Entity { return key(tb, "other", nil) }

func rsaKey(tb testing.TB, name string, bits int) *openpgp.Entity {
	return key(tb, name, func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, bits })
}

func expiredKey(tb testing.TB) *openpgp.Entity {
	return key(tb, "expired", func(c *packet.Config) { c.KeyLifetimeSecs = uint32((99 * day).Seconds()) })
}

func revokedKey(tb testing.TB, reason packet.ReasonForRevocation) *openpgp.Entity {
	tb.Helper()
	e := newEntity(tb, "revoked", nil)
	if err := e.Revoke(reason, "for tests", &packet.Config{Time: func() time.Time { return now.Add(-day) }}); err != nil {
		tb.Fatal(err)
	}
	return e
}

// signer is one signature to make. The zero value of the rest is an ordinary one from an hour ago.
type signer struct {
	key     *openpgp.Entity
	private *packet.PrivateKey // default the primary key
	hash    crypto.Hash        // default SHA-512
	age     time.Duration      // default an hour
	lasts   time.Duration      // default for ever
	binary  bool               // type 0x00
	bad     bool               // over another text
	adjust  func(*packet.Signature)
}

// sign makes a signature packet over data.
func (s signer) sign(tb testing.TB, data string) []byte {
	tb.Helper()
	private := s.private
	if private == nil {
		private = s.key.PrivateKey
	}
	if s.hash == 0 {
		s.hash = crypto.SHA512
	}
	if s.age == 0 {
		s.age = time.Hour
	}
	sig := &packet.Signature{Version: 4, SigType: packet.SigTypeText, PubKeyAlgo: private.PubKeyAlgo, Hash: s.hash,
		CreationTime: now.Add(-s.age), IssuerKeyId: &private.KeyId}
	if s.binary {
		sig.SigType = packet.SigTypeBinary
	}
	if s.lasts != 0 {
		seconds := uint32(s.lasts.Seconds())
		sig.SigLifetimeSecs = &seconds
	}
	if s.adjust != nil {
		s.adjust(sig)
	}
	if s.bad {
		data += "x"
	}
	state := s.hash.New()
	state.Write([]byte(data))
	var out bytes.Buffer
	plain := &packet.Config{NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)} // a salt needs a strong digest
	if err := sig.Sign(state, private, plain); err != nil {
		tb.Fatal(err)
	}
	if err := sig.Serialize(&out); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// block armours packets, with a checksum.
func block(packets ...[]byte) string {
	all := bytes.Join(packets, nil)
	text, out := base64.StdEncoding.EncodeToString(all), beginSignature+"\n\n"
	for len(text) > 0 {
		n := min(64, len(text))
		out, text = out+text[:n]+"\n", text[n:]
	}
	return out + "=" + base64.StdEncoding.EncodeToString(crc24(all)) + "\n" + endSignature + "\n"
}

// canonical is what a clear signature covers.
func canonical(text string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\r\n")
}

// clearsign makes an InRelease of text with all signatures in one block.
func clearsign(tb testing.TB, text string, signers ...signer) []byte {
	tb.Helper()
	var packets [][]byte
	var names []string
	for _, s := range signers {
		packets = append(packets, s.sign(tb, canonical(text)))
		if s.hash == 0 {
			s.hash = crypto.SHA512
		}
		names = append(names, strings.ReplaceAll(s.hash.String(), "-", ""))
	}
	return []byte(beginMessage + "\nHash: " + strings.Join(names, ",") + "\n\n" + text + block(packets...))
}

func public(tb testing.TB, entities ...*openpgp.Entity) []byte {
	tb.Helper()
	var out bytes.Buffer
	for _, e := range entities {
		if err := e.Serialize(&out); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}

func keyring(tb testing.TB, entities ...*openpgp.Entity) *Keyring {
	tb.Helper()
	k, err := ReadKeyring(bytes.NewReader(public(tb, entities...)))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// reasonOf returns the reason of a refusal, "" for none.
func reasonOf(tb testing.TB, err error) Reason {
	tb.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := err.(*Error)
	if !ok {
		tb.Errorf("error of type %T, want *Error: %v", err, err)
		return "?"
	}
	if refusal.Detail == "" {
		tb.Error("a refusal without a sentence")
	}
	return refusal.Reason
}

// gpgvAccepts asks gpgv as apt's gpgv method does: what counts are the status lines, not the exit code. Any bad signature
// of a known key refuses, at least one good one is needed.
func gpgvAccepts(tb testing.TB, ring []byte, files ...[]byte) (ok bool, status string) {
	tb.Helper()
	dir := tb.TempDir()
	args := []string{"--status-fd", "1", "--keyring", filepath.Join(dir, "ring.gpg")}
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	write("ring.gpg", ring)
	for i, data := range files {
		args = append(args, write(string(rune('a'+i)), data))
	}
	cmd := exec.CommandContext(tb.Context(), "gpgv", args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+dir)
	out, _ := cmd.Output() // the exit code is 0 with expired keys, and 2 with unknown ones beside a good one
	status = string(out)
	return strings.Contains(status, "] GOODSIG ") && !strings.Contains(status, "] BADSIG "), status
}

func needGpgv(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("gpgv"); err != nil {
		tb.Skip("gpgv is not installed")
	}
}
