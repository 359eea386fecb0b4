package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"aptmirror/cmd/aptmirror/daemon/listen"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/status"
)

// stopTimeout is how long requests under way may take to end when the daemon
// stops; all of stopping stays below ten seconds.
const stopTimeout = 7 * time.Second

// callTimeout is how long admin calls may then take: their jobs have ended, and callers
// are told so. It is for those who still send.
const callTimeout = time.Second

// Serve answers clients and admin calls and keeps the archives up to date
// until ctx ends; then it lets requests finish and returns. It calls ready
// once with the addresses it listens on.
func (d *Daemon) Serve(ctx context.Context, ready func(listen []string)) error {
	reloads, err := d.newReloader()
	if err != nil {
		return err
	}
	d.seeGone()
	board := d.newBoard()
	handler := admin.NewHandler(d, os.Getuid())
	server := proxy.New(proxy.Config{
		Catalog: d.cache.Catalog, Blobs: d.cache.Blobs, Filler: d.upstream, Pass: d.upstream.Pass, Usage: d.cache, Snapshots: d.snapshots, Changelogs: d.newChangelogs(),
		Access: reloads.loaded, Log: d.Log, Now: d.Now, MaxConnections: d.began.Serve.MaxConnections,
		Uploads: d.intake, Status: board.Handler(), Observe: observer(board),
		Admin: func(w http.ResponseWriter, r *http.Request, by identity.Identity) {
			handler.ServeHTTP(w, admin.AsIdentity(r, by.Name))
		},
	})
	reloads.server = server
	calls, err := admin.Listen(d.began.Socket())
	if err != nil {
		return err
	}
	listeners, err := d.Sockets.Clients(ctx, d.began.Serve.Listen)
	if err != nil {
		return errors.Join(err, calls.Close())
	}
	page, err := d.pageListener(ctx)
	if err != nil {
		return errors.Join(err, calls.Close(), listen.Close(listeners))
	}
	api := admin.NewServer(handler, d.Log)
	d.announce(reloads, listeners, ready)
	return d.serveAll(ctx, board, listeners, api, calls, page)
}

func (d *Daemon) announce(reloads *reloader, listeners []net.Listener, ready func([]string)) {
	d.mu.Lock()
	d.started, d.reloads, d.server = d.Now().UTC(), reloads, reloads.server
	for _, l := range listeners {
		d.listen = append(d.listen, l.Addr().String())
	}
	d.mu.Unlock()
	d.Log.Info("serving", "listen", d.listen, "config", d.began.Path)
	if _, err := systemd.SdNotify(false, systemd.SdNotifyReady); err != nil {
		d.Log.Warn("telling systemd that aptmirror is ready failed", "error", err)
	}
	ready(d.listen)
}

// serveAll runs everything that a serving daemon does, and waits for all of it.
// page may be nil.
func (d *Daemon) serveAll(ctx context.Context, board *status.Board, listeners []net.Listener, api *http.Server, calls, page net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	server := d.reloading().server
	for _, l := range listeners {
		group.Go(func() error { return server.Serve(l) })
	}
	group.Go(func() error {
		if err := api.Serve(calls); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering admin calls: %w", err)
		}
		return nil
	})
	if page != nil {
		group.Go(func() error { return d.servePage(ctx, board, page) })
	}
	group.Go(func() error { return board.Run(ctx) })
	group.Go(func() error { return d.countForever(ctx) })
	group.Go(func() error { return d.reloading().watch(ctx) })
	group.Go(func() error { return d.builds.Forever(ctx) })
	group.Go(func() error { return d.collectForever(ctx) })
	group.Go(func() error { return d.scrubForever(ctx) })
	group.Go(func() error { return d.snapshots.Forever(ctx) })
	group.Go(func() error { return d.watchdog(ctx) })
	group.Go(func() error { return d.intake.Watch(ctx) })
	group.Go(func() error { return d.lookAfterAll(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		return d.stop(ctx, server, api)
	})
	return d.within(workTimeout+d.SlowDisk, "what was under way", group.Wait)
}

// stop ends jobs at once, since they can be done again, and gives requests
// some time.
func (d *Daemon) stop(ctx context.Context, server *proxy.Server, api *http.Server) error {
	d.Log.Info("stopping")
	systemd.SdNotify(false, systemd.SdNotifyStopping)
	d.end(errClosing)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		d.Log.Warn("requests were cut", "error", err)
	}
	ctx, cancelCalls := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancelCalls()
	if err := api.Shutdown(ctx); err != nil {
		d.Log.Warn("admin calls were cut", "error", err)
		return api.Close()
	}
	return nil
}
