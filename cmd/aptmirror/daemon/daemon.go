// Package daemon puts the stages together: it opens the store, refreshes
// archives and publishes what they bring, serves clients and answers the admin
// calls. It is the only package that knows all stages; they know nothing of one
// another.
//
// What can be told apart is a package below this one, which is handed what it
// works with and does not know the Daemon; package inforce is what they share. Here
// are life and end of the process, reloads, refreshing archives, verifying and
// collecting, and what status tells.
//
// A Daemon that is opened but not served is what a command uses that finds no
// daemon running: the same calls on the same store, in its own process.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/listen"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy"
	"aptmirror/proxy/status"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// Options are what does not come from the configuration file.
type Options struct {
	Version string
	Log     *slog.Logger
	// Level is that of Log, which a call may change; nil never.
	Level *slog.LevelVar
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// SlowDisk is how much longer than usual a daemon that stops waits for its disk.
	SlowDisk time.Duration
	// Hangup makes a serving daemon reload, once for each signal; nil never does.
	Hangup <-chan os.Signal
	// Sockets are those of the service manager, if there are any.
	Sockets listen.Sockets
}

// Daemon holds the open store and everything that works on it.
type Daemon struct {
	Options
	began    *config.Config // of the start, which decides what needs another one
	cache    *cache.Cache
	upstream *upstream.Upstream
	parts    // not changed after Open

	// life ends when the daemon is closed; jobs run under it.
	life context.Context
	end  context.CancelCauseFunc
	// asked is closed when the daemon is told to stop.
	asked <-chan struct{}
	place place
	stuck bool // something did not end; of the goroutine that serves and closes

	inForce  atomic.Pointer[inforce.Parts] // not nil after Open
	replaced chan struct{}                 // inForce is another one, for who looks after its parts

	// suites is taken in the name of an archive and suite while that is
	// refreshed, and downloads while its files are downloaded ahead of time.
	suites, downloads wait.Turns
	// whole has one slot, for who reads the whole store or removes from it.
	whole chan struct{}

	board   atomic.Pointer[status.Board] // nil as long as nobody is served
	counted counted

	mu      sync.Mutex // guards what Status says of a serving daemon
	reloads *reloader  // nil before
	server  *proxy.Server
	started time.Time
	listen  []string
	page    string // where the status page listens, "" = nowhere
}

// Open opens the store that a configuration names. ctx is the daemon's life:
// when it ends, jobs stop. The caller calls Close.
func Open(ctx context.Context, c *config.Config, o Options) (*Daemon, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Daemon{Options: o, began: c, replaced: make(chan struct{}, 1), whole: make(chan struct{}, 1)}
	d.life, d.end = context.WithCancelCause(ctx)
	d.asked = ctx.Done()
	f, err := inforce.Read(d.life, c, nil)
	if err == nil {
		err = d.openAll(f)
	}
	if err != nil {
		d.end(err)
		return nil, err
	}
	d.intake.Open(f)
	d.inForce.Store(f)
	if err := errors.Join(d.cache.Catalog.Serve(ctx, f.Served()), d.snapshots.Resume(ctx)); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.tellDamage()
	d.publishFound(ctx)
	d.jobs.Go(func() { d.cache.Maintain(d.life, d.maintenanceFailed) })
	return d, nil
}

// openAll opens the store and prepares what works on it.
func (d *Daemon) openAll(f *inforce.Parts) (err error) {
	d.cache, err = cache.OpenWith(d.began.State, cache.Options{MaxSize: d.began.Cache.MaxSize, Log: d.Log, Now: d.Now})
	if errors.Is(err, blob.ErrLocked) {
		err = fmt.Errorf("%w; another aptmirror works with it: wait for it or stop it; where that is the daemon, commands ask it by themselves", err)
	}
	if err != nil {
		return fmt.Errorf("opening the store in %s: %w", d.began.State, err)
	}
	d.place = placeOf(d.began.State)
	d.upstream = upstream.New(upstream.Config{
		Archives: f.Upstreams(), Blobs: d.cache.Blobs, Catalog: d.cache.Catalog, Room: d.cache, Log: d.Log, Version: d.Version, Now: d.Now,
		Refused: d.upstreamRefused, Fetched: d.upstreamFetched,
	})
	d.parts = d.newParts()
	return nil
}

func (d *Daemon) maintenanceFailed(err error) {
	d.Log.Warn("maintaining the store failed, it is tried again", "error", err)
}

// keyring gives the keys of an archive, or of who builds a repository, for
// cache.Verify.
func (d *Daemon) keyring(archive string) *pgp.Keyring {
	if repository, built := (catalog.Ref{Archive: archive}).Builder(); built {
		return d.siteKeyring(repository)
	}
	if a := d.upstream.Archive(archive); a != nil {
		return a.Keyring
	}
	return nil
}

// publish makes a generation current wherever its archive is served, unless it
// is already.
func (d *Daemon) publish(ctx context.Context, g catalog.Generation) error {
	for _, r := range d.config().Repositories {
		if r.Archive != g.Archive {
			continue
		}
		if err := d.publishIn(ctx, r.Name, g); err != nil {
			return err
		}
	}
	return nil
}

// publishFound begins repositories that are new in the configuration, or are
// those of another archive now, with what their archive has already: its mirrors
// may be down, and it has none where imports alone feed it.
func (d *Daemon) publishFound(ctx context.Context) {
	c := d.config()
	for _, r := range c.Repositories {
		if r.Archive == "" {
			continue
		}
		for _, suite := range c.SuitesOf(r) {
			if err := d.publishFirst(ctx, r, suite); err != nil {
				d.Log.Warn("publishing what an archive has already failed", "repository", r.Name, "suite", suite, "error", err)
			}
		}
	}
}

func (d *Daemon) publishFirst(ctx context.Context, r config.Repository, suite string) error {
	p, err := d.cache.Catalog.PublicationOrNone(r.Name, suite)
	if err != nil || p.Current.Archive == r.Archive {
		return err
	}
	g, err := d.cache.Catalog.Latest(ctx, r.Archive, suite)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.publishIn(ctx, r.Name, g)
}

func (d *Daemon) publishIn(ctx context.Context, repository string, g catalog.Generation) error {
	p, err := d.cache.Catalog.PublicationOrNone(repository, g.Suite)
	if err != nil || p.Current == g.Ref() {
		return err
	}
	if _, err := d.cache.Catalog.Publish(ctx, catalog.Move{Repository: repository, Suite: g.Suite, Expect: p.Current, Next: g.Ref(), By: "refresh"}, d.Now()); err != nil {
		return err
	}
	d.Log.Info("published", "repository", repository, "suite", g.Suite, "generation", g.Number, "date", g.Date)
	return nil
}
