package proxy

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs a client with the certificate of a.example.org that asks for one
// file after the words that s_client understands, and gives what it printed.
func (s *site) openssl(t *testing.T, dir, words string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args = append([]string{"s_client", "-connect", s.address, "-cert", filepath.Join(dir, "client.crt"), "-key", filepath.Join(dir, "client.key"), "-quiet", "-ign_eof"}, args...)
	cmd := exec.CommandContext(ctx, program, args...)
	in, out := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, words+"GET /debian/"+inRelease+" HTTP/1.1\r\nHost: mirror.example.org\r\nConnection: close\r\n\r\n")
	text := must(io.ReadAll(out))(t)
	in.Close()
	cmd.Wait()
	return string(text)
}

// credentials writes the certificate of a.example.org.
func (s *site) credentials(t *testing.T) (dir string, cert *x509.Certificate) {
	t.Helper()
	dir = t.TempDir()
	own := s.client("a.example.org")
	for name, block := range map[string]*pem.Block{
		"client.crt": {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
		"client.key": {Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(own.PrivateKey))(t)},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, own.Leaf
}

// A client that kept its session comes back after its revocation: there is
// nothing to resume, and it is refused.
func TestSessionsDoNotOutliveARevocation(t *testing.T) {
	s := newSite(t)
	s.example()
	dir, cert := s.credentials(t)
	session := filepath.Join(dir, "session")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		s.server.SetAccess(s.access(false))
		if out := s.openssl(t, dir, "", version, "-sess_out", session); !strings.Contains(out, "HTTP/1.1 200 ") {
			t.Fatalf("%s, before:\n%s", version, out)
		}
		s.server.SetAccess(s.access(false, cert))
		args := []string{version}
		if _, err := os.Stat(session); err == nil { // TLS 1.3 has none without a ticket
			args = append(args, "-sess_in", session)
		}
		if out := s.openssl(t, dir, "", args...); !strings.Contains(out, "HTTP/1.1 403 client certificate was revoked on") {
			t.Errorf("%s, after:\n%s", version, out)
		}
		os.Remove(session)
	}
}

func TestRenegotiationIsRefused(t *testing.T) {
	s := newSite(t)
	s.example()
	dir, _ := s.credentials(t)
	if out := s.openssl(t, dir, "", "-tls1_2"); !strings.Contains(out, "HTTP/1.1 200 ") {
		t.Fatalf("without:\n%s", out)
	}
	out := s.openssl(t, dir, "R\n", "-tls1_2", "-no_ign_eof")
	if !strings.Contains(out, "RENEGOTIATING") || !strings.Contains(out, "alert unexpected message") {
		t.Errorf("a renegotiation:\n%s", out)
	}
	if a := s.get("a.example.org", "/debian/"+inRelease); a.code != 200 {
		t.Errorf("afterwards: %s", a.status)
	}
}

func TestClientsThatHangUpAfterTheHandshake(t *testing.T) {
	s := newSite(t)
	s.example()
	for range 20 {
		s.dial(s.client("a.example.org")).Close()
		s.dialPlain().Close()
	}
	eventually(t, "all connections are gone", func() bool { return s.server.Connections().Open == 0 })
	if a := s.get("a.example.org", "/debian/"+inRelease); a.code != 200 {
		t.Errorf("afterwards: %s", a.status)
	}
	if found, _ := s.log.lines("panic"); len(found) > 0 {
		t.Errorf("a handler panicked: %s", found)
	}
}
