package snapshots

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
	"aptmirror/upstream/upstreamtest"
)

// site is a Keeper with a store that mirrors one archive, and a clock.
type site struct {
	*Keeper
	t       *testing.T
	archive *upstreamtest.Archive
	config  *config.Config
	store   *cache.Cache
	close   func()
	now     time.Time
}

// newSite mirrors suites of an archive, "debian", in the repository of that name.
func newSite(t *testing.T, a *upstreamtest.Archive, suites ...string) *site {
	t.Helper()
	c := &config.Config{
		Path: "aptmirror.toml", State: t.TempDir(),
		Archives: []config.Archive{{
			Name: "debian", URIs: []string{a.URL()}, Suites: suites, Components: []string{"main"}, Architectures: []string{a.Arch}, SignedBy: []string{a.KeyringFile()},
		}},
		Repositories: []config.Repository{{Name: "debian", Archive: "debian"}},
	}
	s := &site{t: t, archive: a, config: c, now: time.Now().Add(time.Minute).Truncate(time.Second)}
	s.open()
	t.Cleanup(func() { s.close() })
	return s
}

func (d *site) open() {
	d.t.Helper()
	life, end := context.WithCancel(d.t.Context())
	f, err := inforce.Read(life, d.config, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	log, clock := slog.New(slog.DiscardHandler), func() time.Time { return d.now }
	store, err := cache.OpenWith(d.config.State, cache.Options{Log: log, Now: clock})
	if err != nil {
		d.t.Fatal(err)
	}
	up := upstream.New(upstream.Config{Archives: f.Upstreams(), Blobs: store.Blobs, Catalog: store.Catalog, Room: store, Log: log, Now: clock})
	js := jobs.New(jobs.Config{Catalog: store.Catalog, Life: life, Done: func(string, time.Duration, error) {}, Log: log, Now: clock})
	d.store = store
	d.Keeper = New(Config{
		Catalog: store.Catalog, Blobs: store.Blobs, Upstream: up, Jobs: js, InForce: func() *inforce.Parts { return f },
		Move: func(ctx context.Context, m catalog.Move) (catalog.Publication, error) {
			return store.Catalog.Publish(ctx, m, d.now)
		},
		Rebuild: func(string) {}, Life: life, Log: log, Now: clock,
	})
	d.close = func() {
		end()
		js.Wait()
		up.Close()
		if err := store.Close(); err != nil {
			d.t.Error(err)
		}
	}
	if err := store.Catalog.Serve(d.t.Context(), f.Served()); err != nil {
		d.t.Fatal(err)
	}
	if err := d.Resume(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *site) restart() {
	d.t.Helper()
	d.close()
	d.open()
}

// sync publishes what the archive has.
func (d *site) sync() {
	d.t.Helper()
	a := d.InForce().Archive("debian")
	for _, suite := range a.Suites {
		r, err := d.Upstream.Refresh(d.t.Context(), a.Archive, suite)
		if err != nil {
			d.t.Fatal(err)
		}
		p, err := d.Catalog.PublicationOrNone("debian", suite)
		if err != nil {
			d.t.Fatal(err)
		}
		if next := r.Generation.Ref(); p.Current != next {
			if _, err := d.Move(d.t.Context(), catalog.Move{Repository: "debian", Suite: suite, Expect: p.Current, Next: next}); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

// history publishes version after version, an hour apart, and gives when.
func (d *site) history(n int) (times []time.Time) {
	d.t.Helper()
	for i := range n {
		d.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: fmt.Sprint(i + 1)})
		d.archive.Publish()
		d.sync()
		times = append(times, d.now)
		d.now = d.now.Add(time.Hour)
	}
	return times
}

// create makes a snapshot, later than all before.
func (d *site) create(name string) {
	d.t.Helper()
	d.now = d.now.Add(time.Second)
	if _, err := d.Create(d.t.Context(), admin.Caller{}, admin.SnapshotRequest{Name: name}, func(admin.Event) {}); err != nil {
		d.t.Fatal(err)
	}
}

// published has a package in one suite.
func published(t *testing.T) *upstreamtest.Archive {
	t.Helper()
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	return a
}
