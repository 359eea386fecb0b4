package proxy

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestPathsAreDecodedOnce(t *testing.T) {
	s := newSite(t)
	s.example()
	c := s.dial(s.client("a.example.org"))
	for path, code := range map[string]int{
		"/debian/pool/main/g/g%2b%2b/g%2b%2b_4%253a12.2%7e1_amd64.deb": 200, // as apt sends it
		"/debian/pool/main/g/g++/g++_4%253a12.2~1_amd64.deb":           200,
		"/debian/pool/main/g/g++/g++_4%25253a12.2~1_amd64.deb":         404,
		"/debian/pool/main/g/g++/g++_4%3a12.2~1_amd64.deb":             404,
		"/debian/./dists/bookworm/InRelease":                           200,
		"/debian/%2e/dists/bookworm/InRelease":                         200,
		"//debian//dists/bookworm/InRelease":                           200,
		"/x/../debian/dists/bookworm/InRelease":                        200,
		"/../../debian/dists/bookworm/InRelease":                       200,
		"/debian/dists/bookworm/InRelease?other=1":                     200,
		"/debian/dists/bookworm/inrelease":                             404,
		"/debian/dists/bookworm/%252e%252e/Packages":                   404,
		"/debian/../../../../etc/passwd":                               403,
	} {
		if code == 403 {
			continue // asked on a connection of its own below
		}
		if a := c.get(path); a.code != code || a.closes {
			t.Errorf("%s: got %s, want %d", path, a.status, code)
		}
	}
	if a := s.get("a.example.org", "/debian/../../../../etc/passwd"); a.code != 403 {
		t.Errorf("out of the repository: %s", a.status)
	}
}

func TestFlatSuitesAreReachedWithTheirDot(t *testing.T) {
	s := newSite(t)
	s.publish("debian", "./", map[string]file{"InRelease": {body: []byte("flat")}})
	if a := s.get("a.example.org", "/debian/./InRelease"); a.code != 200 || a.body != "flat" {
		t.Errorf("got %s %q", a.status, a.body)
	}
}

// Every request here is refused, with one answer and a closed connection, and
// the server goes on.
func TestHostileRequests(t *testing.T) {
	s := newSite(t)
	s.example()
	cert := s.client("a.example.org")
	const host = "Host: mirror.example.org\r\n"
	for name, test := range map[string]struct {
		request string
		code    int
	}{
		"encoded slash":        {"GET /debian%2fdists/bookworm/InRelease HTTP/1.1\r\n" + host, 400},
		"encoded slash, upper": {"GET /debian/..%2F..%2Fetc%2Fpasswd HTTP/1.1\r\n" + host, 400},
		"encoded slashes":      {"GET /%2F%2F..%2F..%2Fetc%2Fpasswd HTTP/1.1\r\n" + host, 400},
		"encoded backslash":    {"GET /debian/..%5cx HTTP/1.1\r\n" + host, 400},
		"backslash":            {"GET /debian/..\\x HTTP/1.1\r\n" + host, 400},
		"encoded NUL":          {"GET /debian/dists/bookworm/InRelease%00.deb HTTP/1.1\r\n" + host, 400},
		"encoded line feed":    {"GET /debian/dists%0aX:y HTTP/1.1\r\n" + host, 400},
		"encoded DEL":          {"GET /debian/dists%7f HTTP/1.1\r\n" + host, 400},
		"bad encoding":         {"GET /debian/%zz HTTP/1.1\r\n" + host, 400},
		"line feed in path":    {"GET /debian/dists\nX HTTP/1.1\r\n" + host, 400},
		"relative path":        {"GET debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host, 400},
		"asterisk":             {"GET * HTTP/1.1\r\n" + host, 400},
		"absolute form":        {"GET http://other.example.org/debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host, 400},
		"absolute form, own":   {"GET https://mirror.example.org/debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host, 400},
		"opaque address":       {"GET mailto:debian HTTP/1.1\r\n" + host, 400},
		"CONNECT":              {"CONNECT other.example.org:443 HTTP/1.1\r\n" + host, 405},
		"POST":                 {"POST /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 405},
		"PUT, no body comes":   {"PUT /debian/x HTTP/1.1\r\n" + host + "Content-Length: 1000000\r\n", 405},
		"DELETE":               {"DELETE /debian/x HTTP/1.1\r\n" + host, 405},
		"TRACE":                {"TRACE /debian/x HTTP/1.1\r\n" + host, 405},
		"OPTIONS":              {"OPTIONS /debian/x HTTP/1.1\r\n" + host, 405},
		"OPTIONS *":            {"OPTIONS * HTTP/1.1\r\n" + host, 405},
		"odd method":           {"get /debian/x HTTP/1.1\r\n" + host, 405},
		"GET, no body comes":   {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Content-Length: 10\r\n", 400},
		"GET, chunked body":    {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n", 400},
		"body on request":      {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Content-Length: 10\r\nExpect: 100-continue\r\n", 400},
		"other expectation":    {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Expect: wonders\r\n", 417},
		"two hosts":            {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + host, 400},
		"no host":              {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n", 400},
		"bad host":             {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\nHost: a b\r\n", 400},
		"huge header":          {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 20<<10) + "\r\n", 431},
		"many headers":         {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 4000), 431},
		"long path":            {"GET /" + strings.Repeat("debian/", 3000) + " HTTP/1.1\r\n" + host, 431},
		"length and encoding": {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host +
			"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /secret/dists/bookworm/InRelease HTTP/1.1\r\n" + host, 400},
		"two lengths":       {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 5\r\n", 400},
		"negative length":   {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Content-Length: -1\r\n", 400},
		"unknown encoding":  {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n", 501},
		"header with blank": {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "X : y\r\n", 400},
		"NUL in header":     {"GET /debian/dists/bookworm/InRelease HTTP/1.1\r\n" + host + "X: y\r\n z\x00: 1\r\n", 400},
		"HTTP/2 preface":    {"PRI * HTTP/2.0\r\n\r\nSM\r\n", 405},
		"HTTP/3":            {"GET /debian/dists/bookworm/InRelease HTTP/3.0\r\n" + host, 505},
		"not HTTP":          {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(cert)
			io.WriteString(c, test.request+"\r\n")
			a := c.answer("GET")
			if a.code != test.code || strings.Contains(a.body, "Origin") {
				t.Errorf("got %s %q, want %d", a.status, a.body, test.code)
			}
			if a.code == 405 && a.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
			c.closed()
		})
	}
	if a := s.get("a.example.org", "/debian/"+inRelease); a.code != 200 {
		t.Errorf("afterwards: %s", a.status)
	}
	if found, _ := s.log.lines("panic"); len(found) > 0 {
		t.Errorf("a handler panicked: %s", found)
	}
}

// A bare line feed ends a header line for net/http, as RFC 9112, 2.2 allows;
// what counts is that it cannot hide a second request.
func TestBareLineFeedsHideNothing(t *testing.T) {
	s := newSite(t)
	s.example()
	c := s.dial(s.client("a.example.org"))
	io.WriteString(c, "GET /debian/"+inRelease+" HTTP/1.1\nHost: mirror.example.org\nX: y\n\nGET /debian/nothing HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n")
	if a := c.answer("GET"); a.code != 200 || a.body != "Origin: example\n" {
		t.Errorf("first: %s", a.status)
	}
	if a := c.answer("GET"); a.code != 404 {
		t.Errorf("second: %s", a.status)
	}
}

func TestRefusedHEADHasNoBody(t *testing.T) {
	s := newSite(t)
	c := s.dial(nil)
	if a := c.head("/debian/" + inRelease); a.code != 403 || !a.closes {
		t.Errorf("got %s", a.status)
	}
	c.closed()
}

// FuzzPath looks for a path that is taken for one that a catalog could have
// but is not clean, or that is decoded more than once.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/debian/x", "/debian/../secret/x", "/a%2fb", "/%2e%2e/x", "//a//b", "/a/%252e", "*", "http://h/p", "/a\x00b", "/a%5cb", "/%00"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		repository, name, err := splitPath(&http.Request{Method: "GET", URL: u})
		if err != nil {
			return
		}
		for _, segment := range append(strings.Split(name, "/"), repository) {
			if segment == ".." || segment == "." || segment == "" && name != "" || strings.ContainsFunc(segment, forbidden) {
				t.Errorf("%q became %q and %q", target, repository, name)
			}
		}
		if strings.Count(u.Path, "/") != strings.Count(u.EscapedPath(), "/") {
			t.Errorf("%q hides a slash", target)
		}
	})
}
