package status

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
)

func TestHealthIsNoMatterOfState(t *testing.T) {
	b := board(t, troubled())
	b.State = func(context.Context) (*State, error) { return nil, errors.New("closed") }
	if w := get(t, b.Handler(), "/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthz: %d", w.Code)
	}
	for _, path := range []string{"/readyz", "/status"} {
		if w := get(t, b.Handler(), path); w.Code < 500 || strings.Contains(w.Body.String(), "closed") {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestReady(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *admin.SuiteStatus)
		want   string // "" = ready
	}{
		"fresh":                {func(*admin.SuiteStatus) {}, ""},
		"no Valid-Until":       {func(s *admin.SuiteStatus) { s.ValidUntil = time.Time{} }, ""},
		"upstream unreachable": {func(s *admin.SuiteStatus) { s.Error = "connection refused" }, ""},
		"held":                 {func(s *admin.SuiteStatus) { s.Held = &admin.Held{} }, ""},
		"refused":              {func(s *admin.SuiteStatus) { s.Error, s.Reason = "no", "rollback" }, ""},
		"nothing":              {func(s *admin.SuiteStatus) { s.Generation = 0 }, "debian bookworm: nothing verified yet"},
		"expired":              {func(s *admin.SuiteStatus) { s.ValidUntil = ago(time.Minute) }, "debian bookworm: expired on 2026-03-15 12:06 UTC"},
		"damaged":              {func(s *admin.SuiteStatus) { s.Reason = "damaged" }, "debian bookworm: what it serves is damaged in the store"},
	} {
		t.Run(name, func(t *testing.T) {
			s := suite("debian", "bookworm", 1)
			test.change(&s)
			w := get(t, board(t, &State{Suites: []admin.SuiteStatus{s, suite("site", "stable", 2)}}).Handler(), "/readyz")
			if test.want == "" && (w.Code != http.StatusOK || w.Body.String() != "ready: 2 suites\n") {
				t.Errorf("%d %q", w.Code, w.Body)
			}
			if test.want != "" && (w.Code != http.StatusServiceUnavailable || w.Body.String() != test.want+"\n") {
				t.Errorf("%d %q", w.Code, w.Body)
			}
		})
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	h := board(t, calm()).Handler()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodConnect} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/status", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if w := get(t, h, "/nonsense"); w.Code != http.StatusNotFound {
		t.Errorf("nonsense: %d", w.Code)
	}
}

// Behind a prefix everything is where the page's own links lead.
func TestPrefix(t *testing.T) {
	h := http.StripPrefix("/-", board(t, calm()).Handler())
	for _, path := range []string{"/-/status", "/-/icon.svg", "/-/metrics", "/-/readyz"} {
		if w := get(t, h, path); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestLocalAnswersUnderItsOwnNamesAlone(t *testing.T) {
	h := Local(board(t, calm()).Handler())
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8480": 200, "LOCALHOST:1": 200, "127.0.0.1:8480": 200, "127.0.0.9": 200, "[::1]:8480": 200, "[::1]": 200,
		"evil.example.org": 421, "evil.example.org:8480": 421, "192.0.2.1:8480": 421, "localhost.evil.example.org": 421, "127.0.0.1.evil.example.org": 421, "": 421,
	} {
		for _, path := range []string{"/status", "/metrics", "/healthz", "/readyz"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s for host %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

func TestPageSaysWhatToDo(t *testing.T) {
	page := get(t, populated(t, troubled()).Handler(), "/status").Body.String()
	for _, want := range []string{
		"aptmirror archive accept ubuntu noble", "aptmirror sync vendor", "aptmirror reload", "put it into signed_by", "nothing verified yet",
		"Clients do not get what they need from 2 of 8 suites", "newer to come", "20\u202f411 of 61\u202f234 files", "your certificate expired on 2026-03-01",
		"dns:host00.branch.example.org", "holds 12 back", "Nothing meets 6 relations", "i Depends: j and 1 more", "The newest 6 of 20", "by porter<", "by uid 1000<", "<title>! aptmirror",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if calm := get(t, populated(t, calm()).Handler(), "/status").Body.String(); !strings.Contains(calm, "Everything is as it should be") || strings.Contains(calm, "What needs attention") {
		t.Error("a calm mirror is not told so")
	}
}

// What clients and mirrors wrote stays text.
func TestPageEscapes(t *testing.T) {
	page := get(t, populated(t, troubled()).Handler(), "/status").Body.String()
	for _, evil := range []string{"<script", "<img src=x", "<i>", "<b>update", "onerror=alert(1)>"} {
		if strings.Contains(page, evil) {
			t.Errorf("the page has %q", evil)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the test sends no script any more")
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := get(t, board(t, calm()).Handler(), "/status")
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
		t.Errorf("policy %q", policy)
	}
	if !strings.Contains(w.Body.String(), "<style>"+style+"</style>") {
		t.Error("the style sheet is not the one that the policy allows")
	}
	if strings.Contains(w.Body.String(), " style=") || strings.Contains(w.Body.String(), "http-equiv=\"Content") {
		t.Error("the page has styles that the policy does not allow")
	}
	if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
}

func BenchmarkPage(b *testing.B) {
	h := populated(b, troubled()).Handler()
	b.ReportAllocs()
	for b.Loop() {
		get(b, h, "/status")
	}
}

func BenchmarkScrape(b *testing.B) {
	h := populated(b, troubled()).Handler()
	b.ReportAllocs()
	for b.Loop() {
		get(b, h, "/metrics")
	}
}
