package daemon

import (
	"context"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/status"
)

// countEvery is how old the figures of counted may be.
const countEvery = 10 * time.Minute

// counted remembers what takes too long to find out for every look at the
// status page: how much of each suite is in the store, and when the site's own
// keys end.
type counted struct {
	mu     sync.Mutex // guards the fields below
	suites map[suiteKey]admin.SuiteStatus
	keys   []status.Expiry
}

// countForever counts until ctx ends, beginning now.
func (d *Daemon) countForever(ctx context.Context) error {
	for {
		if err := d.count(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("counting what is in the store failed, it is tried again", "error", err)
		}
		if !wait(ctx, countEvery) {
			return nil
		}
	}
}

func (d *Daemon) count(ctx context.Context) error {
	keys := d.siteKeys()
	stored, err := d.storedDigests(ctx)
	if err != nil {
		return err
	}
	suites := map[suiteKey]admin.SuiteStatus{}
	for repository, names := range d.served() {
		for _, suite := range names {
			s := admin.SuiteStatus{}
			if err := d.countSuite(ctx, repository, suite, stored, &s); err != nil {
				return err
			}
			suites[suiteKey{repository, suite}] = s
		}
	}
	d.counted.mu.Lock()
	defer d.counted.mu.Unlock()
	d.counted.suites, d.counted.keys = suites, keys
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

// siteKeys tells when the keys end that sign what the site makes.
func (d *Daemon) siteKeys() (ends []status.Expiry) {
	seen := map[string]bool{}
	for _, r := range d.config.Repositories {
		keys, err := site.SigningKeys(d.config, r.SignWith)
		if err != nil {
			d.Log.Warn("reading the site's keys failed", "repository", r.Name, "error", err)
			continue
		}
		for _, k := range keys {
			if end := k.Expires(); !end.IsZero() && !seen[k.Fingerprint()] {
				seen[k.Fingerprint()] = true
				ends = append(ends, status.Expiry{Kind: status.SiteKey, Name: k.UserID(), End: end})
			}
		}
	}
	return ends
}

// add completes the status of a suite with what was counted last.
func (c *counted) add(s *admin.SuiteStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.suites[suiteKey{s.Repository, s.Suite}]
	s.Cached, s.CachedSize = count.Cached, count.CachedSize
}

func (c *counted) siteKeys() []status.Expiry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys
}
