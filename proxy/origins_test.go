package proxy

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"aptmirror/cache/catalog"
)

// proxySite answers for some archives as a proxy does.
func proxySite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.example()
	s.serve("gone", "bookworm")
	s.publish("mixed", "open", map[string]file{"dists/open/InRelease": {body: []byte("open")}, "pool/open.deb": {kind: catalog.KindPackage, body: []byte("deb")}})
	a := s.access(false)
	a.Origins = must(NewOrigins([]Origin{
		{"http://deb.example.org/debian", []string{"debian"}},
		{"https://old.example.org:8080/pub/debian/", []string{"debian"}},
		{"http://deb.example.org/debian/secret", []string{"secret"}},
		{"http://root.example.org", []string{"debian"}},
		{"http://deb.example.org/twice", []string{"secret", "gone"}},
		{"https://deb.example.org/twice/", []string{"mixed", "debian"}},
		{"http://[2001:db8::1]:3142/debian", []string{"debian"}},
		{"http://unserved.example.org/debian", nil},
	}))(t)
	s.server.SetAccess(a)
	return s
}

func TestProxyModeAnswersForArchives(t *testing.T) {
	s := proxySite(t)
	for _, test := range []struct {
		client, address string
		code            int
		text            string
	}{
		{"a", "http://deb.example.org/debian/" + inRelease, 200, "Origin: example"},
		{"a", "https://deb.example.org/debian/" + inRelease, 200, "Origin: example"},
		{"a", "HTTP://DEB.Example.ORG:80/debian/" + inRelease, 200, "Origin: example"},
		{"a", "https://deb.example.org:443/debian/" + inRelease, 200, "Origin: example"},
		{"a", "http://deb.example.org./debian/" + inRelease, 200, "Origin: example"},
		{"a", "http://deb.example.org//debian/./" + inRelease, 200, "Origin: example"},
		{"a", "http://old.example.org:8080/pub/debian/" + inRelease, 200, "Origin: example"},
		{"a", "http://root.example.org/" + inRelease, 200, "Origin: example"},
		{"a", "http://[2001:db8::1]:3142/debian/" + inRelease, 200, "Origin: example"},
		{"a", "http://deb.example.org/debian/pool/main/g/g%2b%2b/g%2b%2b_4%253a12.2%7e1_amd64.deb", 200, "plus"},
		{"a", "http://deb.example.org/debian/nothing", 404, "no such file"},
		{"a", "http://deb.example.org/debian", 404, "no such file"},
		{"b", "http://deb.example.org/debian/secret/" + inRelease, 200, "Origin: secret"},
		{"a", "http://deb.example.org/twice/" + inRelease, 200, "Origin: example"},
		{"b", "http://deb.example.org/twice/" + inRelease, 200, "Origin: secret"},
		{"c", "https://deb.example.org/twice/dists/open/InRelease", 200, "open"},
		{"a", "http://deb.example.org/twice/dists/bookworm/nothing", 503, "not been verified yet"},

		{"a", "http://deb.example.org:8080/debian/" + inRelease, 403, "http://deb.example.org:8080/debian/dists/bookworm/InRelease is not mirrored here"},
		{"a", "http://deb.example.org:443/debian/" + inRelease, 403, "not mirrored here"},
		{"a", "https://old.example.org/pub/debian/" + inRelease, 403, "not mirrored here"},
		{"a", "http://deb.example.org/debian-security/" + inRelease, 403, "not mirrored here"},
		{"a", "http://deb.example.org/debian/../x/" + inRelease, 403, "not mirrored here"},
		{"a", "http://deb.example.org/", 403, "not mirrored here"},
		{"a", "http://evil.example.org/debian/" + inRelease, 403, "http://evil.example.org/debian/dists/bookworm/InRelease is not mirrored here, only http://deb.example.org/debian, https://old"},
		{"a", "http://user:pw@evil.example.org/debian/x", 403, "http://evil.example.org/debian/x is not mirrored"},
		{"a", "http://unserved.example.org/debian/" + inRelease, 403, "not mirrored here"},
		{"a", "http://" + strings.Repeat("x", 3_000) + "/", 403, "not mirrored here"},
		{"a", "http://mirror.example.org/debian/" + inRelease, 403, "not mirrored here"},
		{"a", "ftp://deb.example.org/debian/" + inRelease, 403, "only http and https"},
		{"a", "http://deb.example.org/debian/secret/" + inRelease, 403, "dns:a.example.org may not read secret"},
		{"nobody", "http://deb.example.org/debian/" + inRelease, 403, "dns:nobody.example.org may not read debian"},
		{"nobody", "http://deb.example.org/twice/" + inRelease, 403, "may not read secret"},
		{"a", "http://deb.example.org/debian%2f" + inRelease, 400, "not one that a repository can have"},
		{"watcher", "http://deb.example.org/-/status", 403, "not mirrored here"},
	} {
		c := s.dial(s.client(test.client + ".example.org"))
		a := c.get(test.address)
		if a.code != test.code || !strings.Contains(a.status+a.body, test.text) {
			t.Errorf("%s asks for %s: got %s\n%s\nwant %d and %q", test.client, test.address, a.status, a.body, test.code, test.text)
		}
		if len(a.status) > maxReason+len("403 ") {
			t.Errorf("a reason of %d bytes", len(a.status))
		}
	}
}

func TestProxyModeLeavesPathsAlone(t *testing.T) {
	s := proxySite(t)
	c := s.dial(s.client("a.example.org"))
	for _, path := range []string{"/debian/" + inRelease, "http://deb.example.org/debian/" + inRelease, "/debian/" + packages} {
		if a := c.get(path); a.code != 200 || a.closes {
			t.Errorf("%s: %s", path, a.status)
		}
	}
	if a := c.head("http://deb.example.org/debian/" + packages); a.code != 200 || a.header.Get("Content-Length") != "5000" {
		t.Errorf("HEAD: %s, %v", a.status, a.header)
	}
	if a := s.dial(nil).get("http://deb.example.org/debian/" + inRelease); a.code != 403 || !strings.Contains(a.status, "client certificate required") {
		t.Errorf("without a certificate: %s", a.status)
	}
}

func TestProxyModeOpensNoTunnels(t *testing.T) {
	s := proxySite(t)
	for _, target := range []string{"deb.example.org:443", "127.0.0.1:22", "evil.example.org:443"} {
		c := s.dial(s.client("a.example.org"))
		c.send("CONNECT "+target+" HTTP/1.1", "Host: "+target)
		if a := c.answer("GET"); a.code != 405 || !strings.Contains(a.status, "opens no tunnels") || !strings.Contains(a.status, `Proxy "DIRECT"`) {
			t.Errorf("%s: %s", target, a.status)
		}
		c.closed()
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE"} {
		c := s.dial(s.client("a.example.org"))
		c.send(method+" http://deb.example.org/debian/x HTTP/1.1", "Host: deb.example.org")
		if a := c.answer(method); a.code != 405 {
			t.Errorf("%s: %s", method, a.status)
		}
	}
}

// The address in the request line is what counts (RFC 9112, 3.2.2), so that a
// Host that differs cannot open anything.
func TestProxyModeIgnoresHost(t *testing.T) {
	s := proxySite(t)
	for address, code := range map[string]int{"http://deb.example.org/debian/": 200, "http://evil.example.org/debian/": 403} {
		c := s.dial(s.client("a.example.org"))
		c.send("GET "+address+inRelease+" HTTP/1.1", "Host: deb.example.org")
		if a := c.answer("GET"); a.code != code {
			t.Errorf("%s: %s", address, a.status)
		}
	}
	c := s.dial(s.client("a.example.org"))
	c.send("GET http://deb.example.org/debian/"+inRelease+" HTTP/1.1", "Host: deb.example.org", "Host: evil.example.org")
	if a := c.answer("GET"); a.code != 400 {
		t.Errorf("two hosts: %s", a.status)
	}
}

func TestOriginsAreAddresses(t *testing.T) {
	for _, uri := range []string{"", "deb.example.org/debian", "ftp://deb.example.org/debian", "http:///debian", "http://[::1", "http:deb.example.org"} {
		if _, err := NewOrigins([]Origin{{uri, []string{"debian"}}}); err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
}

// FuzzOrigins looks for addresses that reach a repository whose host or folder
// they do not have.
func FuzzOrigins(f *testing.F) {
	for _, a := range []string{"http://deb.example.org/debian/x", "http://deb.example.org/debianx", "https://DEB.example.org:443/debian", "http://a@deb.example.org/debian/", "http://deb.example.org:/debian/../debian"} {
		f.Add(a)
	}
	origins := must(NewOrigins([]Origin{{"http://deb.example.org/debian", []string{"debian"}}}))(f)
	f.Fuzz(func(t *testing.T, address string) {
		u, err := url.ParseRequestURI(address)
		if err != nil || u.Host == "" {
			return
		}
		cleaned := path.Clean("/" + u.Path)
		if _, name, ok := origins.find(u, cleaned[1:]); ok {
			host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
			if host != "deb.example.org" || strings.TrimSuffix("/debian/"+name, "/") != cleaned {
				t.Errorf("%q became %q", address, name)
			}
		}
	})
}
