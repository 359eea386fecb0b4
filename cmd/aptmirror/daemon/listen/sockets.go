package listen

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets are those that the service manager opened for this process, by the
// name that FileDescriptorName of systemd.socket(5) gives them. A process has
// them once; whoever takes them closes them.
type Sockets map[string][]net.Listener

// clientSockets is the name of sockets for clients. Where there are such,
// serve.listen is not looked at: port 443 needs no privilege then.
const clientSockets = "clients"

// ActivatedSockets takes what sd_listen_fds(3) describes.
func ActivatedSockets() (Sockets, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("taking the sockets of the service manager: %w", err)
	}
	for name, sockets := range named {
		if name != clientSockets {
			return nil, errors.Join(fmt.Errorf("the service manager passed a socket called %q: set FileDescriptorName=%s in the socket unit", name, clientSockets), Close(sockets))
		}
	}
	return named, nil
}

// Close closes all of them.
func Close(listeners []net.Listener) error {
	var err error
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// Clients gives what clients connect to: the sockets that were passed, or else
// addresses.
func (s Sockets) Clients(ctx context.Context, addresses []string) ([]net.Listener, error) {
	if passed := s[clientSockets]; len(passed) > 0 {
		return passed, nil
	}
	var all []net.Listener
	for _, a := range addresses {
		l, err := On(ctx, a, "serve.listen")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening for clients: %w", err), Close(all))
		}
		all = append(all, l)
	}
	return all, nil
}
