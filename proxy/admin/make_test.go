package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only passes where a test fails.
const patience = 2 * time.Minute

// backend does what a test says. Calls that a test says nothing of are not made.
type backend struct {
	Backend
	status func(context.Context) (*Status, error)
	sync   func(context.Context, Caller, SyncRequest, func(Event)) (*SyncResult, error)
	verify func(context.Context, Caller, VerifyRequest, func(Event)) (*VerifyResult, error)
}

func (b *backend) Status(ctx context.Context) (*Status, error) { return b.status(ctx) }

func (b *backend) Sync(ctx context.Context, by Caller, r SyncRequest, news func(Event)) (*SyncResult, error) {
	return b.sync(ctx, by, r, news)
}

func (b *backend) Verify(ctx context.Context, by Caller, r VerifyRequest, news func(Event)) (*VerifyResult, error) {
	return b.verify(ctx, by, r, news)
}

// socketPath is short enough for the kernel, whatever the test is called.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serve answers calls on a socket until the test ends.
func serve(t testing.TB, h http.Handler) (socket string) {
	t.Helper()
	socket = socketPath(t)
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(h, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return socket
}

func dial(t testing.TB, socket string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// raw opens a connection of which a test uses every byte itself.
func raw(t testing.TB, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func post(name, contentType, body string) string {
	return fmt.Sprintf("POST /v1/%s HTTP/1.1\r\nHost: daemon\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		name, contentType, len(body), body)
}
