package resign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// gpgHome makes a home for gpg with one key that signs, and gives its fingerprint.
func gpgHome(t *testing.T) (home, fingerprint string) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket below must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() // nothing to do where there is none
		os.RemoveAll(home)
	})
	if out, err := gpg(t, home, "--passphrase", "", "--quick-gen-key", "Site <site@mirror.example.org>", "ed25519", "sign", "0"); err != nil {
		t.Skipf("this gpg cannot make the key: %v\n%s", err, out)
	}
	colons, err := gpg(t, home, "--list-keys", "--with-colons")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(colons), "\nfpr:::::::::")
	return home, after[:40]
}

func gpg(t *testing.T, home string, args ...string) ([]byte, error) {
	t.Helper()
	return exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback"}, args...)...).Output()
}

// commandKey is a key for which gpg signs, with further options.
func commandKey(t *testing.T, options ...string) *Key {
	t.Helper()
	home, fingerprint := gpgHome(t)
	public, err := gpg(t, home, "--export")
	if err != nil {
		t.Fatal(err)
	}
	command := append([]string{"gpg", "--homedir", home, "--batch", "--local-user", fingerprint}, options...)
	key, err := LoadCommandKey(writeFile(t, t.TempDir(), "public.gpg", public), command)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const release = "Origin: Example\nSuite: stable\n- a dash\n"

func TestACommandSigns(t *testing.T) {
	for _, armour := range []string{"--armor", "--no-armor"} {
		key, beside := commandKey(t, armour, "--digest-algo", "SHA256", "--textmode", "--detach-sign"), newTestKey(t, EdDSA)
		for _, keys := range [][]*Key{{key}, {key, beside}, {beside, key}} {
			inRelease := clearsign(t, release, keys...)
			status, err := gpgv(t, keys, string(inRelease))
			if good := strings.Count(status, "] GOODSIG "); err != nil || good != len(keys) {
				t.Errorf("InRelease: %v, %d good signatures of %d\n%s\n%s", err, good, len(keys), status, inRelease)
			}
			var sig bytes.Buffer
			if err := DetachSign(t.Context(), &sig, []byte(release), signedAt, keys...); err != nil {
				t.Fatal(err)
			}
			status, err = gpgv(t, keys, sig.String(), release)
			if good := strings.Count(status, "] GOODSIG "); err != nil || good != len(keys) {
				t.Errorf("Release.gpg: %v, %d good signatures of %d\n%s", err, good, len(keys), status)
			}
		}
		if err := key.WritePrivate(&bytes.Buffer{}); err == nil || !key.Command() {
			t.Error("the private part of a command's key was written")
		}
		if err := key.Check(time.Now()); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatACommandGetsWrongIsNotUsed(t *testing.T) {
	binary := commandKey(t, "--detach-sign")
	foreign := commandKey(t, "--textmode", "--detach-sign")
	foreign.command = commandKey(t, "--textmode", "--detach-sign").command
	stale := writeFile(t, t.TempDir(), "stale.sig", []byte("-----BEGIN PGP SIGNATURE-----\n\nnonsense\n-----END PGP SIGNATURE-----\n"))
	script := func(text string) *Key {
		key := newTestKey(t, EdDSA)
		key.command = []string{"/bin/sh", "-c", text}
		return key
	}
	for _, c := range []struct {
		name string
		key  *Key
		want string
	}{
		{"bytes", binary, "--textmode"},
		{"another key", foreign, "not in the keyring"},
		{"nothing", script("exit 0"), "wrote no signature"},
		{"nonsense", script("echo hello"), "neither a binary nor an armoured"},
		{"broken armour", script("cat " + stale), "no signature"},
		{"too much", script("yes | head -c 100000"), "more than 65536 bytes"},
		{"a complaint", script("echo 'the \x1b[1mtoken is missing' >&2; exit 3"), "exit status 3; it says: the  [1mtoken is missing"},
		{"absent", &Key{command: []string{"/nonexistent/sign"}, entity: binary.entity, ring: binary.ring}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Clearsign(t.Context(), &out, []byte(release), signedAt, c.key)
			if err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
				t.Errorf("got %v and %d bytes, want an error with %q", err, out.Len(), c.want)
			}
		})
	}
}

func TestASlowCommandIsStopped(t *testing.T) {
	key := newTestKey(t, EdDSA)
	key.command = []string{"/bin/sh", "-c", "exec sleep 100"}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := Clearsign(ctx, &bytes.Buffer{}, []byte(release), signedAt, key); err == nil {
		t.Error("a command that was stopped made a signature")
	}
}

func TestPassphrases(t *testing.T) {
	dir := t.TempDir()
	var protected bytes.Buffer
	key := newTestKey(t, EdDSA)
	if err := key.WriteProtected(&protected, []byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, dir, "site.asc", protected.Bytes())
	right, wrong := writeFile(t, dir, "right", []byte("open sesame\n")), writeFile(t, dir, "wrong", []byte("abracadabra\n"))
	empty, open := writeFile(t, dir, "empty", nil), writeFile(t, dir, "open", []byte("open sesame"))
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		passphrase, credentials, want string
	}{
		{"file:" + right, "", ""},
		{"credential:right", dir, ""},
		{"credential:open", dir, ""}, // systemd gives access by ACL
		{"", "", "has a passphrase"},
		{"file:" + wrong, "", "not that of the key"},
		{"file:" + empty, "", "is empty"},
		{"file:" + open, "", "chmod 600"},
		{"credential:right", "", "LoadCredential=right:PATH"},
		{"credential:none", dir, "LoadCredential=none:PATH"},
		{"credential:../right", dir, "credential:NAME or file:PATH"},
		{"file:", dir, "credential:NAME or file:PATH"},
		{"open sesame", dir, "credential:NAME or file:PATH"},
	} {
		t.Run(c.passphrase, func(t *testing.T) {
			key, err := KeySource{Private: path, Passphrase: c.passphrase, Credentials: c.credentials}.Load()
			if c.want == "" && err == nil {
				clearsign(t, release, key)
				return
			}
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error shows the passphrase: %v", err)
			}
		})
	}
	clearsign(t, release, key) // its own private part stayed open
}

func TestThePublicHalfNeedsNoPassphrase(t *testing.T) {
	var protected bytes.Buffer
	key := newTestKey(t, EdDSA)
	if err := key.WriteProtected(&protected, []byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, t.TempDir(), "site.asc", protected.Bytes())
	public, err := KeySource{Private: path, Passphrase: "credential:none"}.LoadPublic()
	if err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	if err := errors.Join(key.WritePublic(&want, false), public.WritePublic(&got, false)); err != nil || !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("another public half (%v)", err)
	}
	if err := DetachSign(t.Context(), io.Discard, []byte(release), time.Now(), public); err == nil {
		t.Error("it signs")
	}
}

func TestGpgReadsProtectedKeys(t *testing.T) {
	home, _ := gpgHome(t)
	var protected bytes.Buffer
	key := newTestKey(t, EdDSA)
	if err := key.WriteProtected(&protected, []byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	if _, err := gpg(t, home, "--import", writeFile(t, t.TempDir(), "site.asc", protected.Bytes())); err != nil {
		t.Fatal(err)
	}
	if out, err := gpg(t, home, "--list-secret-keys", key.Fingerprint()); err != nil {
		t.Errorf("gpg has not the secret key: %v\n%s", err, out)
	}
}

func TestKeysOfOthersAreRefused(t *testing.T) {
	dir := t.TempDir()
	var public, private bytes.Buffer
	key := newTestKey(t, EdDSA)
	if err := key.WritePublic(&public, true); err != nil {
		t.Fatal(err)
	}
	if err := key.WritePrivate(&private); err != nil {
		t.Fatal(err)
	}
	publicFile, privateFile := writeFile(t, dir, "public.asc", public.Bytes()), writeFile(t, dir, "private.asc", private.Bytes())
	if _, err := LoadKey(publicFile); err == nil || !strings.Contains(err.Error(), "only the public key") {
		t.Errorf("a public key as private: %v", err)
	}
	if _, err := LoadCommandKey(privateFile, []string{"sign"}); err == nil || !strings.Contains(err.Error(), "holds a private key") {
		t.Errorf("a private key as public: %v", err)
	}
	if _, err := LoadCommandKey(publicFile, nil); err == nil {
		t.Error("a key without command was read")
	}
}

func TestExpiry(t *testing.T) {
	key := newTestKey(t, EdDSA)
	if !key.Expires().IsZero() {
		t.Errorf("a new key expires on %s", key.Expires())
	}
	life := uint32((48 * time.Hour).Seconds())
	for _, id := range key.entity.Identities {
		self := id.SelfCertifications[0].Packet
		self.KeyLifetimeSecs = &life
		if err := self.SignUserId(id.UserId.Id, key.entity.PrimaryKey, key.entity.PrivateKey, signingConfig(key.Created())); err != nil {
			t.Fatal(err)
		}
	}
	short, err := newKey(key.entity)
	if err != nil {
		t.Fatal(err)
	}
	end := key.Created().Add(48 * time.Hour)
	if !short.Expires().Equal(end) {
		t.Errorf("expires on %s, want %s", short.Expires(), end)
	}
	if err := short.Check(end.Add(-time.Second)); err != nil {
		t.Errorf("before its end: %v", err)
	}
	if err := short.Check(end); err == nil || !strings.Contains(err.Error(), "expired on 2026-03-03") {
		t.Errorf("after its end: %v", err)
	}
	if err := Clearsign(t.Context(), &bytes.Buffer{}, []byte(release), end, short); err == nil {
		t.Error("an expired key signed")
	}
}

func TestSubkeysEndWhatTheySign(t *testing.T) {
	key := newTestKey(t, EdDSA)
	config := signingConfig(key.Created())
	config.Algorithm, config.KeyLifetimeSecs = packet.PubKeyAlgoEdDSA, uint32(time.Hour.Seconds())
	if err := key.entity.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	if end := key.Created().Add(time.Hour); !key.Expires().Equal(end) {
		t.Errorf("expires on %s, want %s", key.Expires(), end)
	}
}

func TestKeysSayWhatTheyAre(t *testing.T) {
	key := newTestKey(t, EdDSA)
	got := fmt.Sprint(key.UserID(), " ", key.Algorithm(), " ", key.Created(), " ", key.Command())
	want := fmt.Sprint("Site ed25519 <site@mirror.example.org> Ed25519 ", signedAt.Add(-time.Hour), " false")
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A signature is made in the time of the Release, not in that of the machine.
func TestTheClockIsThatOfTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, err := NewKeyAt(time.Now().Add(1000*time.Hour), "Site", "", EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		if err := Clearsign(t.Context(), &bytes.Buffer{}, []byte(release), time.Now().Add(1001*time.Hour), key); err != nil {
			t.Error(err)
		}
		if err := Clearsign(t.Context(), &bytes.Buffer{}, []byte(release), time.Now(), key); err == nil {
			t.Error("signed before the key was made")
		}
	})
}

func TestFilesWithoutKeys(t *testing.T) {
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("read a file that does not exist")
	}
}
