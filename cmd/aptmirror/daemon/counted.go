package daemon

import (
	"context"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

// countEvery is how old the figures of a counted may be.
const countEvery = 10 * time.Minute

// counted remembers what takes too long to find out for every look at the
// status page: how much of each suite is in the store.
type counted struct {
	mu     sync.Mutex // guards suites
	suites map[inforce.SuiteKey]admin.SuiteStatus
}

// countForever counts until ctx ends, beginning now.
func (d *Daemon) countForever(ctx context.Context) error {
	for {
		if err := d.count(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("counting what is in the store failed, it is tried again", "error", err)
		}
		if !wait.For(ctx, countEvery) {
			return nil
		}
	}
}

func (d *Daemon) count(ctx context.Context) error {
	stored, err := d.storedDigests(ctx)
	if err != nil {
		return err
	}
	suites := map[inforce.SuiteKey]admin.SuiteStatus{}
	for repository, names := range d.inForce.Load().Served() {
		for _, suite := range names {
			s := admin.SuiteStatus{}
			if err := d.countSuite(ctx, repository, suite, stored, &s); err != nil {
				return err
			}
			suites[inforce.SuiteKey{Archive: repository, Suite: suite}] = s
		}
	}
	d.counted.mu.Lock()
	defer d.counted.mu.Unlock()
	d.counted.suites = suites
	return nil
}

func (d *Daemon) storedDigests(ctx context.Context) (map[blob.Digest]bool, error) {
	stored := map[blob.Digest]bool{}
	for info, err := range d.cache.Blobs.All(ctx) {
		if err == nil { // what is damaged counts as not there
			stored[info.Digest] = true
		}
	}
	return stored, ctx.Err()
}

// countSuite counts for what a suite serves. Where nothing can be read there is
// nothing to count.
func (d *Daemon) countSuite(ctx context.Context, repository, suite string, stored map[blob.Digest]bool, s *admin.SuiteStatus) error {
	p, err := d.cache.Catalog.Publication(repository, suite)
	var g catalog.Generation
	if err == nil {
		g, err = d.cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	}
	if err == nil {
		err = d.countCached(ctx, g, stored, s)
	}
	if err != nil {
		d.Log.Debug("there is nothing to count", "repository", repository, "suite", suite, "error", err)
	}
	return ctx.Err()
}

// add completes the status of a suite with what was counted last.
func (c *counted) add(s *admin.SuiteStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.suites[inforce.SuiteKey{Archive: s.Repository, Suite: s.Suite}]
	s.Cached, s.CachedSize = count.Cached, count.CachedSize
}
