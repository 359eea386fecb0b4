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

// dialTimeout is enough for a daemon on this machine, however busy.
const dialTimeout = 2 * time.Second

// Listen makes the socket. It refuses where a daemon answers on it already,
// and removes a file that a killed one left behind. The directory decides who
// reaches the socket; the caller of Listen owns it.
func Listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, dialTimeout); err == nil {
		conn.Close()
		return nil, fmt.Errorf("a daemon answers on %s already", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing a stale socket: %w", err)
	}
	defer syscall.Umask(syscall.Umask(0o177))
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("making the admin socket: %w", err)
	}
	return l, nil
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
