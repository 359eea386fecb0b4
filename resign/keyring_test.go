package resign

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/resign/deb"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

func keyAt(t *testing.T, created time.Time) *Key {
	t.Helper()
	key, err := NewKeyAt(created, "Site", "site@mirror.example.org", EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keyringOf(t *testing.T, keys ...*Key) (data []byte, version string) {
	t.Helper()
	data, err := Keyring{"site", "mirror.example.org", keys}.Deb()
	if err != nil {
		t.Fatal(err)
	}
	d, err := deb.Read(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "site-archive-keyring" || d.Arch != "all" {
		t.Errorf("made %s for %s", d.Name, d.Arch)
	}
	return data, d.Version
}

func TestKeyringsRiseWithEachStepOfARotation(t *testing.T) {
	first, second, third := keyAt(t, signedAt), keyAt(t, signedAt.Add(time.Hour)), keyAt(t, signedAt.Add(2*time.Hour))
	last := "0"
	for _, keys := range [][]*Key{{first}, {first, second}, {second}, {second, third}, {first, third}, {third}} {
		_, version := keyringOf(t, keys...)
		if len(keys) == 2 && keys[0] == first && keys[1] == third { // no step of a rotation: only another version
			if version == last {
				t.Errorf("two keyrings have version %s", version)
			}
			continue
		}
		if debian.CompareVersions(version, last) <= 0 {
			t.Errorf("%d keys have version %s after %s", len(keys), version, last)
		}
		last = version
	}
}

func TestALaterEndOfAKeyIsANewVersion(t *testing.T) {
	key := keyAt(t, signedAt)
	_, before := keyringOf(t, key)
	life := uint32((48 * time.Hour).Seconds())
	for _, id := range key.entity.Identities {
		self := id.SelfCertifications[0].Packet
		self.KeyLifetimeSecs, self.CreationTime = &life, signedAt.Add(time.Hour)
		if err := self.SignUserId(id.UserId.Id, key.entity.PrimaryKey, key.entity.PrivateKey, signingConfig(signedAt.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	longer, err := newKey(key.entity)
	if err != nil {
		t.Fatal(err)
	}
	if _, after := keyringOf(t, longer); debian.CompareVersions(after, before) <= 0 {
		t.Errorf("version %s, then %s", before, after)
	}
}

func TestKeyringsAreReproducible(t *testing.T) {
	a, b := keyAt(t, signedAt), keyAt(t, signedAt.Add(time.Hour))
	one, _ := keyringOf(t, a, b)
	two, _ := keyringOf(t, a, b)
	if !bytes.Equal(one, two) {
		t.Error("the same keys give other bytes")
	}
}

func TestKeyringsHoldTheKeys(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	keys := []*Key{keyAt(t, signedAt.Add(-2*time.Hour)), keyAt(t, signedAt.Add(-time.Hour))}
	data, _ := keyringOf(t, keys...)
	dir := t.TempDir()
	file := writeFile(t, dir, "keyring.deb", data)
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", file, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	signed := clearsign(t, release, keys...)
	for _, form := range []string{".gpg", ".asc"} {
		ring, err := pgp.LoadKeyring(filepath.Join(dir, "usr/share/keyrings/site-archive-keyring"+form))
		if err != nil {
			t.Fatal(err)
		}
		result, err := ring.VerifyClearsigned(signed, signedAt.Add(2*time.Hour))
		if err != nil || len(ring.Primaries()) != 2 || len(result.Signatures) == 0 {
			t.Errorf("%s: %v, %v", form, result, err)
		}
	}
}

func TestNamesOfKeyrings(t *testing.T) {
	for repository, want := range map[string]string{"site": "site-archive-keyring", "My_Site": "my-site-archive-keyring", "x.y": "x.y-archive-keyring"} {
		if got := (Keyring{Repository: repository}).Name(); got != want {
			t.Errorf("%q for %q, want %q", got, repository, want)
		}
	}
}

func TestKeyringsThatCannotBe(t *testing.T) {
	key := keyAt(t, signedAt)
	for name, keys := range map[string][]*Key{"none": nil, "twice the same": {key, key}, "too many": make([]*Key, maxKeys+1)} {
		if _, err := (Keyring{Repository: "site", Keys: keys}).Deb(); err == nil {
			t.Errorf("%s: made one", name)
		}
	}
}

// Keys read by gpg are the ones that were written.
func TestGpgReadsBothForms(t *testing.T) {
	home, _ := gpgHome(t)
	key := newTestKey(t, EdDSA)
	for _, armoured := range []bool{true, false} {
		var public bytes.Buffer
		if err := key.WritePublic(&public, armoured); err != nil {
			t.Fatal(err)
		}
		file := writeFile(t, t.TempDir(), "key", public.Bytes())
		if out, err := gpg(t, home, "--show-keys", "--with-colons", file); err != nil || !strings.Contains(string(out), key.Fingerprint()) {
			t.Errorf("armoured %v: %v\n%s", armoured, err, out)
		}
	}
}
