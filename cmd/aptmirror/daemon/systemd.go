package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"

	"aptmirror/cache/catalog"
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
			return nil, errors.Join(fmt.Errorf("the service manager passed a socket called %q: set FileDescriptorName=%s in the socket unit", name, clientSockets), closeAll(sockets))
		}
	}
	return named, nil
}

func closeAll(listeners []net.Listener) error {
	var err error
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// clientListeners gives what clients connect to.
func (d *Daemon) clientListeners(ctx context.Context) ([]net.Listener, error) {
	if passed := d.Sockets[clientSockets]; len(passed) > 0 {
		return passed, nil
	}
	var all []net.Listener
	for _, a := range d.began.Serve.Listen {
		l, err := listenOn(ctx, a, "serve.listen")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening for clients: %w", err), closeAll(all))
		}
		all = append(all, l)
	}
	return all, nil
}

// listenOn listens at an address that the configuration has under a key.
func listenOn(ctx context.Context, address, key string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w; ss -ltnp 'sport = :%s' names the program that has it: stop that, or change %s", err, port, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w; ip address shows those that this machine has: change %s", err, key)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; only root may listen there: let aptmirror.socket of systemd do it, or change %s", err, key)
	}
	return l, err
}

// watchdog tells the service manager that the daemon works, for as long as its
// database answers, until ctx ends. It does nothing where WatchdogSec= is not set.
func (d *Daemon) watchdog(ctx context.Context) error {
	within, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("reading what the service manager wants of its watchdog: %w", err)
	}
	if within == 0 {
		return nil
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for {
		if err := d.answers(); err != nil {
			d.Log.Error("the store does not answer, the watchdog is not told that all is well", "error", err)
		} else if _, err := systemd.SdNotify(false, systemd.SdNotifyWatchdog); err != nil {
			d.Log.Warn("telling systemd's watchdog failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// answers reads a row, which needs no lock that writing holds for long.
func (d *Daemon) answers() error {
	var nothing struct{}
	err := d.cache.Catalog.Note("watchdog", &nothing)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}
