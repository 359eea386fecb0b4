package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// RemovedPoolFile is what a pool had once.
type RemovedPoolFile struct {
	PoolFile
	Removed   time.Time `json:"removed"`
	RemovedBy string    `json:"removed_by"`
}

// RemovePoolFiles removes files from a pool, all or none, and remembers that they
// were there; by says who asked for it. The error is ErrNotFound where one of
// them is not there. What publications contain of them stays in the store until
// they are no longer retained.
func (c *Catalog) RemovePoolFiles(ctx context.Context, pool string, paths []string, by string, now time.Time) error {
	if len(paths) > maxPoolFiles {
		return fmt.Errorf("removing files from pool %s: %d at once are too many, remove at most %d", pool, len(paths), maxPoolFiles)
	}
	c.numbering.Lock()
	defer c.numbering.Unlock()
	err := c.update(func(txn *badger.Txn) error {
		for _, path := range paths {
			if err := removePoolFile(txn, pool, path, by, now); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return context.Cause(ctx)
	})
	c.poolChanges.Add(1)
	if err != nil {
		return fmt.Errorf("removing files from pool %s: %w", pool, err)
	}
	return nil
}

// removePoolFile removes also what cannot be read, which nobody can remember.
func removePoolFile(txn *badger.Txn, pool, path, by string, now time.Time) error {
	k, gone := key('o', pool, path), RemovedPoolFile{Removed: now, RemovedBy: by}
	err := get(txn, k, &gone.PoolFile)
	if errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil {
		if err := set(txn, key('x', pool, gone.Package, path), gone); err != nil {
			return err
		}
	}
	return txn.Delete(k)
}

// RemovedPoolFiles gives what a pool had of a package, binary or source, and has
// no more.
func (c *Catalog) RemovedPoolFiles(ctx context.Context, pool, pkg string) ([]RemovedPoolFile, error) {
	return collect[RemovedPoolFile](ctx, c, key('x', pool, pkg, ""), false, math.MaxInt)
}
