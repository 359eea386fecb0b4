package pgp

import (
	"bytes"
	"crypto"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// verdict is one case: who signed, who is known, and what must come out.
type verdict struct {
	name    string
	signers []signer
	ring    []*openpgp.Entity
	want    Reason // "" means accepted
	good    int    // number of good signatures where accepted, default 1
}

func verdicts(t *testing.T) []verdict {
	good, other, foreign := goodKey(t), otherKey(t), key(t, "foreign", nil)
	expired, retired, stolen := expiredKey(t), revokedKey(t, packet.KeyRetired), revokedKey(t, packet.KeyCompromised)
	rsa1024 := rsaKey(t, "rsa1024", 1024)
	curve := func(name string, c packet.Curve) *openpgp.Entity {
		return key(t, name, func(config *packet.Config) { config.Algorithm, config.Curve = packet.PubKeyAlgoECDSA, c })
	}
	p256, brainpool := curve("p256", packet.CurveNistP256), curve("brainpool", packet.CurveBrainpoolP256)
	only := func(e ...*openpgp.Entity) []*openpgp.Entity { return e }
	old := 50 * day // within the life of the expired key
	return []verdict{
		{"EdDSA SHA512", []signer{{key: good}}, only(good), "", 1},
		{"SHA256", []signer{{key: good, hash: crypto.SHA256}}, only(good), "", 1},
		{"SHA384", []signer{{key: good, hash: crypto.SHA384}}, only(good), "", 1},
		{"RSA-2048", []signer{{key: rsaKey(t, "rsa2048", 2048)}}, only(rsaKey(t, "rsa2048", 2048)), "", 1},
		{"RSA-3072", []signer{{key: rsaKey(t, "rsa3072", 3072), hash: crypto.SHA256}}, only(rsaKey(t, "rsa3072", 3072)), "", 1},
		{"P-256", []signer{{key: p256}}, only(p256), "", 1},
		{"P-384", []signer{{key: curve("p384", packet.CurveNistP384)}}, only(curve("p384", packet.CurveNistP384)), "", 1},
		{"P-521", []signer{{key: curve("p521", packet.CurveNistP521)}}, only(curve("p521", packet.CurveNistP521)), "", 1},
		{"two known", []signer{{key: good}, {key: other}}, only(good, other), "", 2},
		{"known and unknown", []signer{{key: good}, {key: foreign}}, only(good), "", 1},
		{"unknown and known", []signer{{key: foreign}, {key: good}}, only(good), "", 1},
		{"unknown and bad beside known", []signer{{key: foreign, bad: true}, {key: good}}, only(good), "", 1},
		{"only unknown", []signer{{key: foreign}}, only(good), UnknownKey, 0},

		{"bad", []signer{{key: good, bad: true}}, only(good), BadSignature, 0},
		{"bad then good", []signer{{key: other, bad: true}, {key: good}}, only(good, other), BadSignature, 0},
		{"good then bad", []signer{{key: good}, {key: other, bad: true}}, only(good, other), BadSignature, 0},
		{"good then bad of the same key", []signer{{key: good}, {key: good, bad: true}}, only(good), BadSignature, 0},
		{"bad SHA-1 beside good", []signer{{key: good}, {key: other, bad: true, hash: crypto.SHA1}}, only(good, other), BadSignature, 0},
		{"bad of an expired key beside good", []signer{{key: good}, {key: expired, bad: true, age: old}}, only(good, expired), BadSignature, 0},
		{"bad of a revoked key beside good", []signer{{key: good}, {key: retired, bad: true}}, only(good, retired), BadSignature, 0},
		{"bad of a weak key beside good", []signer{{key: good}, {key: rsa1024, bad: true}}, only(good, rsa1024), BadSignature, 0},

		{"SHA-1", []signer{{key: good, hash: crypto.SHA1}}, only(good), WeakDigest, 0},
		{"SHA-224", []signer{{key: good, hash: crypto.SHA224}}, only(good), WeakDigest, 0},
		{"RSA-1024", []signer{{key: rsa1024}}, only(rsa1024), WeakKey, 0},
		{"brainpool", []signer{{key: brainpool}}, only(brainpool), WeakKey, 0},
		{"key expired since", []signer{{key: expired, age: old}}, only(expired), ExpiredKey, 0},
		{"key expired before", []signer{{key: expired}}, only(expired), ExpiredKey, 0},
		{"key retired since", []signer{{key: retired, age: old}}, only(retired), RevokedKey, 0},
		{"key stolen since", []signer{{key: stolen, age: old}}, only(stolen), RevokedKey, 0},
		{"signature expired", []signer{{key: good, age: 2 * day, lasts: day}}, only(good), ExpiredSignature, 0},
		{"signature not expired yet", []signer{{key: good, age: day, lasts: 2 * day}}, only(good), "", 1},
		{"signature from the future", []signer{{key: good, age: -48 * time.Hour}}, only(good), FutureSignature, 0},
		{"signature just ahead of the clock", []signer{{key: good, age: -8 * time.Second}}, only(good), "", 1},
		{"signature older than its key", []signer{{key: good, age: 200 * day}}, only(good), WeakKey, 0},

		{"expired key beside good", []signer{{key: expired, age: old}, {key: good}}, only(good, expired), "", 1},
		{"revoked key beside good", []signer{{key: retired}, {key: good}}, only(good, retired), "", 1},
		{"weak key beside good", []signer{{key: rsa1024}, {key: good}}, only(good, rsa1024), "", 1},
		{"weak digest beside good", []signer{{key: other, hash: crypto.SHA1}, {key: good}}, only(good, other), "", 1},
		{"expired signature after good", []signer{{key: good}, {key: other, age: 2 * day, lasts: day}}, only(good, other), "", 1},
		{"expired signature before good", []signer{{key: other, age: 2 * day, lasts: day}, {key: good}}, only(good, other), ExpiredSignature, 0},
		{"expired signature of expired key before good", []signer{{key: expired, age: old, lasts: day}, {key: good}}, only(good, expired), ExpiredSignature, 0},
		{"expired signature of unknown key before good", []signer{{key: foreign, age: 2 * day, lasts: day}, {key: good}}, only(good), "", 1},
		{"future signature beside good", []signer{{key: other, age: -48 * time.Hour}, {key: good}}, only(good, other), "", 1},
		{"signature older than its key beside good", []signer{{key: other, age: 200 * day}, {key: good}}, only(good, other), "", 1},
		{"SHA-224 beside good", []signer{{key: other, hash: crypto.SHA224}, {key: good}}, only(good, other), "", 1},
		{"expired beside unknown", []signer{{key: foreign}, {key: expired, age: old}}, only(good, expired), ExpiredKey, 0},
	}
}

// gpgvToo asserts the rule of the package: what we accept, gpgv accepts.
func gpgvToo(t *testing.T, accepted bool, ring []*openpgp.Entity, files ...[]byte) {
	t.Helper()
	if !accepted {
		return
	}
	if ok, status := gpgvAccepts(t, public(t, ring...), files...); !ok {
		t.Errorf("accepted here, refused by gpgv:\n%s", status)
	}
}

func TestVerdictsOnClearsigned(t *testing.T) {
	for _, v := range verdicts(t) {
		t.Run(v.name, func(t *testing.T) {
			data := clearsign(t, releaseText, v.signers...)
			result, err := keyring(t, v.ring...).VerifyClearsigned(data, now)
			checkVerdict(t, v, result, err)
			needGpgv(t)
			gpgvToo(t, err == nil, v.ring, data)
		})
	}
}

func TestVerdictsOnDetached(t *testing.T) {
	for _, v := range verdicts(t) {
		t.Run(v.name, func(t *testing.T) {
			var packets [][]byte
			for _, s := range v.signers {
				s.binary = true
				packets = append(packets, s.sign(t, releaseText))
			}
			for kind, sig := range map[string][]byte{"armoured": []byte(block(packets...)), "binary": bytes.Join(packets, nil)} {
				t.Run(kind, func(t *testing.T) {
					result, err := keyring(t, v.ring...).VerifyDetached([]byte(releaseText), sig, now)
					checkVerdict(t, v, result, err)
					needGpgv(t)
					gpgvToo(t, err == nil, v.ring, sig, []byte(releaseText))
				})
			}
		})
	}
}

func checkVerdict(t *testing.T, v verdict, result *Result, err error) {
	t.Helper()
	if got := reasonOf(t, err); got != v.want {
		t.Fatalf("got %q (%v), want %q", got, err, v.want)
	}
	if v.want != "" {
		return
	}
	if string(result.Text) != releaseText {
		t.Errorf("text %q", result.Text)
	}
	if len(result.Signatures) != v.good {
		t.Errorf("%d good signatures, want %d", len(result.Signatures), v.good)
	}
	for _, sig := range result.Signatures {
		if len(sig.Fingerprint) != 40 || sig.KeyFingerprint != sig.Fingerprint || !strings.HasSuffix(sig.UserID, "@mirror.example.org>") ||
			sig.Created.IsZero() || sig.Hash == "" || sig.Algorithm == "" {
			t.Errorf("incomplete: %+v", sig)
		}
	}
}

func TestGpgvStatusOfVerdictsIsNotVacuous(t *testing.T) {
	needGpgv(t)
	good := goodKey(t)
	if ok, status := gpgvAccepts(t, public(t, good), clearsign(t, releaseText, signer{key: good})); !ok {
		t.Errorf("gpgv refuses a good file:\n%s", status)
	}
	if ok, _ := gpgvAccepts(t, public(t, good), clearsign(t, releaseText, signer{key: good, bad: true})); ok {
		t.Error("gpgv accepts a bad file")
	}
}

func TestDetachedTextSignature(t *testing.T) {
	good := goodKey(t)
	sig := signer{key: good}.sign(t, strings.ReplaceAll(releaseText, "\n", "\r\n"))
	result, err := keyring(t, good).VerifyDetached([]byte(releaseText), sig, now)
	if err != nil || string(result.Text) != releaseText {
		t.Fatalf("got %v, %v", result, err)
	}
	needGpgv(t)
	gpgvToo(t, true, []*openpgp.Entity{good}, sig, []byte(releaseText))
}

// Numbers 27 and 28 of RFC 9580 are accepted although the gpgv and sqv of Debian 12 and 13 do not know them yet.
func TestNewNumbersOfEdwardsCurves(t *testing.T) {
	for name, alg := range map[string]packet.PublicKeyAlgorithm{"Ed25519": packet.PubKeyAlgoEd25519, "Ed448": packet.PubKeyAlgoEd448} {
		k := key(t, "new"+name, func(c *packet.Config) { c.Algorithm = alg })
		result, err := keyring(t, k).VerifyClearsigned(clearsign(t, releaseText, signer{key: k}), now)
		if err != nil || result.Signatures[0].Algorithm != name {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
	}
}

// GnuPG and apt disagree on what a binary signature in a clearsigned file covers: CR LF or LF. Both spellings are refused.
func TestBinarySignatureInClearsignedIsRefused(t *testing.T) {
	good := goodKey(t)
	for _, over := range []string{canonical(releaseText), strings.TrimSuffix(releaseText, "\n"), releaseText} {
		data := []byte(beginMessage + "\nHash: SHA512\n\n" + releaseText + block(signer{key: good, binary: true}.sign(t, over)))
		if _, err := keyring(t, good).VerifyClearsigned(data, now); reasonOf(t, err) != Malformed {
			t.Errorf("got %v, want malformed", err)
		}
	}
}

func TestOddSignaturePackets(t *testing.T) {
	good := goodKey(t)
	fine := signer{key: good}.sign(t, canonical(releaseText))
	body := func(change func([]byte)) []byte {
		p := bytes.Clone(fine)
		change(p)
		return p
	}
	offset := len(fine) - len(mustPacket(t, fine).body) // of the packet's body
	foreignOdd := signer{key: key(t, "foreign", nil)}.sign(t, canonical(releaseText))
	foreignOdd[offset+2] = 99
	critical := func(s *packet.Signature) {
		s.Notations = []*packet.Notation{{Name: "must@mirror.example.org", Value: []byte("x"), IsCritical: true}}
	}
	tests := []struct {
		name    string
		packets [][]byte
		want    Reason
	}{
		{"version 6 alone", [][]byte{body(func(p []byte) { p[offset] = 6 })}, Malformed},
		{"version 6 before good", [][]byte{body(func(p []byte) { p[offset] = 6 }), fine}, Malformed},
		{"version 6 after good", [][]byte{fine, body(func(p []byte) { p[offset] = 6 })}, ""},
		{"version 3 beside good", [][]byte{body(func(p []byte) { p[offset] = 3 }), fine}, Malformed},
		{"version 5 beside good", [][]byte{body(func(p []byte) { p[offset] = 5 }), fine}, Malformed},
		{"certification beside good", [][]byte{body(func(p []byte) { p[offset+1] = 0x13 }), fine}, Malformed},
		{"unknown algorithm of unknown key beside good", [][]byte{foreignOdd, fine}, ""},
		{"another algorithm beside good", [][]byte{body(func(p []byte) { p[offset+2] = 99 }), fine}, BadSignature},
		{"MD5 alone", [][]byte{body(func(p []byte) { p[offset+3] = 1 })}, WeakDigest},
		{"MD5 beside good", [][]byte{body(func(p []byte) { p[offset+3] = 1 }), fine}, ""},
		{"unknown digest alone", [][]byte{body(func(p []byte) { p[offset+3] = 77 })}, WeakDigest},
		{"cut short", [][]byte{fine[:len(fine)-1]}, Malformed},
		{"a user ID", [][]byte{{0xcd, 1, 'x'}, fine}, Malformed},
		{"trailing zero", [][]byte{fine, {0}}, Malformed},
		{"17 signatures", slices.Repeat([][]byte{fine}, 17), Malformed},
		{"16 signatures", slices.Repeat([][]byte{fine}, 16), ""},
		{"critical notation", [][]byte{signer{key: good, adjust: critical}.sign(t, canonical(releaseText))}, BadSignature},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := []byte(beginMessage + "\nHash: SHA512\n\n" + releaseText + block(test.packets...))
			_, err := keyring(t, good).VerifyClearsigned(data, now)
			if got := reasonOf(t, err); got != test.want {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
			needGpgv(t)
			gpgvToo(t, err == nil, []*openpgp.Entity{good}, data)
		})
	}
}

func mustPacket(t *testing.T, data []byte) rawPacket {
	t.Helper()
	p, rest, err := nextPacket(data)
	if err != nil || len(rest) > 0 {
		t.Fatalf("not one packet: %v", err)
	}
	return p
}

func TestNoSignaturesAtAll(t *testing.T) {
	k := keyring(t, goodKey(t))
	for name, sig := range map[string]string{"empty": "", "web page": "<html>", "text": "hello\n"} {
		if _, err := k.VerifyDetached([]byte(releaseText), []byte(sig), now); reasonOf(t, err) != Unsigned {
			t.Errorf("%s: got %v, want unsigned", name, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	good := goodKey(t)
	k, data := keyring(t, good), clearsign(t, releaseText, signer{key: good})
	start := bytes.Index(data, []byte(releaseText))
	for i := start; i < start+len(releaseText); i++ {
		for _, flip := range []byte{1, 0x20} {
			changed := bytes.Clone(data)
			changed[i] ^= flip
			if result, err := k.VerifyClearsigned(changed, now); err == nil && string(result.Text) != releaseText {
				t.Errorf("byte %d changed by %#x: accepted %q", i, flip, result.Text)
			}
		}
	}
}

func TestConcurrentVerification(t *testing.T) {
	good := goodKey(t)
	k, data := keyring(t, good), clearsign(t, releaseText, signer{key: good})
	errs := make(chan error)
	for range 8 {
		go func() {
			_, err := k.VerifyClearsigned(data, now)
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkVerifyClearsigned(b *testing.B) {
	text := strings.Repeat(" 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  1234567 main/binary-amd64/Packages.xz\n", 1450)
	signers := []signer{{key: rsaKey(b, "rsa4096", 4096), hash: crypto.SHA256}, {key: rsaKey(b, "rsa3072", 3072), hash: crypto.SHA256}, {key: goodKey(b), hash: crypto.SHA256}}
	data := clearsign(b, releaseText+"SHA256:\n"+text, signers...)
	k := keyring(b, signers[0].key, signers[1].key, signers[2].key)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if result, err := k.VerifyClearsigned(data, now); err != nil || len(result.Signatures) != 3 {
			b.Fatal(result, err)
		}
	}
}

func BenchmarkVerifyRealInRelease(b *testing.B) {
	files := realInReleases(b)
	k, err := LoadKeyring(debianKeyring)
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(slices.MaxFunc(files, func(a, b string) int { return size(a) - size(b) }))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.VerifyClearsigned(data, now); err != nil {
			b.Fatal(err)
		}
	}
}

func size(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return int(info.Size())
}
