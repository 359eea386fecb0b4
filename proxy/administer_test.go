package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"aptmirror/proxy/identity"
)

func TestCallsAreForThoseWhoMayAdminister(t *testing.T) {
	s := newSite(t)
	s.example()
	s.server.Admin = func(w http.ResponseWriter, r *http.Request, by identity.Identity) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s by %s: %s %v", r.Method, r.URL.Path, by.Name, body, err)
	}
	for _, test := range []struct {
		client, method, path string
		code                 int
		text                 string
	}{
		{"admin.example.org", "POST", "/-/v1/status", 200, "POST /v1/status by dns:admin.example.org: {} <nil>"},
		{"admin.example.org", "POST", "/-/v1/../v1/sync", 200, "POST /v1/sync by dns:admin.example.org: {} <nil>"},
		{"watcher.example.org", "POST", "/-/v1/status", 403, "dns:watcher.example.org may not administer this mirror"},
		{"a.example.org", "POST", "/-/v1/status", 403, "dns:a.example.org may not administer this mirror"},
		{"admin.example.org", "PUT", "/-/v1/status", 405, "calls are made with POST"},
	} {
		c := s.dial(s.client(test.client))
		c.send(test.method+" "+test.path+" HTTP/1.1", "Host: mirror.example.org", "Content-Length: 2")
		io.WriteString(c, "{}")
		a := c.answer(test.method)
		if a.code != test.code || !strings.Contains(a.status+a.body, test.text) {
			t.Errorf("%s of %s by %s: got %s\n%s\nwant %d and %q", test.method, test.path, test.client, a.status, a.body, test.code, test.text)
		}
	}
}

func TestServersWithoutCallsSaySo(t *testing.T) {
	s := newSite(t)
	s.example()
	c := s.dial(s.client("admin.example.org"))
	c.send("POST /-/v1/status HTTP/1.1", "Host: mirror.example.org", "Content-Length: 0")
	if a := c.answer("POST"); a.code != 404 || !strings.Contains(a.status, "no administrative calls") {
		t.Errorf("got %s", a.status)
	}
}
