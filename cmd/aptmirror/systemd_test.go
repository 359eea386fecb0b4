package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// activated starts the daemon as a service manager does that has opened a
// socket of that name for it, and wants to hear of it five times a second.
func (h *host) activated(t *testing.T, name string, socket *os.File) (*process, *manager, error) {
	t.Helper()
	m, path := newManager(t, h.dir)
	cmd := h.command(context.WithoutCancel(t.Context()), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, h.program, "serve")
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES="+name, "WATCHDOG_USEC=200000", "NOTIFY_SOCKET="+path)
	cmd.ExtraFiles = []*os.File{socket}
	p, err := background(t.Context(), cmd)
	if err == nil {
		t.Cleanup(p.kill)
	}
	return p, m, err
}

func listeningFile(t *testing.T) (file *os.File, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if file, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file, l.Addr().String()
}

// What a service manager sees of a daemon for which it opened the socket.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	h := newHost(t, upstreamtest.New(t))
	socket, address := listeningFile(t)
	p, m, err := h.activated(t, "clients", socket)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.String(), "ready on "+address+"\n") {
		t.Errorf("it does not serve on the socket that was passed:\n%s", p)
	}
	states := map[string]int{}
	for states["WATCHDOG=1"] < 3 {
		states[m.state()]++
	}
	if states["READY=1"] != 1 || len(states) != 2 {
		t.Errorf("states: %v, want READY=1 once and WATCHDOG=1", states)
	}
	_, port, _ := net.SplitHostPort(address)
	c := h.client("one.example.org")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://localhost:%s/none/dists/x", port), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.http().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusForbidden {
		t.Errorf("answer: %s", resp.Status)
	}
}

func TestSocketsOfAnotherName(t *testing.T) {
	t.Parallel()
	h := newHost(t, upstreamtest.New(t))
	socket, _ := listeningFile(t)
	_, _, err := h.activated(t, "aptmirror.socket", socket)
	if err == nil || !strings.Contains(err.Error(), "set FileDescriptorName=clients in the socket unit") {
		t.Errorf("error: %v", err)
	}
}
