package resign

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

var signedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTestKey(t *testing.T, alg Algorithm) *Key {
	t.Helper()
	key, err := NewKeyAt(signedAt.Add(-time.Hour), "Site "+string(alg), "site@mirror.example.org", alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func clearsign(t *testing.T, text string, keys ...*Key) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Clearsign(t.Context(), &out, []byte(text), signedAt, keys...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// gpgv runs gpgv with the public halves of keys as its keyring and returns its status lines.
func gpgv(t *testing.T, keys []*Key, files ...string) (status string, err error) {
	t.Helper()
	if _, err := exec.LookPath("gpgv"); err != nil {
		t.Skip("gpgv is not installed")
	}
	dir := t.TempDir()
	var ring bytes.Buffer
	for _, key := range keys {
		if err := key.WritePublic(&ring, false); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--status-fd", "1", "--keyring", writeFile(t, dir, "ring.gpg", ring.Bytes())}
	for i, file := range files {
		args = append(args, writeFile(t, dir, fmt.Sprint(i), []byte(file)))
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "gpgv", args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+dir)
	out, err := cmd.Output()
	return string(out), err
}

func writeFile(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGpgvAcceptsWhatWeSign(t *testing.T) {
	eddsa, rsa := newTestKey(t, EdDSA), newTestKey(t, RSA4096)
	texts := map[string]string{
		"plain":        "Origin: Example\nSuite: stable\n",
		"dash":         "Origin: Example\n- a line\n-----BEGIN PGP SIGNATURE-----\n",
		"empty lines":  "\n\nOrigin: Example\n\n",
		"single line":  "x\n",
		"inner blanks": "Description: a\tb  c\n .\n",
	}
	for name, text := range texts {
		for _, keys := range [][]*Key{{eddsa}, {rsa}, {eddsa, rsa}} {
			t.Run(fmt.Sprint(name, len(keys), keys[0].Fingerprint()[:4]), func(t *testing.T) {
				status, err := gpgv(t, keys, string(clearsign(t, text, keys...)))
				if good := strings.Count(status, "] GOODSIG "); err != nil || good != len(keys) {
					t.Errorf("InRelease: %v, %d good signatures of %d\n%s", err, good, len(keys), status)
				}
				var sig bytes.Buffer
				if err := DetachSign(t.Context(), &sig, []byte(text), signedAt, keys...); err != nil {
					t.Fatal(err)
				}
				status, err = gpgv(t, keys, sig.String(), text)
				if good := strings.Count(status, "] GOODSIG "); err != nil || good != len(keys) {
					t.Errorf("Release.gpg: %v, %d good signatures of %d\n%s", err, good, len(keys), status)
				}
			})
		}
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	key := newTestKey(t, EdDSA)
	first, second := clearsign(t, "Suite: stable\n", key), clearsign(t, "Suite: stable\n", key)
	if !bytes.Equal(first, second) {
		t.Errorf("two signatures of one text at one time differ:\n%s\n%s", first, second)
	}
	var a, b bytes.Buffer
	if err := DetachSign(t.Context(), &a, []byte("x"), signedAt, key); err != nil {
		t.Fatal(err)
	}
	if err := DetachSign(t.Context(), &b, []byte("x"), signedAt.Add(time.Second), key); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the time is not part of the signature")
	}
}

// The checksum must be there whatever the padding of the base64 is, which varies with the number of signers.
func TestArmourHasChecksum(t *testing.T) {
	for n := 1; n <= 3; n++ {
		keys := make([]*Key, n)
		for i := range keys {
			keys[i] = newTestKey(t, EdDSA)
		}
		lines := strings.Split(strings.TrimSpace(string(clearsign(t, "x\n", keys...))), "\n")
		if sum := lines[len(lines)-2]; len(sum) != 5 || sum[0] != '=' {
			t.Errorf("%d signers: the line before the end is %q, not a checksum", n, sum)
		}
	}
}

func TestUnsignableTextIsRefused(t *testing.T) {
	key := newTestKey(t, EdDSA)
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "no line end"},
		"no line end":    {"Suite: stable", "no line end"},
		"trailing blank": {"Origin: x\nSuite: stable \n", "line 2"},
		"trailing tab":   {"Suite: stable\t\n", "line 1"},
		"CRLF":           {"Suite: stable\r\n", "line 1"},
	} {
		err := Clearsign(t.Context(), &bytes.Buffer{}, []byte(test.text), signedAt, key)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if err := Clearsign(t.Context(), &bytes.Buffer{}, []byte("x\n"), signedAt); err == nil {
		t.Error("signing without a key succeeded")
	}
	if err := Clearsign(t.Context(), &bytes.Buffer{}, []byte("x\n"), signedAt.Add(-24*time.Hour), key); err == nil {
		t.Error("signing at a time before the key was made succeeded")
	}
}

func TestKeySurvivesWritingAndReading(t *testing.T) {
	key := newTestKey(t, EdDSA)
	var private bytes.Buffer
	if err := key.WritePrivate(&private); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := writeFile(t, dir, "site.asc", private.Bytes())
	again, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(clearsign(t, "x\n", key), clearsign(t, "x\n", again)) {
		t.Error("the key read back signs differently")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Errorf("a key that the group can read: got %v, want a refusal with the mode", err)
	}
	var public bytes.Buffer
	if err := key.WritePublic(&public, true); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(&public); err == nil || !strings.Contains(err.Error(), "public") {
		t.Errorf("a public key as site key: got %v", err)
	}
	for _, bad := range []string{"", "hello", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n"} {
		if _, err := ReadKey(strings.NewReader(bad)); err == nil {
			t.Errorf("ReadKey(%q) succeeded", bad)
		}
	}
}

func TestKeysOfGnuPGSign(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	home := t.TempDir()
	gpg := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "gpg", append([]string{"--homedir", home, "--batch", "--quiet",
			"--pinentry-mode", "loopback", "--faked-system-time", "20260201T000000!"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("this gpg cannot make the key: gpg %v: %v", args, err)
		}
		return out
	}
	defer exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run()
	gpg("--passphrase", "", "--quick-gen-key", "Site <site@mirror.example.org>", "ed25519", "cert", "0")
	colons := string(gpg("--list-keys", "--with-colons"))
	_, after, _ := strings.Cut(colons, "\nfpr:::::::::")
	fingerprint := after[:40]
	gpg("--passphrase", "", "--quick-add-key", fingerprint, "rsa3072", "sign", "0")
	key, err := ReadKey(bytes.NewReader(gpg("--export-secret-keys")))
	if err != nil {
		t.Fatal(err)
	}
	if key.Fingerprint() != fingerprint {
		t.Errorf("fingerprint %s, gpg says %s", key.Fingerprint(), fingerprint)
	}
	status, err := gpgv(t, []*Key{key}, string(clearsign(t, "x\n", key)))
	if err != nil || !strings.Contains(status, "GOODSIG") {
		t.Errorf("gpgv: %v\n%s", err, status)
	}

	gpg("--passphrase", "secret", "--quick-gen-key", "Locked <locked@mirror.example.org>", "ed25519", "sign", "0")
	locked := gpg("--passphrase", "secret", "--armor", "--export-secret-keys", "locked@mirror.example.org")
	if _, err := ReadKey(bytes.NewReader(locked)); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("a key with a passphrase: got %v", err)
	}
	if _, err := ReadKey(bytes.NewReader(gpg("--passphrase", "secret", "--export-secret-keys"))); err == nil {
		t.Error("a file with two keys was read")
	}
}

func TestNewKeyRefusesUnknownAlgorithm(t *testing.T) {
	if _, err := NewKeyAt(signedAt, "x", "x@mirror.example.org", "dsa1024"); err == nil {
		t.Error("NewKey made a dsa1024 key")
	}
	key, err := NewKeyAt(time.Now(), "Site", "site@mirror.example.org", EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	if len(key.Fingerprint()) != 40 {
		t.Errorf("fingerprint %q", key.Fingerprint())
	}
}

func TestConcurrentSigning(t *testing.T) {
	key := newTestKey(t, EdDSA)
	want := clearsign(t, "x\n", key)
	got := make(chan []byte)
	for range 4 {
		go func() {
			var out bytes.Buffer
			if err := Clearsign(t.Context(), &out, []byte("x\n"), signedAt, key); err != nil {
				t.Error(err)
			}
			got <- out.Bytes()
		}()
	}
	for range 4 {
		if !bytes.Equal(<-got, want) {
			t.Error("signatures made at the same time differ")
		}
	}
}

// A key that was read signs, or says why not.
func FuzzReadKey(f *testing.F) {
	key, err := NewKeyAt(signedAt.Add(-time.Hour), "Site", "site@mirror.example.org", EdDSA)
	if err != nil {
		f.Fatal(err)
	}
	var private, public bytes.Buffer
	if err := key.WritePrivate(&private); err != nil {
		f.Fatal(err)
	}
	if err := key.WritePublic(&public, false); err != nil {
		f.Fatal(err)
	}
	f.Add(private.Bytes())
	f.Add(public.Bytes())
	block, err := armor.Decode(bytes.NewReader(private.Bytes()))
	if err != nil {
		f.Fatal(err)
	}
	binary, err := io.ReadAll(block.Body)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(binary)
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := ReadKey(bytes.NewReader(data))
		if err != nil {
			return
		}
		if len(key.Fingerprint()) != 40 {
			t.Errorf("fingerprint %q", key.Fingerprint())
		}
		var out bytes.Buffer
		if err := Clearsign(t.Context(), &out, []byte("x\n"), signedAt, key); err == nil && out.Len() == 0 {
			t.Error("signed nothing")
		}
	})
}

func BenchmarkClearsign(b *testing.B) {
	text := []byte(strings.Repeat(" 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  1234567 main/binary-amd64/Packages.xz\n", 1450))
	for _, alg := range []Algorithm{EdDSA, RSA4096} {
		b.Run(string(alg), func(b *testing.B) {
			key, err := NewKeyAt(signedAt, "Site", "site@mirror.example.org", alg)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Clearsign(b.Context(), io.Discard, text, signedAt, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
