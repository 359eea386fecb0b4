package pgp

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// gnupg is a home directory of gpg.
type gnupg struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T) *gnupg {
	t.Helper()
	needGpgv(t)
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gnupg") // t.TempDir is too long for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() // it may have gone
		os.RemoveAll(home)
	})
	return &gnupg{t, home}
}

func (g *gnupg) run(stdin string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(g.t.Context(), "gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--yes",
		"--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	return cmd.Output()
}

// Keys and signatures as GnuPG makes them, of every kind that it can make.
func TestGnuPGSignatures(t *testing.T) {
	g := newGnuPG(t)
	for _, test := range []struct {
		algorithm string
		args      []string
		want      Reason
		name      string
	}{
		{"ed25519", nil, "", "Ed25519"},
		{"rsa3072", []string{"--digest-algo", "SHA256"}, "", "RSA-3072"},
		{"nistp256", nil, "", "P-256"},
		{"nistp521", nil, "", "P-521"},
		{"ed25519", []string{"--comment", "a comment", "--emit-version"}, "", "Ed25519"},
		{"ed25519", []string{"--digest-algo", "SHA1"}, WeakDigest, ""},
		{"ed25519", []string{"--default-sig-expire", "1d"}, "", "Ed25519"},
		{"ed25519", []string{"--set-notation", "note@mirror.example.org=x"}, "", "Ed25519"},
		{"ed25519", []string{"--set-notation", "!note@mirror.example.org=x"}, BadSignature, ""},
		{"dsa2048", nil, WeakKey, ""},
		{"brainpoolP256r1", nil, WeakKey, ""},
		{"secp256k1", nil, WeakKey, ""},
	} {
		t.Run(test.algorithm+strings.Join(test.args, " "), func(t *testing.T) {
			g := &gnupg{t, g.home}
			user := test.algorithm + "@mirror.example.org"
			if _, err := g.run("", "--list-keys", user); err != nil {
				if _, err := g.run("", "--quick-gen-key", user, test.algorithm, "sign", "1y"); err != nil {
					t.Skipf("this gpg makes no %s keys: %v", test.algorithm, err)
				}
			}
			ring, err := g.run("", "--export", user)
			if err != nil {
				t.Fatal(err)
			}
			k, err := ReadKeyring(bytes.NewReader(ring))
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range [][]string{{"--clearsign"}, {"--detach-sign"}, {"--detach-sign", "--armor"}, {"--detach-sign", "--textmode"}} {
				sig, err := g.run(releaseText, append(append([]string{"--local-user", user}, test.args...), mode...)...)
				if err != nil {
					t.Fatal(err)
				}
				g.compare(k, ring, sig, mode[0] == "--clearsign", test.want, test.name)
			}
		})
	}
}

func (g *gnupg) compare(k *Keyring, ring, sig []byte, clear bool, want Reason, algorithm string) {
	g.t.Helper()
	files := [][]byte{sig}
	result, err := k.VerifyClearsigned(sig, time.Now())
	if !clear {
		files = append(files, []byte(releaseText))
		result, err = k.VerifyDetached([]byte(releaseText), sig, time.Now())
	}
	if reasonOf(g.t, err) != want {
		g.t.Errorf("got %v, want %q", err, want)
	}
	if err != nil {
		return
	}
	if string(result.Text) != releaseText || result.Signatures[0].Algorithm != algorithm {
		g.t.Errorf("got %+v", result)
	}
	if ok, status := gpgvAccepts(g.t, ring, files...); !ok {
		g.t.Errorf("accepted here, refused by gpgv:\n%s", status)
	}
}
