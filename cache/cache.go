// Package cache opens the two databases that make up the state directory, the
// blobs and the catalog, and proves that what they hold is what was signed.
//
//	STATE/blobs     cache/blob: bytes under their SHA-256
//	STATE/catalog   cache/catalog: generations, what is current, jobs
//
// One process at a time has them open; everybody else asks it. The package
// mends nothing: what Verify finds is for its caller to report.
package cache

import (
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
// error is blob.ErrLocked where another process has them open, blob.ErrNoSpace
// where the disk is too full to open them safely. log takes the databases' own
// messages; nil discards them.
func Open(dir string, log *slog.Logger) (*Cache, error) {
	for _, part := range []string{"blobs", "catalog"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			return nil, fmt.Errorf("making the state directory: %w", err)
		}
	}
	// The blobs go first: they tell a locked and a full disk from other faults.
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
