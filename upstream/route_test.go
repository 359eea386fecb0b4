package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// front serves an archive from another server, which a test can look at.
func front(t *testing.T, a *upstreamtest.Archive, look func(r *http.Request) int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := look(r); code != http.StatusOK {
			http.Error(w, "no", code)
			return
		}
		data := a.Get(strings.TrimPrefix(r.URL.Path, "/debian/"))
		if data == nil {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	})
}

func helloArchive(t *testing.T) *upstreamtest.Archive {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	return a
}

func readAuth(t *testing.T, text string) *Auth {
	t.Helper()
	auth, err := ReadAuth(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// The proxy is on a private address, and is told a password of its own.
func TestAProxyIsUsed(t *testing.T) {
	a := helloArchive(t)
	var hosts atomic.Int32
	proxy := httptest.NewServer(front(t, a, func(r *http.Request) int {
		if r.URL.Host == "mirror.example.org" {
			hosts.Add(1)
		}
		if r.Header.Get("Proxy-Authorization") == "" || r.Header.Get("Authorization") != "" {
			return http.StatusProxyAuthRequired
		}
		return http.StatusOK
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	m := newMirror(t, a)
	m.archive.URIs = []string{"http://mirror.example.org/debian/"}
	m.archive.Route = Route{Proxy: http.ProxyURL(address), Auth: readAuth(t, "machine "+proxy.URL+" login us password secret")}
	m.refresh()
	if hosts.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
}

func TestDirectIsDirect(t *testing.T) {
	a := helloArchive(t)
	m := newMirror(t, a)
	m.archive.Route.Proxy = Direct
	m.refresh()
}

// secure serves an archive over TLS.
func secure(t *testing.T, handler http.Handler, config *tls.Config) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func trust(s *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool}
}

func TestAClientCertificateIsShown(t *testing.T) {
	a := helloArchive(t)
	s := secure(t, front(t, a, func(*http.Request) int { return http.StatusOK }), &tls.Config{ClientAuth: tls.RequireAnyClientCert})
	m := newMirror(t, a)
	m.archive.URIs = []string{s.URL + "/debian/"}
	m.archive.Route.TLS = trust(s)
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
		t.Error("without a certificate: no error")
	}
	with := newMirror(t, a)
	with.archive.URIs, with.archive.Route.TLS = m.archive.URIs, trust(s)
	with.archive.Route.TLS.Certificates = s.TLS.Certificates
	with.refresh()
}

func TestAnUnknownAuthorityIsNotTriedAgain(t *testing.T) {
	a := helloArchive(t)
	s := secure(t, front(t, a, func(*http.Request) int { return http.StatusOK }), nil)
	m := newMirror(t, a)
	m.archive.URIs = []string{s.URL + "/debian/"}
	_, err := m.Refresh(t.Context(), m.archive, "stable")
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) || len(m.waited()) != 0 {
		t.Errorf("%d pauses, %v", len(m.waited()), err)
	}
}

// A password goes to the machine that it is for, and nowhere with a redirect.
func TestPasswordsDoNotFollowRedirects(t *testing.T) {
	a := helloArchive(t)
	var leaked, asked atomic.Int32
	other := httptest.NewServer(front(t, a, func(r *http.Request) int {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		return http.StatusOK
	}))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(first.Close)
	m := newMirror(t, a)
	m.archive.URIs = []string{first.URL + "/debian/"}
	m.archive.Route = Route{AllowPrivate: true, Auth: readAuth(t, "machine "+first.URL+" login us password secret")}
	m.refresh()
	if asked.Load() == 0 || leaked.Load() != 0 {
		t.Errorf("%d of %d requests behind the redirect had the password", leaked.Load(), asked.Load())
	}
}

func TestATokenIsSent(t *testing.T) {
	a := helloArchive(t)
	s := httptest.NewServer(front(t, a, func(r *http.Request) int {
		if r.Header.Get("Authorization") != "Bearer secret" {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	}))
	t.Cleanup(s.Close)
	m := newMirror(t, a)
	m.archive.URIs = []string{s.URL + "/debian/"}
	m.archive.Route.Auth = readAuth(t, "machine "+s.URL+"/debian password secret")
	m.refresh()
}

// No more requests are under way than are allowed, and bodies count.
func TestConnectionsAreBounded(t *testing.T) {
	const allowed, files = 3, 12
	a := upstreamtest.New(t)
	for i := range files {
		a.AddPackage(upstreamtest.Package{Name: "p" + string(rune('a'+i)), Size: 300_000})
	}
	a.Publish()
	m := newMirror(t, a)
	m.archive.Route.Connections = allowed
	g := m.refresh().Generation
	var now, most atomic.Int32
	gate, begun := make(chan struct{}), make(chan struct{}, files)
	a.Fault("*.deb", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		n := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		w.Write(f.Data[:100_000])
		http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-gate
		w.Write(f.Data[100_000:])
	})
	done := make(chan error)
	for e := range m.table(g).All() {
		if strings.HasSuffix(e.Path, ".deb") {
			f := m.file(g, e.Path)
			go func() { done <- m.fetchWhole(t.Context(), f, demand{}) }()
		}
	}
	for range allowed {
		<-begun
	}
	for range files {
		gate <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := most.Load(); got != allowed {
		t.Errorf("%d requests at a time, want %d", got, allowed)
	}
}

// A slot that is waited for is not taken by who has left.
func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	a := helloArchive(t)
	m := newMirror(t, a)
	m.archive.Route.Connections = 1
	f := m.fetcherOf(m.archive)
	f.slots <- struct{}{}
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	cancel(left)
	if _, err := f.request(ctx, m.archive.URIs[0], "x", http.Header{}); err != left {
		t.Errorf("got %v", err)
	}
	<-f.slots
	m.refresh()
	if len(f.slots) != 0 {
		t.Errorf("%d slots are still taken", len(f.slots))
	}
}

func TestBandwidthDoesNotChangeWhatComes(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Size: 100_000})
	a.Publish()
	m := newMirror(t, a)
	m.archive.Route.Bandwidth = 50_000_000
	if data, err := m.read(m.file(m.refresh().Generation, p.Filename)); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
}
