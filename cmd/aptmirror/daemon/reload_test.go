package daemon

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
	"aptmirror/upstream/upstreamtest"
)

var me = admin.Caller{UID: os.Getuid()}

// serving is a daemon that serves one suite to one client.
type serving struct {
	t       *testing.T
	d       *Daemon
	c       *config.Config
	address string
	clients *pki.Clients
	client  *pki.Issued
	at      atomic.Pointer[time.Time] // what the clock says; nil: the time
}

func (s *serving) now() time.Time {
	if at := s.at.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func serve(t *testing.T) *serving {
	t.Helper()
	return serveWith(t, func(*config.Config) {})
}

// serveWith serves with something changed in the configuration.
func serveWith(t *testing.T, change func(*config.Config)) *serving {
	t.Helper()
	s := &serving{t: t, c: newServedSite(t)}
	change(s.c)
	if err := os.WriteFile(s.c.Path, config.Format(s.c), 0o644); err != nil { // for reloads
		t.Fatal(err)
	}
	var err error
	if s.clients, err = site.Clients(s.c); err != nil {
		t.Fatal(err)
	}
	if s.client, err = s.clients.Add("host", pki.Leaf{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.d, err = Open(t.Context(), s.c, Options{Version: "test", Log: slog.New(slog.DiscardHandler), Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s.d) })
	if _, err := s.d.Sync(t.Context(), me, admin.SyncRequest{}, nobody); err != nil {
		t.Fatal(err)
	}
	s.run()
	return s
}

// newServedSite makes a site that listens wherever there is room.
func newServedSite(t *testing.T) *config.Config {
	t.Helper()
	c := newSite(t, published(t), "stable")
	c.Serve.Listen = []string{"127.0.0.1:0"}
	if err := os.WriteFile(c.Path, config.Format(c), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run serves until the test ends.
func (s *serving) run() {
	s.t.Helper()
	ready, done := make(chan []string, 1), make(chan error, 1)
	go func() { done <- s.d.Serve(s.t.Context(), func(listen []string) { ready <- listen }) }()
	s.t.Cleanup(func() { // the context has ended
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
	select {
	case listen := <-ready:
		s.address = listen[0]
	case err := <-done:
		done <- err
		s.t.Fatal("not serving")
	}
}

// http speaks with the client's certificate.
func (s *serving) http() *http.Client {
	s.t.Helper()
	ca, err := os.ReadFile(s.c.Serve.ServerCA)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	pair := tls.Certificate{Certificate: [][]byte{s.client.Cert.Raw}, PrivateKey: s.client.Key}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{pair}}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// connection is a client's that it keeps: an http.Client on a busy machine makes
// another where it was slow itself.
type connection struct {
	*tls.Conn
	in *bufio.Reader
}

func (s *serving) connect() *connection {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.address, s.http().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return &connection{conn, bufio.NewReader(conn)}
}

const servedRelease = "/debian/dists/stable/InRelease"

// get gives the status of a suite's Release, or why there is none.
func (c *connection) get() (status string) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", servedRelease); err != nil {
		return err.Error()
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return resp.Status
}

func (s *serving) reload() *admin.Access {
	s.t.Helper()
	a, err := s.d.Reload(s.t.Context(), me)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *serving) edit(file, old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("%s has no %s", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// A change counts for the next request on a connection that is open.
func TestReloadReachesOpenConnections(t *testing.T) {
	s := serve(t)
	grants := func(old, new string) func() { return func() { s.edit(s.c.Path, old, new) } }
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"a grant is taken away", grants(`read = ["*"]`, `read = ["debian/stable"]`), "200 OK"},
		{"another identity", grants("dns:**", "dns:*.example.org"), "403 dns:host may not read debian, ask your administrator for a grant"},
		{"and back", grants("dns:*.example.org", "dns:host"), "200 OK"},
		{"the CA is removed", func() {
			s.edit(s.c.Path, `["tls/clients-ca.crt"]`, `["tls/server-ca.crt"]`)
			s.edit(s.c.Path, `["tls/clients.crl"]`, "[]")
		},
			`403 client certificate is from "aptmirror client CA", not trusted here;`},
		{"and added", func() {
			s.edit(s.c.Path, `["tls/server-ca.crt"]`, `["tls/clients-ca.crt"]`)
			s.edit(s.c.Path, "crl = []", `crl = ["tls/clients.crl"]`)
		}, "200 OK"},
		{"the certificate is revoked", func() {
			if err := s.clients.Revoke(s.client.Cert.SerialNumber, time.Now()); err != nil {
				t.Fatal(err)
			}
		}, "403 client certificate was revoked on "},
	}
	for _, step := range steps {
		conn := s.connect()
		if got := conn.get(); got != "200 OK" {
			conn = s.connect() // that one ended with the refusal
		}
		step.do()
		s.reload()
		if got := conn.get(); !strings.HasPrefix(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestReloadingUnderLoadFailsNoRequest(t *testing.T) {
	s := serve(t)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		conn := s.connect()
		clients.Go(func() {
			for n := 0; ; n++ {
				if status := conn.get(); status != "200 OK" {
					t.Errorf("request %d: %s", n, status)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 50 {
		s.reload()
	}
	close(stop)
	clients.Wait()
}

// What cannot be used changes nothing, and status says so until it is mended.
func TestBrokenFilesKeepTheLastGoodState(t *testing.T) {
	s := serve(t)
	crl := s.c.Serve.CRL[0]
	for _, test := range []struct{ name, file, old, new, want string }{
		{"configuration", s.c.Path, "[serve]", "[serve", "not TOML"},
		{"grant", s.c.Path, `read = ["*"]`, `read = ["nosuch"]`, `there is no repository "nosuch"`},
		{"no server any more", s.c.Path, "[serve]", "[other]", `unknown key`},
		{"server certificate", s.c.Serve.Cert, "BEGIN", "BEGUN", "loading the server certificate: " + s.c.Serve.Cert},
		{"client CA", s.c.Serve.ClientCA[0], "BEGIN", "BEGUN", "loading client_ca: " + s.c.Serve.ClientCA[0]},
		{"revocation list", crl, "BEGIN", "BEGUN", "loading crl: " + crl},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := s.reload()
			s.edit(test.file, test.old, test.new)
			access, err := s.d.Reload(t.Context(), me)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Reload: %v, want %q", err, test.want)
			}
			if access.Problem == "" || access.ProblemSince.IsZero() || !access.Read.Equal(before.Read) {
				t.Errorf("access is %+v", access)
			}
			status, err := s.d.Status(t.Context())
			if err != nil || !strings.Contains(status.Access.Problem, test.want) {
				t.Errorf("status: %v, %+v", err, status.Access)
			}
			s.wants(s.http(), servedRelease, "200")
			s.edit(test.file, test.new, test.old)
			if after := s.reload(); after.Problem != "" || !after.ProblemSince.IsZero() {
				t.Errorf("after mending: %+v", after)
			}
		})
	}
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	s := serve(t)
	s.edit(s.c.Path, `listen = ["127.0.0.1:0"]`, `listen = ["127.0.0.1:1"]`)
	s.edit(s.c.Path, `client_auth = "explain"`, `client_auth = "strict"`)
	s.edit(s.c.Path, `refresh = "15m"`, `refresh = "2h"`)
	s.edit(s.c.Path, "[serve]", "[cache]\nmax_size = \"1GB\"\n[serve]")
	want := []string{"serve.listen", "cache"}
	if diff := cmp.Diff(want, s.reload().Restart); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, s.reload().Restart); diff != "" {
		t.Errorf("forgotten at the second reload (-want +got):\n%s", diff)
	}
	s.edit(s.c.Path, `listen = ["127.0.0.1:1"]`, `listen = ["127.0.0.1:0"]`)
	if diff := cmp.Diff(want[1:], s.reload().Restart); diff != "" {
		t.Errorf("after one went back (-want +got):\n%s", diff)
	}
}

// Files are taken up when they have changed and come to rest.
func TestChangesAreSeen(t *testing.T) {
	c, now := newServedSite(t), time.Now()
	d := &Daemon{began: c, Options: Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}}
	r, err := d.newReloader()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "current")
	changes := map[string]func() error{
		"rewritten":              func() error { return os.WriteFile(c.Serve.CRL[0], []byte("x"), 0o644) },
		"same size and old date": func() error { return os.Chtimes(c.Path, time.Unix(1, 0), time.Unix(1, 0)) },
		"gone":                   func() error { return os.Rename(c.Serve.Key, c.Serve.Key+".old") },
		"back":                   func() error { return os.Rename(c.Serve.Key+".old", c.Serve.Key) },
		"a link to another":      func() error { return os.Symlink(c.Serve.Cert, link) },
	}
	r.config.Serve.ClientCA = append(r.config.Serve.ClientCA, link)
	for name, change := range changes {
		if name == "back" {
			continue
		}
		r.seen = inforce.Stamps(inforce.WatchedFiles(r.config))
		if why := r.reason(); why != "" {
			t.Errorf("%s: reloads before anything changed: %s", name, why)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if first, second := r.reason(), r.reason(); first != "" || second == "" {
			t.Errorf("%s: at first %q, then %q", name, first, second)
		}
		if name == "gone" {
			if err := changes["back"](); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.seen, r.tried, r.access.Problem = inforce.Stamps(inforce.WatchedFiles(r.config)), now, "some"
	if why := r.reason(); why != "" {
		t.Errorf("tried again at once: %s", why)
	}
	now = now.Add(retryInterval)
	if r.reason() == "" {
		t.Error("never tried again")
	}
}

// The daemon renews the server's certificate itself, long before anybody is warned.
func TestTheServerCertificateIsRenewedInTime(t *testing.T) {
	s := serve(t)
	r := s.d.reloading()
	before, err := site.ServerCertificate(s.d.config())
	if err != nil {
		t.Fatal(err)
	}
	late := before.NotAfter.AddDate(0, 0, -59)
	s.at.Store(&late)
	defer s.at.Store(nil)
	r.keepFresh()
	after, err := site.ServerCertificate(s.d.config())
	if err != nil || !after.NotAfter.After(before.NotAfter) || r.renewal != nil {
		t.Fatalf("it ends on %s as before: %v, %v", after.NotAfter, err, r.renewal)
	}
	if err := r.reload("the test"); err != nil {
		t.Fatal(err)
	}
	if got := r.state(); !got.Certificate.NotAfter.Equal(after.NotAfter) || strings.Contains(strings.Join(got.Warnings, "\n"), "server certificate") {
		t.Errorf("%s, %q", got.Certificate.NotAfter, got.Warnings)
	}
	if err := os.WriteFile(strings.TrimSuffix(s.d.config().Serve.ServerCA, ".crt")+".key", []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.keepFresh()
	if got := strings.Join(r.state().Warnings, "\n"); !strings.Contains(got, "the server certificate cannot be renewed: ") {
		t.Errorf("warnings: %q", got)
	}
}

func TestReloadNeedsAServingDaemon(t *testing.T) {
	a := upstreamtest.New(t)
	a.Publish()
	d := opened(t, a, t.TempDir())
	defer mustClose(t, d)
	if _, err := d.Reload(t.Context(), me); exit(err) != admin.ExitFailed {
		t.Errorf("Reload: %v", err)
	}
}
