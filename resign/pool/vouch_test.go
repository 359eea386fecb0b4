package pool

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestUploadersVouch(t *testing.T) {
	trusted, second, stranger, old := upstreamtest.NewKey(t), upstreamtest.NewKey(t), upstreamtest.NewKey(t), upstreamtest.NewExpiredKey(t)
	binary := named("hello.deb", newDeb(t, control("hello", "1", "all", ""), ""))
	other := named("world.deb", newDeb(t, control("world", "1", "all", ""), ""))
	orig := file("hello_1.orig.tar.xz", "orig")
	dsc := newSource(t, "hello", "1", orig)
	signedDsc := func(keys ...*upstreamtest.Key) File {
		return file(dsc.Name, clearsigned(t, dscText(t, "hello", "1", orig), keys...))
	}
	changesOf := func(files ...File) string { return changesText(t, "misc", files...) }
	for _, c := range []struct {
		name  string
		files []File
		want  string // "" where it is taken
	}{
		{"a signed package", []File{debsigned(t, binary, trusted)}, ""},
		{"the other uploader", []File{debsigned(t, binary, second)}, ""},
		{"two signatures", []File{debsigned(t, binary, stranger, trusted)}, ""},
		{"an unsigned package", []File{binary}, "sign the package with debsigs"},
		{"a stranger's package", []File{debsigned(t, binary, stranger)}, "not in the keyring"},
		{"an expired key", []File{debsigned(t, binary, old)}, "expired"},
		{"one of two", []File{debsigned(t, binary, trusted), other}, "world.deb"},
		{"a signature of another package", []File{swapped(t, debsigned(t, binary, trusted), debsigned(t, other, trusted))}, "does not match"},
		{"a signed .changes", []File{binary, other, file("x.changes", clearsigned(t, changesOf(binary, other), trusted))}, ""},
		{"an unsigned .changes", []File{binary, file("x.changes", changesOf(binary))}, "x.changes"},
		{"a stranger's .changes", []File{binary, file("x.changes", clearsigned(t, changesOf(binary), stranger))}, "not in the keyring"},
		{"a stranger's .changes of a signed package", []File{debsigned(t, binary, trusted), file("x.changes", clearsigned(t, changesOf(debsigned(t, binary, trusted)), stranger))}, "x.changes"},
		{"a changed .changes", []File{binary, file("x.changes", strings.Replace(clearsigned(t, changesOf(binary), trusted), "stable", "stAble", 1))}, "does not match"},
		{"text behind a .changes", []File{binary, file("x.changes", clearsigned(t, changesOf(binary), trusted)+"more\n")}, "x.changes"},
		{"a signed .dsc", []File{orig, signedDsc(trusted)}, ""},
		{"an unsigned .dsc", []File{orig, dsc}, dsc.Name},
		{"a stranger's .dsc", []File{orig, signedDsc(stranger)}, "not in the keyring"},
		{"an unsigned .dsc in a signed .changes", []File{orig, dsc, file("x.changes", clearsigned(t, changesOf(orig, dsc), trusted))}, ""},
		{"a stranger's .dsc in a signed .changes", []File{orig, signedDsc(stranger), file("x.changes", clearsigned(t, changesOf(orig, signedDsc(stranger)), trusted))}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := askingFor(t, trusted, second, old)
			if c.want != "" {
				refused(t, p, Signature, c.want, c.files...)
				return
			}
			for _, f := range add(t, p, c.files...).New {
				if f.Signer != trusted.Fingerprint() && f.Signer != second.Fingerprint() {
					t.Errorf("signer %q of %s", f.Signer, f.Path)
				}
			}
		})
	}
}

// swapped is a package with the signature of another.
func swapped(t *testing.T, f, other File) File {
	t.Helper()
	body, _, _ := strings.Cut(string(content(t, f)), "_gpgorigin ")
	_, sig, _ := strings.Cut(string(content(t, other)), "_gpgorigin ")
	return file(f.Name, body+"_gpgorigin "+sig)
}

// Where no signature is asked for, none is looked at.
func TestSignaturesThatNobodyAsksFor(t *testing.T) {
	stranger := upstreamtest.NewKey(t)
	orig := file("hello_1.orig.tar.xz", "orig")
	dsc := file("hello_1.dsc", clearsigned(t, dscText(t, "hello", "1", orig), stranger))
	changes := file("x.changes", clearsigned(t, changesText(t, "misc", orig, dsc), stranger))
	for _, f := range add(t, newPool(t, nil), orig, dsc, changes).New {
		if f.Signer != "" {
			t.Errorf("signer %q of %s", f.Signer, f.Path)
		}
	}
}

// gpgKey makes a key in gpg's home below dir, and gives it as a keyring.
func gpgKey(t *testing.T) (home string, ring *pgp.Keyring, fingerprint string) {
	t.Helper()
	tool(t, "gpg")
	home, err := os.MkdirTemp("", "gpg") // the path of a socket below must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() // nothing to do where there is none
		os.RemoveAll(home)
	})
	t.Setenv("GNUPGHOME", home)
	output(t, home, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Uploader <uploader@mirror.example.org>", "ed25519", "sign", "0")
	public := output(t, home, "gpg", "--export")
	if ring, err = pgp.ReadKeyring(strings.NewReader(public)); err != nil {
		t.Fatal(err)
	}
	return home, ring, ring.Primaries()[0].Fingerprint
}

func TestDebsigsSigns(t *testing.T) {
	tool(t, "debsigs")
	home, ring, fingerprint := gpgKey(t)
	// By itself gpg signs with SHA-1 as debsigs calls it, which counts nowhere any more.
	if err := os.WriteFile(filepath.Join(home, "gpg.conf"), []byte("digest-algo SHA512\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := inFolder(t, named("hello.deb", newDeb(t, control("hello", "1", "all", ""), "odd")))
	output(t, dir, "debsigs", "--sign=origin", "--default-key="+fingerprint, filepath.Join(dir, "hello.deb"))
	p := newPool(t, func(c *Config) { c.Uploaders = ring })
	if got := add(t, p, fromFolder(t, dir, ".deb")...).New[0].Signer; got != fingerprint {
		t.Errorf("signer %q, want %q", got, fingerprint)
	}
}
