package main

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// manager is what systemd would be: it gets the states that the daemon tells.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager listens for a daemon's states on a socket of the path that it gives.
func newManager(t *testing.T, dir string) (m *manager, socket string) {
	t.Helper()
	socket = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn}, socket
}

// serveManaged starts the daemon with a service manager.
func (h *host) serveManaged(t *testing.T) (*process, *manager) {
	t.Helper()
	m, socket := newManager(t, h.dir)
	cmd := h.command(context.WithoutCancel(t.Context()), h.program, "serve")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	p, err := background(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p, m
}

// state waits for the next one.
func (m *manager) state() string {
	m.t.Helper()
	text := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.conn.Read(text)
	if err != nil {
		m.t.Fatal("waiting for a state: ", err)
	}
	return string(text[:n])
}

// A reload by signal, by command and by itself, as a person and the service
// manager see it.
func TestReload(t *testing.T) {
	t.Parallel()
	h := newHost(t, upstreamtest.New(t))
	if r := h.run("reload"); r.code != 1 || !strings.Contains(r.stderr, "no daemon is running: there is nothing to reload") {
		t.Errorf("without a daemon: %+v", r)
	}
	p, m := h.serveManaged(t)
	if got := m.state(); got != "READY=1" {
		t.Fatalf("at first: %q", got)
	}
	want := func(by, ready string) {
		t.Helper()
		if got := m.state(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
			t.Errorf("by %s: %q, want that it begins", by, got)
		}
		if got := m.state(); !strings.HasPrefix(got, "READY=1\nSTATUS="+ready) {
			t.Errorf("by %s: %q, want that it is done and %s", by, got, ready)
		}
		if !p.wait(t.Context(), regexp.MustCompile(`by="?`+by)) {
			t.Errorf("the log does not say that it was %s", by)
		}
	}
	p.cmd.Process.Signal(syscall.SIGHUP)
	want("SIGHUP", "serving")
	r := h.must("reload")
	want("uid ", "serving")
	for _, line := range []string{"reloaded\n", "certificate  localhost, until 2", "client CA    aptmirror client CA, until 2", "revoked      0 by aptmirror client CA, list until 2", "grants       1, read 2"} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("reload does not say %q:\n%s", line, r.stdout)
		}
	}

	h.edit(func(text string) string {
		return replaceOnce(t, text, `listen = ["127.`, `listen = ["127.0.0.1:1", "127.`)
	})
	want("a change of the files", "serving")
	if r := h.must("status"); !strings.Contains(r.stdout, "RESTART      the configuration has changed where only a restart helps: serve.listen\n") {
		t.Errorf("status does not say what needs a restart:\n%s", r.stdout)
	}
	h.edit(func(text string) string { return text + "nonsense = 1\n" })
	want("a change of the files", "serving with the configuration of 2")
	if r := h.must("status"); !strings.Contains(r.stdout, "PROBLEM      since 2") || !strings.Contains(r.stdout, "unknown key") {
		t.Errorf("status does not say what is wrong:\n%s", r.stdout)
	}
	if r := h.run("reload", "--json"); r.code != 1 || !strings.Contains(r.stderr, "unknown key") || !strings.Contains(r.stdout, `"problem": `) {
		t.Errorf("reload of what is broken: %+v", r)
	}
	h.edit(func(text string) string { return strings.TrimSuffix(text, "nonsense = 1\n") })
	if access := data[admin.Access](h, "reload"); access.Problem != "" || access.Grants != 1 {
		t.Errorf("after mending: %+v", access)
	}
	if !strings.Contains(p.String(), "level=ERROR msg=\"reloading failed: what was in force before stays\"") {
		t.Error("the log does not say that it failed")
	}
}

// What is added is there for apt without a restart, and what is taken away is
// gone, with the reason.
func TestAptFollowsAReload(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	h.must("sync")
	h.serve()
	before := h.client("before.example.org")
	before.update()

	h.edit(func(text string) string { return text + siteTables })
	h.must("reload")
	tool := h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.0"})
	h.must("sync")
	after := h.client("after.example.org")
	after.sees("corp-tool", "1.0")
	after.download(tool)
	after.download(hello)

	h.edit(func(text string) string { return replaceOnce(t, text, siteTables, "") })
	if r := h.must("reload"); !strings.Contains(r.stdout, "what was served of repository site, suite stable\n") {
		t.Errorf("reload does not say what stays:\n%s", r.stdout)
	}
	before.update()
	if out, ok := after.apt("apt-get", "update", "--error-on=any"); ok || !strings.Contains(out, `404  this mirror has no repository "site", it has debian`) {
		t.Errorf("apt-get update: %v\n%s", ok, out)
	}
	before.download(hello)
}
