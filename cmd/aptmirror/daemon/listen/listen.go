// Package listen opens what the daemon listens on, at addresses or as the service
// manager passes it on, and says what to do where that fails.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Error says why an address cannot be listened at, and what to do.
type Error struct {
	Err  error
	What string // in a few words
	Next string
}

func (e *Error) Error() string { return e.Err.Error() + "; " + e.Next }
func (e *Error) Unwrap() error { return e.Err }

// On listens at an address that the configuration has under a key. Where there is
// something to be done about an error, it is an *Error.
func On(ctx context.Context, address, key string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &Error{err, "another program has it", fmt.Sprintf("ss -ltnp 'sport = :%s' names the program that has it: stop that, or change %s", port, key)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, &Error{err, "this machine does not have the address", "ip address shows those that this machine has: change " + key}
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{err, "only root may listen there", "let aptmirror.socket of systemd do it, or change " + key}
	}
	return l, err
}
