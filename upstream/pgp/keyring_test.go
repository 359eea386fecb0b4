package pgp

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyringForms(t *testing.T) {
	good, other := goodKey(t), otherKey(t)
	a, b := string(keyring(t, good).Armored()), string(keyring(t, other).Armored())
	trust := string([]byte{0xb0, 2, 0, 3}) // as in old binary keyrings of GnuPG
	for name, test := range map[string]struct {
		data string
		want int
	}{
		"binary":             {string(public(t, good, other)), 2},
		"with trust packets": {string(public(t, good)) + trust + string(public(t, other)) + trust, 2},
		"one block":          {a, 1},
		"two blocks":         {a + b, 2},
		"notes and CRLF":     {strings.ReplaceAll("The old key:\n"+a+"\nThe new key:\n\n"+b+"\n", "\n", "\r\n"), 2},
		"the same twice":     {a + a, 1},
		"headers":            {strings.Replace(a, "\n\n", "\nVersion: GnuPG v1\nComment: \n\n", 1), 1},
	} {
		k, err := ReadKeyring(strings.NewReader(test.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := len(k.Primaries()); got != test.want {
			t.Errorf("%s: %d keys, want %d", name, got, test.want)
		}
	}
}

func TestUnusableKeyrings(t *testing.T) {
	good := goodKey(t)
	var private bytes.Buffer
	if err := good.SerializePrivateWithoutSigning(&private, nil); err != nil {
		t.Fatal(err)
	}
	v6 := key(t, "v6", func(c *packet.Config) { c.V6Keys, c.Algorithm = true, packet.PubKeyAlgoEd25519 })
	for name, test := range map[string]struct{ data, want string }{
		"empty":           {"", "no usable"},
		"text":            {"hello\n", "no usable"},
		"private":         {private.String(), "private key"},
		"private block":   {beginPriv + "\n\nAAAA\n", "private key"},
		"keybox":          {"\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00", "gpg --export"},
		"signature block": {block(signer{key: good}.sign(t, "x")), "not a public key"},
		"signature":       {string(signer{key: good}.sign(t, "x")), "no usable"},
		"broken":          {string(public(t, good))[:100], "broken"},
		"only version 6":  {string(public(t, v6)), "no usable"},
		"too long":        {strings.Repeat("\x80", MaxKeyringBytes+1), "longer"},
	} {
		_, err := ReadKeyring(strings.NewReader(test.data))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if k, err := ReadKeyring(bytes.NewReader(append(public(t, v6), public(t, good)...))); err != nil || len(k.Primaries()) != 1 {
		t.Errorf("a version 6 key beside one of version 4: %v", err)
	}
}

func TestLoadKeyringNamesTheFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.gpg")
	if _, err := LoadKeyring(missing); err == nil || strings.Count(err.Error(), missing) != 1 {
		t.Errorf("missing file: got %v", err)
	}
	empty := writeFile(t, "empty.gpg", nil)
	if _, err := LoadKeyring(empty); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("empty file: got %v", err)
	}
	if _, err := LoadKeyring(); err == nil {
		t.Error("no file: no error")
	}
}

// Two files with different states of one key: what is newer counts, in whatever order they are named.
func TestLoadKeyringMergesCertificates(t *testing.T) {
	fresh := newEntity(t, "merged", func(c *packet.Config) { c.KeyLifetimeSecs = uint32((10 * day).Seconds()) })
	old := public(t, fresh)
	data := clearsign(t, releaseText, signer{key: fresh})
	if err := renew(fresh, now.Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	renewed := public(t, fresh)
	if err := fresh.Revoke(packet.KeySuperseded, "", &packet.Config{Time: func() time.Time { return now.Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	revoked := public(t, fresh)
	for _, test := range []struct {
		name  string
		files [][]byte
		want  Reason
	}{
		{"old", [][]byte{old}, ExpiredKey},
		{"renewed", [][]byte{renewed}, ""},
		{"old, renewed", [][]byte{old, renewed}, ""},
		{"renewed, old", [][]byte{renewed, old}, ""},
		{"renewed, revoked", [][]byte{renewed, revoked}, RevokedKey},
		{"revoked, renewed", [][]byte{revoked, renewed}, RevokedKey},
	} {
		var paths []string
		for _, f := range test.files {
			paths = append(paths, writeFile(t, "ring.gpg", f))
		}
		k, err := LoadKeyring(paths...)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(k.Primaries()); n != 1 {
			t.Errorf("%s: %d keys, want 1", test.name, n)
		}
		if _, err := k.VerifyClearsigned(data, now); reasonOf(t, err) != test.want {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// renew makes a new self-signature without an end, as gpg --quick-set-expire does.
func renew(e *openpgp.Entity, at time.Time) error {
	for _, id := range e.Identities {
		sig := *id.SelfCertifications[0].Packet
		sig.CreationTime, sig.KeyLifetimeSecs = at, nil
		if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, nil); err != nil {
			return err
		}
		id.SelfCertifications = append(id.SelfCertifications, packet.NewVerifiableSig(&sig))
	}
	return nil
}

func TestSignatureFromALapseOfItsKey(t *testing.T) {
	e := newEntity(t, "lapsed", func(c *packet.Config) { c.KeyLifetimeSecs = uint32((10 * day).Seconds()) })
	if err := renew(e, now.Add(-20*day)); err != nil {
		t.Fatal(err)
	}
	k := keyring(t, e)
	for age, want := range map[time.Duration]Reason{95 * day: "", 50 * day: ExpiredKey, 10 * day: ""} {
		if _, err := k.VerifyClearsigned(clearsign(t, releaseText, signer{key: e, age: age}), now); reasonOf(t, err) != want {
			t.Errorf("signed %v ago: got %v, want %q", age, err, want)
		}
	}
}

func TestNamesOfKeysAreLegible(t *testing.T) {
	e := newEntity(t, "good\x1b]0;title\x07", nil)
	if got := keyring(t, e).Primaries()[0].UserID; strings.ContainsFunc(got, unicode.IsControl) || !strings.HasPrefix(got, "good?]0;title? ") {
		t.Errorf("got %q", got)
	}
}

func TestPrimaries(t *testing.T) {
	keys := keyring(t, goodKey(t), expiredKey(t), revokedKey(t, packet.KeyRetired)).Primaries()
	if len(keys) != 3 {
		t.Fatalf("%d keys", len(keys))
	}
	good, expired, revoked := keys[0], keys[1], keys[2]
	if good.UserID != "good <good@mirror.example.org>" || good.Algorithm != "Ed25519" || !good.Created.Equal(now.Add(-100*day)) ||
		!good.Expires.IsZero() || good.Revoked || len(good.Fingerprint) != 40 {
		t.Errorf("good key: %+v", good)
	}
	if !expired.Expires.Equal(now.Add(-day)) {
		t.Errorf("expired key: %+v", expired)
	}
	if !revoked.Revoked {
		t.Errorf("revoked key: %+v", revoked)
	}
}

func TestWrittenKeyringsRead(t *testing.T) {
	good, other := goodKey(t), otherKey(t)
	k := keyring(t, good, other)
	pinned, err := k.Pin(fingerprintOf(other.PrimaryKey))
	if err != nil {
		t.Fatal(err)
	}
	var binary bytes.Buffer
	if err := pinned.Write(&binary); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"binary": binary.Bytes(), "armoured": pinned.Armored()} {
		again, err := ReadKeyring(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if keys := again.Primaries(); len(keys) != 1 || keys[0].UserID != "other <other@mirror.example.org>" {
			t.Errorf("%s: %+v", name, keys)
		}
	}
	needGpgv(t)
	if ok, status := gpgvAccepts(t, binary.Bytes(), clearsign(t, releaseText, signer{key: other})); !ok {
		t.Errorf("gpgv with the written keyring:\n%s", status)
	}
}

// withSubkey returns a key whose primary key only certifies, with one subkey that signs.
func withSubkey(t *testing.T, config *packet.Config) (e *openpgp.Entity, sub *openpgp.Subkey) {
	t.Helper()
	e = newEntity(t, "split", nil)
	e.Subkeys = nil
	config.Algorithm = packet.PubKeyAlgoEdDSA
	if config.Time == nil {
		config.Time = func() time.Time { return now.Add(-90 * day) }
	}
	if err := e.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	for _, id := range e.Identities {
		sig := *id.SelfCertifications[0].Packet
		sig.FlagSign = false
		if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, nil); err != nil {
			t.Fatal(err)
		}
		id.SelfCertifications[0] = packet.NewVerifiableSig(&sig)
	}
	return e, &e.Subkeys[0]
}

func TestSubkeys(t *testing.T) {
	retire := func(e *openpgp.Entity, sub *openpgp.Subkey) error {
		return sub.Revoke(packet.KeyRetired, "", &packet.Config{Time: func() time.Time { return now.Add(-time.Minute) }})
	}
	withoutCross := func(e *openpgp.Entity, sub *openpgp.Subkey) error {
		sig := *sub.Bindings[0].Packet
		sig.EmbeddedSignature = nil
		if err := sig.SignKey(sub.PublicKey, e.PrivateKey, nil); err != nil {
			return err
		}
		sub.Bindings[0] = packet.NewVerifiableSig(&sig)
		return nil
	}
	revokePrimary := func(e *openpgp.Entity, _ *openpgp.Subkey) error {
		return e.Revoke(packet.KeySuperseded, "", nil)
	}
	stranger := func(e *openpgp.Entity, sub *openpgp.Subkey) error {
		sub.Bindings = nil
		return nil
	}
	for _, test := range []struct {
		name   string
		config *packet.Config
		change func(*openpgp.Entity, *openpgp.Subkey) error
		want   Reason
	}{
		{"good", &packet.Config{}, nil, ""},
		{"expired", &packet.Config{KeyLifetimeSecs: uint32((80 * day).Seconds())}, nil, ExpiredKey},
		{"revoked", &packet.Config{}, retire, RevokedKey},
		{"of a revoked primary key", &packet.Config{}, revokePrimary, RevokedKey},
		{"that did not agree to be one", &packet.Config{}, withoutCross, WeakKey},
		{"that is not bound", &packet.Config{}, stranger, WeakKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, sub := withSubkey(t, test.config)
			if test.change != nil {
				if err := test.change(e, sub); err != nil {
					t.Fatal(err)
				}
			}
			data := clearsign(t, releaseText, signer{key: e, private: sub.PrivateKey})
			result, err := keyring(t, e).VerifyClearsigned(data, now)
			if reasonOf(t, err) != test.want {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil {
				sig := result.Signatures[0]
				if sig.Fingerprint != fingerprintOf(e.PrimaryKey) || sig.KeyFingerprint != fingerprintOf(sub.PublicKey) {
					t.Errorf("got %+v", sig)
				}
			}
			needGpgv(t)
			gpgvToo(t, err == nil, []*openpgp.Entity{e}, data)
		})
	}
	t.Run("certifying primary key must not sign", func(t *testing.T) {
		e, _ := withSubkey(t, &packet.Config{})
		if _, err := keyring(t, e).VerifyClearsigned(clearsign(t, releaseText, signer{key: e}), now); reasonOf(t, err) != WeakKey {
			t.Errorf("got %v, want weak-key", err)
		}
	})
}

func TestPins(t *testing.T) {
	good, other := goodKey(t), otherKey(t)
	split, sub := withSubkey(t, &packet.Config{})
	k := keyring(t, good, other, split)
	primary, subkey := fingerprintOf(split.PrimaryKey), fingerprintOf(sub.PublicKey)
	bySub := clearsign(t, releaseText, signer{key: split, private: sub.PrivateKey})
	byOther := clearsign(t, releaseText, signer{key: other})
	spaced := strings.ToLower(primary[:20]) + "  " + primary[20:]
	for _, test := range []struct {
		name string
		pins []string
		data []byte
		want Reason
	}{
		{"primary pins its subkeys", []string{primary}, bySub, ""},
		{"lower case and spaces", []string{spaced}, bySub, ""},
		{"exactly the subkey", []string{subkey + "!"}, bySub, ""},
		{"exactly the primary key", []string{primary + "!"}, bySub, UnknownKey},
		{"another key", []string{primary}, byOther, UnknownKey},
		{"one of two", []string{primary, fingerprintOf(other.PrimaryKey)}, byOther, ""},
		{"bad signature of an unpinned key", []string{primary},
			clearsign(t, releaseText, signer{key: other, bad: true}, signer{key: split, private: sub.PrivateKey}), BadSignature},
	} {
		pinned, err := k.Pin(test.pins...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if _, err := pinned.VerifyClearsigned(test.data, now); reasonOf(t, err) != test.want {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	for pin, want := range map[string]string{
		subkey:                  "subkey of " + primary,
		strings.Repeat("0", 40): "not in the keyring",
		primary[24:]:            "40 hex digits",
		"":                      "40 hex digits",
		primary[:39] + "x":      "40 hex digits",
	} {
		if _, err := k.Pin(pin); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pin %q: got %v, want an error with %q", pin, err, want)
		}
	}
	if _, err := k.Pin(); err == nil {
		t.Error("no pin at all: no error")
	}
}

// apt 3 does not accept keys that are only bound with SHA-1, the way NodeSource's was until 2026.
func TestWeakSelfSignature(t *testing.T) {
	e := newEntity(t, "sha1bound", nil)
	var strong *packet.VerifiableSignature
	for _, id := range e.Identities {
		strong = id.SelfCertifications[0]
		sig := *strong.Packet
		sig.Hash = crypto.SHA1
		config := &packet.Config{NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)}
		sig.Notations = nil
		if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, config); err != nil {
			t.Fatal(err)
		}
		id.SelfCertifications = []*packet.VerifiableSignature{packet.NewVerifiableSig(&sig)}
	}
	data := clearsign(t, releaseText, signer{key: e})
	if _, err := keyring(t, e).VerifyClearsigned(data, now); reasonOf(t, err) != WeakKey || !strings.Contains(err.Error(), "self-signature") {
		t.Errorf("got %v, want weak-key", err)
	}
	for _, id := range e.Identities {
		id.SelfCertifications = append(id.SelfCertifications, strong)
	}
	if _, err := keyring(t, e).VerifyClearsigned(data, now); err != nil {
		t.Errorf("with a strong one beside it: %v", err)
	}
}

// A self-signature of the key's future, and one that has ended, count for nothing.
func TestSelfSignatureDates(t *testing.T) {
	e := newEntity(t, "young", func(c *packet.Config) { c.Time = func() time.Time { return now.Add(day) } })
	data := clearsign(t, releaseText, signer{key: e})
	if _, err := keyring(t, e).VerifyClearsigned(data, now); reasonOf(t, err) != FutureSignature {
		t.Errorf("a key from tomorrow: got %v", err)
	}
	ended := newEntity(t, "ended", func(c *packet.Config) { c.SigLifetimeSecs = uint32(day.Seconds()) })
	data = clearsign(t, releaseText, signer{key: ended})
	if _, err := keyring(t, ended).VerifyClearsigned(data, now); reasonOf(t, err) != WeakKey {
		t.Errorf("a self-signature that ended: got %v", err)
	}
}

func BenchmarkLoadKeyring(b *testing.B) {
	realInReleases(b)
	b.SetBytes(int64(size(debianKeyring)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := LoadKeyring(debianKeyring); err != nil {
			b.Fatal(err)
		}
	}
}
