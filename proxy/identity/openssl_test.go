package identity

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// stricter lists the cases that openssl verify accepts and this package means to refuse.
var stricter = []string{
	"no extended key usage", "key usage without signing", "no name", "CN only", "no CN where allowed", "two CNs", "two DNS names",
	"two identity URIs", "wildcard name", "RSA 1024", "P-224", "SHA-1", "too many certificates", "authorities of one name with different keys", "an authority in many certificates", "CN below a constraint",
}

// Everything that is accepted here has to be accepted by openssl too, and what is refused
// only here has to be meant so. CRLs stay out: openssl wants one for every authority.
func TestSameVerdictAsOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, tt := range verdicts(t) {
		if len(tt.present) == 0 || len(tt.config.CRLs) > 0 || tt.config.CRLRequired {
			continue
		}
		out, other := opensslVerify(t, openssl, tt)
		_, err := newTrust(t, tt.config).Identify(tt.present, now)
		switch {
		case err == nil && other != nil:
			t.Errorf("%s: accepted, but openssl says: %s", tt.name, out)
		case err != nil && other == nil && !slices.Contains(stricter, tt.name):
			t.Errorf("%s: openssl accepts, here: %v", tt.name, err)
		}
	}
}

func opensslVerify(t *testing.T, openssl string, v verdict) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, list []*x509.Certificate) string {
		var text []byte
		for _, c := range list {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	args := []string{"verify", "-purpose", "sslclient", "-partial_chain", "-attime", fmt.Sprint(now.Unix()),
		"-no-CApath", "-no-CAstore", "-CAfile", write("ca.pem", v.config.Authorities)}
	if len(v.present) > 1 {
		args = append(args, "-untrusted", write("untrusted.pem", v.present[1:]))
	}
	return exec.Command(openssl, append(args, write("leaf.pem", v.present[:1]))...).CombinedOutput()
}
