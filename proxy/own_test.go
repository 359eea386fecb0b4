package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// withStatus gives the site pages.
func (s *site) withStatus() {
	s.server.Status = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Page", "yes")
		for range 1_000 {
			fmt.Fprintln(w, "all is well")
		}
	})
}

func TestPagesAreForThoseWhoMaySeeThem(t *testing.T) {
	s := newSite(t)
	s.example()
	s.withStatus()
	for _, test := range []struct {
		client, path string
		code         int
		text         string
	}{
		{"watcher.example.org", "/-/status", 200, "all is well"},
		{"admin.example.org", "/-/status", 200, "all is well"},
		{"watcher.example.org", "//-/./status?x=y", 200, "all is well"},
		{"watcher.example.org", "/-/nothing", 404, "not found"},
		{"watcher.example.org", "/-", 404, "not found"},
		{"watcher.example.org", "/-/../-/status", 200, "all is well"},
		{"watcher.example.org", "/-/../debian/" + inRelease, 403, "may not read debian"},
		{"a.example.org", "/-/status", 403, "dns:a.example.org may not see the status"},
		{"a.example.org", "/-/nothing", 403, "dns:a.example.org may not see the status"},
		{"nobody.example.org", "/-/status", 403, "may not see the status"},
	} {
		a := s.get(test.client, test.path)
		if a.code != test.code || !strings.Contains(a.status+a.body, test.text) {
			t.Errorf("%s asks for %s: got %s\n%s\nwant %d and %q", test.client, test.path, a.status, a.body, test.code, test.text)
		}
	}
	c := s.dial(s.client("watcher.example.org"))
	if a := c.head("/-/status"); a.code != 200 || a.header.Get("X-Page") != "yes" || a.body != "" {
		t.Errorf("HEAD: %s, %q", a.status, a.body)
	}
	if a := c.get("/-/status"); a.code != 200 || len(a.body) != 12_000 || a.closes {
		t.Errorf("on the same connection: %s, %d bytes", a.status, len(a.body))
	}
	c.send("DELETE /-/status HTTP/1.1", "Host: mirror.example.org")
	if a := c.answer("DELETE"); a.code != 405 {
		t.Errorf("DELETE: %s", a.status)
	}
}

func TestStrangersSeeNoPages(t *testing.T) {
	s := newSite(t)
	s.withStatus()
	if a := s.dial(nil).get("/-/status"); a.code != 403 || !strings.Contains(a.status, "client certificate required") {
		t.Errorf("got %s", a.status)
	}
}

func TestServersWithoutPagesSaySo(t *testing.T) {
	s := newSite(t)
	if a := s.get("watcher.example.org", "/-/status"); a.code != 404 || !strings.Contains(a.status, "no such page") {
		t.Errorf("got %s", a.status)
	}
}

func TestPagesHaveNoBodiesInRequests(t *testing.T) {
	s := newSite(t)
	s.withStatus()
	c := s.dial(s.client("watcher.example.org"))
	io.WriteString(c, "GET /-/status HTTP/1.1\r\nHost: mirror.example.org\r\nContent-Length: 10\r\n\r\n")
	if a := c.answer("GET"); a.code != 400 {
		t.Errorf("got %s", a.status)
	}
	c.closed()
}
