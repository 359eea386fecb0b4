package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

type callerKey struct{}

const (
	// dialTimeout is enough for a daemon on this machine, however busy.
	dialTimeout = 2 * time.Second
	// maxSocketPath is what the kernel takes, in bytes (unix(7), sun_path).
	maxSocketPath = 107
)

// Listen makes the socket. It refuses where a daemon answers on it already,
// and removes one that a killed daemon left behind. The directory decides who
// reaches the socket; the caller of Listen owns it.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("making the admin socket: its path has %d bytes, the system takes %d: choose a shorter state directory", len(path), maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The mask is that of the process: nothing else may make files meanwhile.
	defer syscall.Umask(syscall.Umask(0o177))
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("making the admin socket: %w", err)
	}
	return l, nil
}

// removeStale removes a socket that surely nobody listens on, and nothing else:
// a daemon that is only too busy to answer fails in other ways.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a daemon: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of the admin socket and is none: move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		conn.Close()
		return fmt.Errorf("a daemon answers on %s already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("looking for a daemon: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale socket: %w", err)
	}
	return nil
}

// NewServer makes the HTTP server for a listener of Listen.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			caller, err := peer(c)
			if err != nil {
				log.Warn("a caller on the admin socket has no credentials", "error", err)
				return ctx
			}
			return context.WithValue(ctx, callerKey{}, caller)
		},
	}
}

// peer asks the kernel who connected (unix(7), SO_PEERCRED).
func peer(c net.Conn) (Caller, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Caller{}, fmt.Errorf("%T is no unix connection", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Caller{}, err
	}
	var cred *syscall.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(controlErr, err); err != nil {
		return Caller{}, err
	}
	return Caller{UID: int(cred.Uid)}, nil
}
