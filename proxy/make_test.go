package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

// now is the moment of all tests here, for server, certificates and clients.
var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// published is what the tests' publications get as their date.
const published = "Sun, 15 Mar 2026 12:00:00 GMT"

// site is a server on loopback with its cache, its authority and its log.
type site struct {
	t       testing.TB
	cache   *cache.Cache
	ca      *pki.Authority
	server  *Server
	filler  *filler
	log     *logbook
	address string
	dir     string              // of the cache
	numbers map[string]uint64   // generations by suite
	suites  map[string][]string // what is served, by repository
	stopped func()
}

// grants of the tests: a reads debian, b secret, c all but one suite of mixed,
// root everything. Others see the status, administer, upload to a pool, or have
// limits.
var rules = []identity.Rule{
	{Identity: "dns:a.example.org", Read: []string{"debian", "gone"}},
	{Identity: "dns:b.example.org", Read: []string{"secret"}},
	{Identity: "dns:c.example.org", Read: []string{"mixed/open", "mixed/shut/updates"}},
	{Identity: "dns:root.example.org", Read: []string{"*"}},
	{Identity: "dns:watcher.example.org", Status: true},
	{Identity: "dns:admin.example.org", Admin: true},
	{Identity: "dns:slow.example.org", Read: []string{"debian"}, Rate: 200_000},
	{Identity: "dns:two.example.org", Read: []string{"debian"}, Connections: 2},
	{Identity: "dns:maker.example.org", Upload: []string{"internal"}},
}

func newSite(t testing.TB) *site { return newSiteWith(t, func(*Server) {}) }

// newSiteWith prepares the server before it listens.
func newSiteWith(t testing.TB, prepare func(*Server)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), log: &logbook{wrote: make(chan struct{})}, numbers: map[string]uint64{}, suites: map[string][]string{}}
	quiet := slog.New(slog.DiscardHandler)
	s.cache = must(cache.Open(s.dir, quiet))(t)
	t.Cleanup(func() { s.cache.Close() })
	s.ca = must(pki.NewAuthority("clients", now.AddDate(-1, 0, 0)))(t)
	s.filler = &filler{site: s, upstream: map[blob.Digest]source{}}
	s.server = New(Config{
		Catalog: s.cache.Catalog, Blobs: s.cache.Blobs, Filler: s.filler, Access: s.access(false),
		Log: slog.New(slog.NewTextHandler(s.log, nil)), Now: func() time.Time { return now },
	})
	prepare(s.server)
	s.listen()
	return s
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// access trusts the site's authority, but for what is revoked.
func (s *site) access(strict bool, revoked ...*x509.Certificate) *Access {
	s.t.Helper()
	var entries []pki.Revoked
	for _, c := range revoked {
		entries = append(entries, pki.Revoked{Serial: c.SerialNumber, Time: now})
	}
	list := must(s.ca.CRL(entries, big.NewInt(int64(len(entries)+1)), now, now.AddDate(0, 0, 7)))(s.t)
	crls := must(pki.ReadCRL(list, []*x509.Certificate{s.ca.Certificate()}))(s.t)
	trust := must(identity.NewTrust(identity.Config{Authorities: []*x509.Certificate{s.ca.Certificate()}, CRLs: crls}))(s.t)
	own := certificate(must(s.ca.IssueServer(pki.Leaf{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, now))(s.t))
	return &Access{Certificate: own, Trust: trust, Grants: must(identity.NewGrants(rules))(s.t), Strict: strict}
}

func (s *site) listen() {
	l := must(net.Listen("tcp", "127.0.0.1:0"))(s.t)
	s.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.server.Serve(l) }()
	s.stopped = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			s.t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			s.t.Errorf("Serve: %v", err)
		}
	})
	s.t.Cleanup(s.stopped)
}

func certificate(i *pki.Issued) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{i.Cert.Raw}, PrivateKey: i.Key, Leaf: i.Cert}
}

// client makes the certificate of a client of the site's authority.
func (s *site) client(name string) *tls.Certificate {
	s.t.Helper()
	return certificate(must(s.ca.IssueClient(pki.Leaf{Names: []string{name}}, now))(s.t))
}

// config is a client's TLS configuration; cert may be nil.
func (s *site) config(cert *tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.Certificate())
	c := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Time: func() time.Time { return now }}
	if cert != nil {
		// Certificates that the server does not ask for by name are sent too.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// file is one path of a generation of the tests.
type file struct {
	kind   catalog.Kind
	body   []byte
	absent bool   // not in the store
	plain  string // for by-hash names
}

// publish makes a generation of the files current in one suite of a repository.
func (s *site) publish(repository, suite string, files map[string]file, leftOut ...catalog.LeftOut) {
	s.t.Helper()
	s.serve(repository, suite)
	var m catalog.Manifest
	for path, f := range files {
		e := catalog.Entry{Path: path, Kind: f.kind, Size: int64(len(f.body)), Digest: blob.Sum(f.body), Plain: path}
		if f.plain != "" {
			e.Plain = f.plain
		}
		if f.kind == catalog.KindImage {
			e.Size = catalog.UnknownSize
		}
		m.Add(e)
		if !f.absent {
			s.put(f.body)
		}
	}
	g := catalog.Generation{Archive: repository, Suite: suite, Manifest: s.put(must(m.Encode())(s.t)), LeftOut: leftOut, Created: now}
	g.Number = must(s.cache.Catalog.AddGeneration(g))(s.t)
	var before catalog.Ref
	if n := s.numbers[repository+"/"+suite]; n > 0 {
		before = catalog.Ref{Archive: repository, Suite: suite, Number: n}
	}
	must(s.cache.Catalog.Publish(s.t.Context(), catalog.Move{Repository: repository, Suite: suite, Expect: before, Next: g.Ref()}, now))(s.t)
	s.numbers[repository+"/"+suite] = g.Number
}

// serve makes a suite known, without a generation if it has none.
func (s *site) serve(repository, suite string) {
	s.t.Helper()
	for _, known := range s.suites[repository] {
		if known == suite {
			return
		}
	}
	next := map[string][]string{repository: {suite}}
	for r, suites := range s.suites {
		next[r] = append(next[r], suites...)
	}
	s.suites = next
	if err := s.cache.Catalog.Serve(s.t.Context(), next); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) put(b []byte) blob.Digest {
	s.t.Helper()
	return must(s.cache.Blobs.Put(s.t.Context(), b, now.AddDate(-1, 0, 0)))(s.t)
}

// The paths of the sites that example makes.
const (
	inRelease = "dists/bookworm/InRelease"
	packages  = "dists/bookworm/main/binary-amd64/Packages.xz"
	deb       = "pool/main/h/hello/hello_2.10-3_amd64.deb"
)

// example publishes the repositories debian and secret; the package is some
// pieces of 64 KiB long.
func (s *site) example() {
	s.t.Helper()
	index := pattern(5_000, 2)
	byHash := "dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob.Sum(index).String()
	s.publish("debian", "bookworm", map[string]file{
		inRelease: {kind: catalog.KindRelease, body: []byte("Origin: example\n")},
		packages:  {kind: catalog.KindIndex, body: index},
		byHash:    {kind: catalog.KindByHash, body: index, plain: packages},
		deb:       {kind: catalog.KindPackage, body: pattern(300_000, 3)},
		"pool/main/g/g++/g++_4%3a12.2~1_amd64.deb": {kind: catalog.KindPackage, body: []byte("plus")},
	})
	hidden := pattern(4_000, 4)
	s.publish("secret", "bookworm", map[string]file{
		inRelease: {kind: catalog.KindRelease, body: []byte("Origin: secret\n")},
		packages:  {kind: catalog.KindIndex, body: hidden},
		"dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob.Sum(hidden).String(): {kind: catalog.KindByHash, body: hidden, plain: packages},
		"pool/main/s/secret/secret_1_amd64.deb":                                        {kind: catalog.KindPackage, body: []byte("secret package")},
	})
}

// pattern makes n bytes that differ from place to place and from seed to seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, 0, n+sha256.Size)
	block := sha256.Sum256([]byte{seed})
	for len(b) < n {
		b = append(b, block[:]...)
		block = sha256.Sum256(block[:])
	}
	return b[:n]
}

// logbook collects the lines of a log.
type logbook struct {
	mu    sync.Mutex // guards the fields below
	text  bytes.Buffer
	wrote chan struct{} // closed at the next line
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.wrote)
	l.wrote = make(chan struct{})
	return l.text.Write(p)
}

// await returns the lines that contain what, once there are n.
func (l *logbook) await(t testing.TB, what string, n int) []string {
	t.Helper()
	timeout := time.After(patience)
	for {
		found, wrote := l.lines(what)
		if len(found) >= n {
			return found
		}
		select {
		case <-wrote:
		case <-timeout:
			t.Fatalf("the log says %q %d times, want %d:\n%s", what, len(found), n, l.text.String())
		}
	}
}

func (l *logbook) lines(what string) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, what) {
			found = append(found, line)
		}
	}
	return found, l.wrote
}

func TestMain(m *testing.M) {
	// badger's own, which end with the process
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}
