package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// expire gives the client a certificate of the same authority that ended
// yesterday; the program itself would not issue such a thing.
func (c *client) expire() *client {
	c.t.Helper()
	ca, err := tls.LoadX509KeyPair(c.dir+"/site/tls/clients-ca.crt", c.dir+"/site/tls/clients-ca.key")
	if err != nil {
		c.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), DNSNames: []string{c.name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	public, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		c.t.Fatal(err)
	}
	c.change("tls/client.pem", func(string) string { return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})) })
	c.change("tls/client.key", func(string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	})
	return c
}

// change edits a file of the kit.
func (c *client) change(name string, change func(string) string) {
	c.t.Helper()
	file := filepath.Join(c.kit, name)
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(change(string(text))), 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// withoutCertificate makes apt send none.
func withoutCertificate(conf string) string {
	var kept strings.Builder
	for line := range strings.Lines(conf) {
		if !strings.Contains(line, "SslCert") && !strings.Contains(line, "SslKey") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// A client that may not read gets nothing, and apt shows why.
func TestAptIsToldWhyItIsRefused(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	h.edit(func(text string) string { return replaceOnce(t, text, "dns:**", "dns:*.branch.example.org") })
	good := h.client("good.branch.example.org")
	missing, foreign := h.client("missing.branch.example.org"), h.client("foreign.branch.example.org")
	missing.change("apt.conf", withoutCertificate)
	other := newHost(t, a).client(foreign.name)
	for _, file := range []string{"tls/client.pem", "tls/client.key"} {
		foreign.change(file, func(string) string {
			text, err := os.ReadFile(filepath.Join(other.kit, file))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		})
	}
	revoked := h.client("revoked.branch.example.org")
	h.must("client", "revoke", revoked.name)
	h.must("sync")
	p := h.serve()
	good.update()
	good.download(hello)

	tests := []struct {
		name   string
		client *client
		want   string
	}{
		{"no certificate", missing, "403  client certificate"},
		{"another authority", foreign, `403  client certificate is from "aptmirror client CA"`},
		{"expired", h.client("expired.branch.example.org").expire(), "403  client certificate expired on"},
		{"revoked", revoked, "403  client certificate was revoked on"},
		{"no grant", h.client("stranger.example.org"), "403  "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, ok := test.client.apt("apt-get", "update")
			if ok || !strings.Contains(out, test.want) {
				t.Errorf("apt-get update: %v, want %q in\n%s", ok, test.want, out)
			}
			if lists := listed(t, test.client); len(lists) > 0 {
				t.Errorf("got %v", lists)
			}
		})
	}
	for line := range strings.Lines(p.String()) {
		if strings.Contains(line, "msg=request") && !strings.Contains(line, "identity=dns:"+good.name) && attribute(line, "status") != "403" {
			t.Errorf("somebody else was answered: %s", line)
		}
	}
}

// listed gives what apt has fetched of an archive.
func listed(t *testing.T, c *client) []string {
	t.Helper()
	files, err := filepath.Glob(c.kit + "/state/lists/*debian*")
	more, err2 := filepath.Glob(c.kit + "/state/lists/partial/*")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return append(files, more...)
}

// A revocation counts in a daemon that runs, and for connections that are open.
func TestRevocationReachesTheDaemon(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()
	inRelease := "https://localhost:" + h.port + "/debian/dists/stable/InRelease"
	browser := c.http()
	status := func() string {
		resp, err := browser.Get(inRelease)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		return resp.Status
	}
	if got := status(); got != "200 OK" {
		t.Fatalf("before: %s", got)
	}
	h.must("client", "revoke", "client")
	eventually(t, "the revoked client is refused", func() bool { return strings.HasPrefix(status(), "403 client certificate was revoked on") })
	if out, ok := c.apt("apt-get", "update"); ok || !strings.Contains(out, "403  client certificate was revoked on") {
		t.Errorf("apt-get update: %v\n%s", ok, out)
	}
	if out, ok := c.apt("apt-get", "download", hello.Name); ok || !strings.Contains(out, "403") {
		t.Errorf("apt-get download: %v\n%s", ok, out)
	}
}

// What does not verify is refused with all that is needed to find out why, and
// clients keep what they had.
func TestBadUpstreamsAreRefused(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	key := upstreamtest.NewKey(t)
	a.Trust(key)
	a.SignWith(key)
	a.Publish()
	h := newHost(t, a)
	h.must("sync")
	h.serve()
	packages := "dists/stable/main/binary-" + a.Arch + "/"
	tests := []struct {
		name string
		do   func()
		file string
		want string
	}{
		{"unsigned", func() { a.Publish(upstreamtest.Unsigned()) }, "Release", "neither InRelease nor Release.gpg"},
		{"tampered", func() { a.Publish(upstreamtest.Tampered()) }, "InRelease", "signature"},
		{"foreign key", func() { a.SignWith(upstreamtest.NewKey(t)); a.Publish() }, "InRelease", "key"},
		{"expired", func() {
			a.SignWith(key)
			a.Suite.ValidUntil = time.Now().Add(-time.Minute)
			a.Publish()
			a.Suite.ValidUntil = time.Time{}
		}, "InRelease", "it was valid until"},
		{"replayed", func() { a.Replay(1) }, "InRelease", "older than the one of"},
		{"from the future", func() { a.Publish(upstreamtest.At(time.Now().Add(24 * time.Hour))) }, "InRelease", "later than this machine's clock"},
		{"login page", func() { a.Fault("*", upstreamtest.HTML200) }, "InRelease", ""},
		{"wrong index", func() {
			a.AddPackage(upstreamtest.Package{Name: "hello", Version: "9.0"})
			a.Publish()
			a.Fault(packages+"*", upstreamtest.WrongBytes)
			a.Fault(packages+"by-hash/*/*", upstreamtest.WrongBytes)
		}, packages + "by-hash/SHA256/", "wrong SHA-256"},
	}
	before := data[admin.Status](h, "status").Suites[0].Generation
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.do()
			defer a.ClearFaults()
			r := h.run("sync")
			if r.code != 4 {
				t.Errorf("sync: exit code %d, want 4", r.code)
			}
			for _, want := range []string{"archive debian", "suite stable", "refusing " + test.file, a.URL(), test.want, "what was served before still is"} {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("sync does not say %q:\n%s", want, r.stderr)
				}
			}
			status := data[admin.Status](h, "status").Suites[0]
			if status.Generation != before || status.Error == "" || status.Reason == "" || status.Reason == "unreachable" {
				t.Errorf("status is %+v, want generation %d with a reason", status, before)
			}
			c := h.client("client" + string(rune('a'+i)))
			c.update()
			c.download(hello)
		})
	}
	a.SignWith(key)
	a.Publish()
	h.must("sync")
	if got := data[admin.Status](h, "status").Suites[0]; got.Generation != before+1 || got.Error != "" {
		t.Errorf("after a good publication: %+v", got)
	}
	h.checkStore()
}

// A file with wrong bytes never reaches a client whole, and the right ones do
// as soon as a mirror has them.
func TestWrongPackagesAreCut(t *testing.T) {
	t.Parallel()
	faults := map[string]upstreamtest.Fault{
		"other-bytes": upstreamtest.WrongBytes, "one-byte-more": upstreamtest.WrongLength, "half": upstreamtest.Truncate, "endless": upstreamtest.Endless,
		"login-page": upstreamtest.HTML200, "gone": upstreamtest.NotFound,
	}
	a := upstreamtest.New(t)
	packages := map[string]upstreamtest.Package{}
	for name := range faults {
		packages[name] = a.AddPackage(upstreamtest.Package{Name: name, Size: 200_000})
	}
	a.Publish()
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	c.update()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			file := path.Base(packages[name].Filename)
			a.Fault(file, fault)
			if out, ok := c.apt("apt-get", "download", name); ok {
				t.Errorf("apt-get download succeeded:\n%s", out)
			}
			if info, err := os.Stat(c.work(file)); err == nil && info.Size() >= int64(len(packages[name].Deb)) {
				t.Error("apt has as many bytes as there should be")
			}
		})
	}
	if n := data[admin.Status](h, "status").Suites[0].Cached; n != 0 {
		t.Errorf("%d packages are in the store", n)
	}
	a.ClearFaults()
	for name, p := range packages {
		c.comesAgain(p)
		if t.Failed() {
			t.Fatalf("after %s", name)
		}
	}
	h.checkStore()
}

// comesAgain waits out the pause that upstream is given after a failure.
func (c *client) comesAgain(p upstreamtest.Package) {
	c.t.Helper()
	eventually(c.t, "upstream is asked again for "+p.Name, func() bool {
		resp := c.get(p.Filename)
		io.Copy(io.Discard, resp.Body) // only the status counts
		return resp.StatusCode == http.StatusOK
	})
	c.download(p)
}
