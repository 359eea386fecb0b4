package pgp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// realInReleases returns the InRelease files that this machine's apt has verified.
func realInReleases(tb testing.TB) []string {
	tb.Helper()
	files, _ := filepath.Glob("/var/lib/apt/lists/*debian*_InRelease")
	if _, err := os.Stat(debianKeyring); err != nil || len(files) == 0 {
		tb.Skip("this machine has no Debian package lists or no debian-archive-keyring")
	}
	return files
}

func TestRealReleasesVerify(t *testing.T) {
	files := realInReleases(t)
	keyring, err := LoadKeyring(debianKeyring)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		result, err := keyring.VerifyClearsigned(data, time.Now())
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		for _, sig := range result.Signatures {
			t.Logf("%s: %+v", filepath.Base(file), sig)
		}
		data[bytes.Index(data, []byte("Suite:"))+8] ^= 1
		if _, err := keyring.VerifyClearsigned(data, time.Now()); err == nil || err.(*Error).Reason != BadSignature {
			t.Errorf("%s changed: got %v, want bad-signature", filepath.Base(file), err)
		}
	}
	for _, key := range keyring.Primaries() {
		t.Logf("%+v", key)
	}
}

// ubuntuKeyrings are those of Debian's package ubuntu-keyring, and of Ubuntu.
const ubuntuKeyrings = "/usr/share/keyrings/ubuntu-*keyring.gpg"

func TestUbuntusKeyringsLoad(t *testing.T) {
	files, err := filepath.Glob(ubuntuKeyrings)
	if err != nil || len(files) == 0 {
		t.Skip("this machine has no ubuntu-keyring")
	}
	for _, file := range files {
		keyring, err := LoadKeyring(file)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, key := range keyring.Primaries() {
			t.Logf("%s: %+v", filepath.Base(file), key)
			if !strings.HasPrefix(key.Algorithm, "RSA") || key.UserID == "" || key.Revoked || !key.Expires.IsZero() {
				t.Errorf("%s: %+v", file, key)
			}
		}
		if filepath.Base(file) != "ubuntu-archive-keyring.gpg" {
			continue
		}
		// What signs the archive since 2018 and what did before, and the images.
		if _, err := keyring.Pin("F6ECB3762474EDA9D21B7022871920D1991BC93C", "790BC7277767219C42C86F933B4FE6ACC0B21F32", "843938DF228D22F7B3742BC0D94AA3F0EFE21092"); err != nil {
			t.Error(err)
		}
	}
}
