package upstreamtest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is what a client got, err included where the body broke off.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func fetch(t *testing.T, url string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	req.Close = true // a reset of a reused connection would be retried by the client
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

const text = "0123456789"

func served(t *testing.T) (*Archive, string) {
	t.Helper()
	a := New(t)
	a.Set("pool/file", []byte(text))
	return a, a.URL() + "/pool/file"
}

func TestServerIsAnHonestMirror(t *testing.T) {
	a, url := served(t)
	first := fetch(t, url, nil)
	if first.status != 200 || first.body != text {
		t.Fatalf("got %+v", first)
	}
	date := first.header.Get("Last-Modified")
	if got := fetch(t, url, map[string]string{"If-Modified-Since": date}); got.status != 304 {
		t.Errorf("If-Modified-Since: status %d, want 304", got.status)
	}
	if got := fetch(t, url, map[string]string{"Range": "bytes=4-", "If-Range": date}); got.status != 206 || got.body != text[4:] {
		t.Errorf("range: got %+v", got)
	}
	if got := fetch(t, a.URL()+"/./pool/./file", nil); got.body != text {
		t.Errorf("path with dots: got %+v", got)
	}
	for _, missing := range []string{a.URL() + "/pool/none", strings.TrimSuffix(a.URL(), "/debian") + "/pool/file", a.URL()} {
		if got := fetch(t, missing, nil); got.status != 404 {
			t.Errorf("%s: status %d, want 404", missing, got.status)
		}
	}
	a.Set("pool/file", []byte("changed"))
	if got := fetch(t, url, map[string]string{"If-Modified-Since": date}); got.status != 200 || got.body != "changed" {
		t.Errorf("after a change: got %+v", got)
	}
	a.Remove("pool/file")
	if got := fetch(t, url, nil); got.status != 404 {
		t.Errorf("after Remove: status %d", got.status)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	a, url := served(t)
	mirror := a.Mirror()
	fetch(t, url, map[string]string{"X-Test": "1"})
	fetch(t, mirror.URL()+"/pool/file", nil)
	if a.Count("pool/file") != 1 || mirror.Count("pool/file") != 1 {
		t.Errorf("counts %d and %d, want one each", a.Count("pool/file"), mirror.Count("pool/file"))
	}
	if r := a.Requests()[0]; r.Method != "GET" || r.Path != "pool/file" || r.Header.Get("X-Test") != "1" {
		t.Errorf("noted %+v", r)
	}
	a.ForgetRequests()
	if len(a.Requests()) != 0 {
		t.Error("requests are not forgotten")
	}
}

func TestFaults(t *testing.T) {
	a, url := served(t)
	target := a.Mirror()
	date := fetch(t, url, nil).header.Get("Last-Modified")
	tests := []struct {
		name   string
		fault  Fault
		header map[string]string
		good   func(answer) bool
	}{
		{"Truncate", Truncate, nil, func(a answer) bool { return a.status == 200 && a.err != nil && a.body == text[:5] }},
		{"WrongLength", WrongLength, nil, func(a answer) bool { return a.status == 200 && a.body == text+"\n" }},
		{"WrongBytes", WrongBytes, nil, func(a answer) bool { return len(a.body) == len(text) && a.body != text }},
		{"HTML200", HTML200, nil, func(a answer) bool { return a.status == 200 && strings.HasPrefix(a.body, "<!DOCTYPE") }},
		{"Endless", Endless, nil, func(a answer) bool { return a.status == 200 && len(a.body) == 1<<20 }},
		{"NotFound", NotFound, nil, func(a answer) bool { return a.status == 404 }},
		{"Status", Status(503, "7"), nil, func(a answer) bool { return a.status == 503 && a.header.Get("Retry-After") == "7" && a.body != "" }},
		{"Redirect", Redirect("/x"), nil, func(a answer) bool { return a.status == 302 && a.header.Get("Location") == "/x" }},
		{"RedirectTree", RedirectTree(target.URL()), nil, func(a answer) bool { return a.header.Get("Location") == target.URL()+"/pool/file" }},
		{"Reset", Reset, nil, func(a answer) bool { return a.status == 0 && a.err != nil }},
		{"NoLastModified", NoLastModified, nil, func(a answer) bool { return a.body == text && a.header.Get("Last-Modified") == "" }},
		{"IgnoreRange", IgnoreRange, map[string]string{"Range": "bytes=4-"}, func(a answer) bool { return a.status == 200 && a.body == text }},
		{"Always200", Always200, map[string]string{"If-Modified-Since": date}, func(a answer) bool { return a.status == 200 && a.body == text }},
		{"Always304", Always304, nil, func(a answer) bool { return a.status == 304 }},
		{"Slow", Slow(3, time.Millisecond), nil, func(a answer) bool { return a.status == 200 && a.body == text }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a.FaultTimes(1, "file", test.fault)
			if got := fetch(t, url, test.header); !test.good(got) {
				t.Errorf("got %+v", got)
			}
			if got := fetch(t, url, nil); got.body != text {
				t.Errorf("after the fault: %+v", got)
			}
		})
	}
}

func TestStallEndsWithTheClient(t *testing.T) {
	a, url := served(t)
	a.Fault("pool/*", Stall)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	half := make([]byte, len(text)/2)
	if _, err := io.ReadFull(resp.Body, half); err != nil || string(half) != text[:5] {
		t.Fatalf("first half: %q, %v", half, err)
	}
	cancel()
	if _, err := resp.Body.Read(half); err == nil {
		t.Error("more came than the first half")
	}
}

func TestNewestFaultWins(t *testing.T) {
	a, url := served(t)
	a.Fault("*", NotFound)
	a.Fault("pool/*", Status(418, ""))
	if got := fetch(t, url, nil); got.status != 418 {
		t.Errorf("status %d, want that of the newest fault", got.status)
	}
	a.ClearFaults()
	if got := fetch(t, url, nil); got.status != 200 {
		t.Errorf("after ClearFaults: status %d", got.status)
	}
}
