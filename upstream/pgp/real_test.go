package pgp

import (
	"bytes"
	"os"
	"path/filepath"
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
