package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
)

// A revocation is in force when the command has returned, on open connections
// too, and so is a renewal for whoever has the new kit.
func TestRevocationAndRenewalCountAtOnce(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	old := c.http()
	status := func() string {
		resp, err := old.Get("https://localhost:" + h.port + "/debian/dists/stable/InRelease")
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return resp.Status
	}
	c.update()
	before, err := os.ReadFile(c.kit + "/tls/client.key")
	if err != nil {
		t.Fatal(err)
	}
	h.must("client", "renew", "client")
	if got := status(); got != "200 OK" {
		t.Errorf("the old certificate after a renewal: %s", got)
	}
	h.must("client", "kit", "client", "--out", c.kit)
	after, err := os.ReadFile(c.kit + "/tls/client.key")
	if err != nil || string(before) == string(after) {
		t.Errorf("the kit has the old key (%v)", err)
	}
	c.update()
	c.download(hello)

	r := h.must("client", "revoke", "client")
	if !strings.Contains(r.stdout, "revoked 2 certificates of client; the daemon refuses them from now on\n") {
		t.Errorf("revoke says %q", r.stdout)
	}
	if got := status(); !strings.HasPrefix(got, "403 client certificate was revoked on") {
		t.Errorf("the old certificate: %s", got)
	}
	if out, ok := c.apt("apt-get", "update"); ok || !strings.Contains(out, "403  client certificate was revoked on") {
		t.Errorf("apt with the new one: %v\n%s", ok, out)
	}
}

// connection is one that the client keeps, which an http.Client on a busy machine
// does not always do.
type connection struct{ *tls.Conn }

func (c *client) connect() connection {
	c.t.Helper()
	conn, err := tls.Dial("tcp", "localhost:"+c.port, c.http().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return connection{conn}
}

func (c connection) serial() string {
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

// get gives the status of a suite's Release, or why there is none.
func (c connection) get() (status string) {
	fmt.Fprint(c, "GET /debian/dists/stable/InRelease HTTP/1.1\r\nHost: localhost\r\n\r\n") // else there is no answer
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return resp.Status
}

// What the site has of its own is renewed while it serves: connections go on, and
// machines with an old kit do not notice.
func TestTheSitesOwnCertificatesAreRenewedUnderWay(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	open := c.connect()
	if got := open.get(); got != "200 OK" {
		t.Fatal(got)
	}
	for _, what := range certificateNames {
		r := h.must("certificate", "renew", what)
		if !strings.Contains(r.stdout, "; the daemon uses it from now on\n") {
			t.Errorf("renew %s says %q", what, r.stdout)
		}
	}
	if got := open.get(); got != "200 OK" {
		t.Errorf("the open connection: %s", got)
	}
	if again := c.connect(); again.serial() == open.serial() {
		t.Error("a new connection has the old certificate")
	}
	c.update()
	c.download(hello)
	newer := h.client("newer")
	newer.update()
	if access := data[admin.Status](h, "status").Access; len(access.Warnings) > 0 || access.Problem != "" {
		t.Errorf("status: %q, %s", access.Warnings, access.Problem)
	}
}

// A revocation that the daemon cannot take up is no success.
func TestRevocationThatIsNotInForceIsToldOf(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	h.serve()
	if err := os.WriteFile(h.dir+"/site/tls/server.crt", []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := h.run("client", "revoke", "client")
	if r.code != 1 || !strings.Contains(r.stdout, "revoked 1 certificates of client; the daemon still accepts them") ||
		!strings.Contains(r.stderr, "the daemon cannot use its files as they are now: loading the server certificate") {
		t.Errorf("revoke: %+v", r)
	}
	c.update()
}

// A client whose key never leaves it works with a kit that has none.
func TestSignedRequestWorksWithApt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	a, hello, _ := sample(t)
	h := newHost(t, a)
	h.openssl("genpkey", "-algorithm", "ed25519", "-out", "own.key")
	h.openssl("req", "-new", "-key", "own.key", "-subj", "/CN=ignored", "-out", "own.csr")
	h.must("client", "sign", "client", "--csr", "own.csr")
	c := h.kitOf("client")
	if _, err := os.Stat(c.kit + "/tls/client.key"); err == nil {
		t.Error("the kit has a key")
	}
	if err := os.Rename(h.dir+"/own.key", c.kit+"/tls/client.key"); err != nil {
		t.Fatal(err)
	}
	h.must("sync")
	h.serve()
	c.update()
	c.download(hello)
}

func (h *host) openssl(args ...string) {
	h.t.Helper()
	if out, err := h.command(h.t.Context(), "openssl", args...).CombinedOutput(); err != nil {
		h.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// The log answers who fetched a version, with the command of the README.
func TestTheLogTellsWhoFetchedAVersion(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"jq", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	a, hello, _ := sample(t)
	h := newHost(t, a)
	c, other := h.client("client"), h.client("other")
	h.must("sync")
	p, err := background(t.Context(), h.command(context.WithoutCancel(t.Context()), h.program, "serve", "--log-format", "json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	for _, k := range []*client{c, other} {
		k.update()
	}
	c.download(hello)
	p.stop(os.Interrupt)

	readme, err := os.ReadFile("../../proxy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, filter, _ := strings.Cut(string(readme), "jq -r '")
	filter, _, ok := strings.Cut(filter, "'")
	if !ok {
		t.Fatal("the README has no such command")
	}
	jq := h.command(t.Context(), "jq", "-r", replaceOnce(t, filter, `"2.10-3"`, `"`+hello.Version+`"`))
	var lines strings.Builder
	for line := range strings.Lines(p.String()) {
		if strings.HasPrefix(line, "{") {
			lines.WriteString(line)
		}
	}
	jq.Stdin = strings.NewReader(lines.String())
	out, err := jq.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\tdns:client\t") || strings.Contains(string(out), "dns:other") {
		t.Errorf("%v:\n%s", err, out)
	}
}
