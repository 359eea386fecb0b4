package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/pki"
)

// strangers are clients without a good certificate, and what they are told.
func strangers(t *testing.T, s *site) map[string]struct {
	cert   *tls.Certificate
	reason string
} {
	t.Helper()
	foreign := must(pki.NewAuthority("elsewhere", now))(t)
	past := must(s.ca.IssueClient(pki.Leaf{Names: []string{"a.example.org"}, Days: 30}, now.AddDate(0, -2, 0)))(t)
	server := must(s.ca.IssueServer(pki.Leaf{Names: []string{"a.example.org"}}, now))(t)
	revoked := s.client("a.example.org")
	s.server.SetAccess(s.access(false, revoked.Leaf))
	return map[string]struct {
		cert   *tls.Certificate
		reason string
	}{
		"no certificate":       {nil, "client certificate required"},
		"foreign authority":    {certificate(must(foreign.IssueClient(pki.Leaf{Names: []string{"a.example.org"}}, now))(t)), `from "elsewhere", not trusted`},
		"expired":              {certificate(past), "expired on 2026-02-1"},
		"revoked":              {revoked, "revoked on 2026-03-15"},
		"server's certificate": {certificate(server), "not for clients"},
	}
}

func TestStrangersAreToldWhyInTheStatusLine(t *testing.T) {
	s := newSite(t)
	s.example()
	for name, stranger := range strangers(t, s) {
		for _, path := range []string{"/debian/" + inRelease, "/nowhere", "/debian/%2f", "*"} {
			t.Run(name+" "+path, func(t *testing.T) {
				c := s.dial(stranger.cert)
				a := c.get(path)
				if a.code != 403 || !strings.Contains(a.status, stranger.reason) || a.body != strings.TrimPrefix(a.status, "403 ")+"\n" {
					t.Errorf("got %q with body %q, want 403 because %s", a.status, a.body, stranger.reason)
				}
				if !a.closes {
					t.Error("the connection was not announced to close")
				}
				c.closed()
			})
		}
	}
	s.log.await(t, "reason=no-certificate", 4)
}

func TestStrangersFailTheHandshakeOfStrictServers(t *testing.T) {
	s := newSite(t)
	s.example()
	all := strangers(t, s)
	s.server.SetAccess(s.access(true, all["revoked"].cert.Leaf))
	for name, stranger := range all {
		t.Run(name, func(t *testing.T) {
			c := s.dial(stranger.cert) // in TLS 1.3 clients learn of it when they read
			io.WriteString(c, "GET /debian/"+inRelease+" HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n")
			if got, err := io.ReadAll(c); err == nil || len(got) > 0 || !strings.Contains(err.Error(), "remote error: tls:") {
				t.Errorf("got %q, %v, want a TLS alert", got, err)
			}
		})
	}
	if a := s.get("a.example.org", "/debian/"+inRelease); a.code != 200 {
		t.Errorf("good certificate: %s", a.status)
	}
	for _, reason := range []string{"didn't provide a certificate", "not trusted here", "expired on", "revoked on"} {
		s.log.await(t, reason, 1)
	}
}

func TestOldTLSVersionsAreRefused(t *testing.T) {
	s := newSite(t)
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := s.config(s.client("a.example.org"))
		config.MinVersion, config.MaxVersion = version, version
		conn, err := tls.Dial("tcp", s.address, config)
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestSessionsAreNotResumed(t *testing.T) {
	s := newSite(t)
	s.example()
	config := s.config(s.client("a.example.org"))
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 3 {
		conn := must(tls.Dial("tcp", s.address, config))(t)
		c := &connection{t, conn, bufio.NewReader(conn)}
		c.get("/debian/" + inRelease) // tickets come with the first bytes
		if conn.ConnectionState().DidResume {
			t.Error("a session was resumed")
		}
		conn.Close()
	}
}

func TestGrantsDecideWhatIsSeen(t *testing.T) {
	s := newSite(t)
	s.example()
	s.serve("gone", "bookworm")
	for _, suite := range []string{"open", "shut", "shut/updates"} {
		s.publish("mixed", suite, map[string]file{
			"dists/" + suite + "/InRelease": {kind: catalog.KindRelease, body: []byte(suite)},
			"pool/" + suite + ".deb":        {kind: catalog.KindPackage, body: []byte("package of " + suite)},
		})
	}
	hiddenIndex := "/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob.Sum(pattern(4_000, 4)).String()
	for _, test := range []struct {
		client, path string
		code         int
		text         string // in the status line or the body
	}{
		{"a.example.org", "/debian/" + inRelease, 200, "Origin: example"},
		{"b.example.org", "/secret/pool/main/s/secret/secret_1_amd64.deb", 200, "secret package"},
		{"a.example.org", "/secret/" + inRelease, 403, "dns:a.example.org may not read secret"},
		{"a.example.org", "/secret/pool/main/s/secret/secret_1_amd64.deb", 403, "may not read secret"},
		{"a.example.org", "/debian/../secret/" + inRelease, 403, "may not read secret"},
		{"a.example.org", "/debian/%2e%2e/secret/" + inRelease, 403, "may not read secret"},
		{"a.example.org", "/debian/pool/main/s/secret/secret_1_amd64.deb", 404, "no such file"},
		{"a.example.org", "/debian" + hiddenIndex, 404, "no such file"},
		{"a.example.org", "/nowhere/" + inRelease, 403, "may not read nowhere"},
		{"a.example.org", "/", 403, "may not read"},
		{"nobody.example.org", "/debian/" + inRelease, 403, "dns:nobody.example.org may not read debian"},
		{"root.example.org", "/nowhere/" + inRelease, 404, `404 this mirror has no repository "nowhere", it has debian, gone, mixed, secret`},
		{"root.example.org", "/", 404, `this mirror has no repository ""`},
		{"root.example.org", "/debian", 404, "no such file"},
		{"root.example.org", "/debian/dists/bookworm/", 404, "no such file"},

		{"c.example.org", "/mixed/dists/open/InRelease", 200, "open"},
		{"c.example.org", "/mixed/dists/shut/InRelease", 403, "may not read mixed/shut,"},
		{"c.example.org", "/mixed/dists/shut/nothing", 403, "may not read mixed/shut,"},
		{"c.example.org", "/mixed/dists/shut/updates/InRelease", 200, "shut/updates"},
		{"c.example.org", "/mixed/dists/shut/updates/nothing", 404, "no such file"},
		{"c.example.org", "/mixed/dists/trixie/InRelease", 404, `404 mixed has no suite "trixie" here, it has open, shut/updates`},
		{"c.example.org", "/mixed/dists/trixie/main/binary-amd64/Packages", 404, "no such file"},

		{"c.example.org", "/mixed/pool/open.deb", 200, "package of open"},
		{"c.example.org", "/mixed/pool/shut.deb", 404, "no such file"},

		{"a.example.org", "/gone/dists/bookworm/InRelease", 503, "not been verified yet"},
		{"a.example.org", "/gone/pool/x.deb", 404, "no such file"},
	} {
		a := s.get(test.client, test.path)
		if a.code != test.code || !strings.Contains(a.status+a.body, test.text) {
			t.Errorf("%s asks for %s: got %s\n%s\nwant %d and %q", test.client, test.path, a.status, a.body, test.code, test.text)
		}
		if a.closes != (test.code == 403 || test.code == 503 || strings.Contains(test.text, " no repository") || strings.Contains(test.text, " no suite")) {
			t.Errorf("%s asks for %s, %s: closes the connection: %v", test.client, test.path, a.status, a.closes)
		}
		if test.code == 503 && (a.header.Get("Retry-After") != "30" || a.header.Get("Content-Length") != "0" || a.header.Get("Content-Type") != "") {
			t.Errorf("apt 2.6 waits for ever after %v", a.header)
		}
	}
}

func TestRevocationEndsOpenConnections(t *testing.T) {
	s := newSite(t)
	s.example()
	cert := s.client("a.example.org")
	c := s.dial(cert)
	if a := c.get("/debian/" + inRelease); a.code != 200 || a.closes {
		t.Fatalf("before: %s, closes %v", a.status, a.closes)
	}
	s.server.SetAccess(s.access(false, cert.Leaf))
	if a := c.get("/debian/" + inRelease); a.code != 403 || !strings.Contains(a.status, "revoked on") {
		t.Errorf("after: %s", a.status)
	}
	c.closed()
}

func TestRefusalReachesClientsThatAskForSeveralFilesAtOnce(t *testing.T) {
	s := newSite(t)
	s.example()
	c := s.dial(nil)
	one := "GET /debian/" + inRelease + " HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n"
	for range 3 { // more than the server reads
		io.WriteString(c, strings.Repeat(one, 100))
	}
	if a := c.answer("GET"); a.code != 403 {
		t.Errorf("got %s", a.status)
	}
	c.closed()
	for range 100 { // the server still listens, so that nothing resets the connection
		if _, err := io.WriteString(c, one); err != nil {
			t.Fatalf("after the answer: %v", err)
		}
	}
}

func TestReasonsAreOnePrintableLine(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"plain text", "plain text"},
		{"a\r\nSet-Cookie: x", "a??Set-Cookie: x"},
		{"Zo\xc3\xab\x7f\xff", "Zo???"},
		{strings.Repeat("x", 300), strings.Repeat("x", maxReason)},
	} {
		if got := printable(test.in); got != test.want {
			t.Errorf("printable(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}
