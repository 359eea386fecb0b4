// Package cache opens the two databases that make up the state directory, the
// blobs and the catalog, and proves that what they hold is what was signed.
//
//	STATE/blobs     cache/blob: bytes under their SHA-256
//	STATE/catalog   cache/catalog: generations, what is current, jobs
//
// One process at a time has them open; everybody else asks it.
package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Cache is an open state directory.
type Cache struct {
	Blobs   *blob.Store
	Catalog *catalog.Catalog
}

// Open opens the databases under dir, making them where there are none. The
// error is blob.ErrLocked where another process has them open.
func Open(dir string, log *slog.Logger) (*Cache, error) {
	for _, part := range []string{"blobs", "catalog"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			return nil, fmt.Errorf("making the state directory: %w", err)
		}
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	c, err := catalog.Open(filepath.Join(dir, "catalog"), blobs, log)
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return &Cache{blobs, c}, nil
}

// Close closes both; nothing may be under way any more.
func (c *Cache) Close() error { return errors.Join(c.Catalog.Close(), c.Blobs.Close()) }

// Report is what Verify read.
type Report struct {
	Generations int
	Paths       int
	Blobs       int
	Bytes       int64
	Problems    []Problem
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Where string // generation, path or blob
	What  string
}

// Verify reads everything back: every generation's signature against the keys
// that keyring gives for its archive, its Release against the manifest, the
// indexes against the manifest, and every stored blob, chunk by chunk, against
// its digest. A file that no request has fetched yet is no problem. The error
// is for a reading that could not be finished; what is wrong is in the report.
func (c *Cache) Verify(ctx context.Context, keyring Keyrings, news func(string)) (*Report, error) {
	generations, err := c.Catalog.Generations(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing generations: %w", err)
	}
	r := &Report{}
	for _, g := range generations {
		news(fmt.Sprintf("%s %s generation %d", g.Archive, g.Suite, g.Number))
		p := &prover{cache: c, generation: g, report: r}
		if err := p.prove(ctx, keyring); err != nil {
			return r, err
		}
		r.Generations++
	}
	return r, c.verifyBlobs(ctx, r, news)
}

// verifyBlobs re-hashes every blob that is stored.
func (c *Cache) verifyBlobs(ctx context.Context, r *Report, news func(string)) error {
	for info, err := range c.Blobs.All(ctx) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			err = c.Blobs.Verify(ctx, info.Digest)
		}
		if errors.Is(err, blob.ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			r.Problems = append(r.Problems, Problem{"blob " + info.Digest.String(), err.Error()})
		}
		r.Blobs++
		r.Bytes += info.Size
		if r.Blobs%1000 == 0 {
			news(fmt.Sprintf("%d files read", r.Blobs))
		}
	}
	return nil
}
