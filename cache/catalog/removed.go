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
	if len(paths) > MaxPoolFiles {
		return fmt.Errorf("removing files from pool %s: %d at once are too many, remove at most %d", pool, len(paths), MaxPoolFiles)
	}
	c.pools.mu.Lock()
	defer c.pools.mu.Unlock()
	c.numbering.Lock()
	defer c.numbering.Unlock()
	var removed []PoolFile
	err := c.changePool(pool, func(txn *badger.Txn) error {
		for _, path := range paths {
			f, err := removePoolFile(txn, pool, path, by, now)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			removed = append(removed, f)
		}
		return context.Cause(ctx)
	})
	if err != nil {
		return fmt.Errorf("removing files from pool %s: %w", pool, err)
	}
	c.forgetPoolFiles(pool, removed)
	return nil
}

// forgetPoolFiles takes what was removed out of what is known of a pool. It needs pools.mu.
func (c *Catalog) forgetPoolFiles(pool string, removed []PoolFile) {
	index := c.pools.of[pool]
	for _, f := range removed {
		if f.Path == "" { // nobody knows what was counted for it
			delete(c.pools.of, pool)
		}
		if index != nil {
			index.remove(f)
		}
	}
}

// removePoolFile removes also what cannot be read, which nobody can remember, and
// gives what it was.
func removePoolFile(txn *badger.Txn, pool, path, by string, now time.Time) (PoolFile, error) {
	k, gone := key('o', pool, path), RemovedPoolFile{Removed: now, RemovedBy: by}
	err := get(txn, k, &gone.PoolFile)
	if errors.Is(err, ErrNotFound) {
		return PoolFile{}, err
	}
	if err != nil {
		return PoolFile{}, txn.Delete(k)
	}
	if err := set(txn, key('x', pool, gone.Package, path), gone); err != nil {
		return PoolFile{}, err
	}
	return gone.PoolFile, txn.Delete(k)
}

// RemovedPoolFiles gives what a pool had of a package, binary or source, and has
// no more.
func (c *Catalog) RemovedPoolFiles(ctx context.Context, pool, pkg string) ([]RemovedPoolFile, error) {
	return collect[RemovedPoolFile](ctx, c, key('x', pool, pkg, ""), false, math.MaxInt)
}
