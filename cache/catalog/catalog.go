// Package catalog knows what exists and what is served: generations, the
// pointer to the current one of every suite, snapshots that pin generations, the
// files of pools, what was learnt of every archive, and the record of jobs. It keeps them in a small badger database of its own
// that is synced at every change; the bytes themselves are in cache/blob.
//
// A generation is immutable. Publishing moves one pointer, in one synced
// transaction with compare-and-swap, and is the only thing that changes what
// clients see. Before a generation's row is written, all blobs are synced.
//
// A published generation whose manifest cannot be read harms its own suite
// alone: see [Catalog.Serve].
//
// The package fetches nothing, checks no signature (cache.Verify does), removes
// no blob but a manifest that is damaged, and has no clock: callers pass times.
//
// Rows (a name never contains NUL, so NUL separates; numbers are 8 bytes,
// big-endian; values are JSON unless said otherwise):
//
//	"v"                               format version, one byte
//	"g" archive NUL suite NUL number  Generation
//	"p" repository NUL suite          Publication: current and retained generations
//	"h" repository NUL suite NUL unix Moved: what was published at a time, in seconds
//	"t" name                          Snapshot
//	"o" pool NUL path                 PoolFile
//	"x" pool NUL package NUL path     RemovedPoolFile, for as long as there is the catalog
//	"f" archive NUL byte              when packages were first seen, see sight.go
//	"F" archive NUL suite             nothing: the packages of the suite have been seen once
//	"s" archive NUL suite             Check: the last look at upstream, and what was last accepted
//	"j" number                        Job
//	"n" name                          a value of whoever saved it: see SaveNote
package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"aptmirror/cache/blob"
)

// ErrNotFound says that nothing of that name is in the catalog.
var ErrNotFound = errors.New("not in the catalog")

const (
	// formatVersion changes whenever an older program could misread the rows.
	formatVersion = 2
	// oldestVersion is the first format of which every row means the same still.
	oldestVersion = 1
	// memTableSize is the memory in bytes for rows not yet in a table, and
	// bounds one row: badger takes 15 % of it in a transaction.
	memTableSize = 8 << 20
	// valueLogFileSize in bytes; the file stays empty, since every row is
	// shorter than badger's threshold of 1 MiB.
	valueLogFileSize = 4 << 20
	// minFree is the free space in bytes without which nothing is recorded:
	// badger writes through mappings, and where the disk is full such a write
	// kills the process.
	minFree = 32 << 20
)

var formatKey = []byte{'v'}

// Catalog is an open catalog. Its methods may be called from many goroutines.
type Catalog struct {
	dir   string
	db    *badger.DB
	blobs *blob.Store
	free  func(dir string) (int64, error) // tests put another file system here

	// numbering is held from reading the highest number of a kind of row to
	// writing the next: badger would let two of them take the same one. It is
	// also held while a row is written that names files or generations, so that
	// who removes those (Steady) sees it or comes before it. Taken after publishing.
	numbering sync.Mutex

	// publishing is held from reading a pointer to replacing the view, so that
	// views follow one another in the order of the pointers they show.
	publishing sync.Mutex
	view       atomic.Pointer[view] // stored under publishing
	lazy       lazyRepositories
	tables     sharedTables

	// sighting is held from reading what was seen to writing more.
	sighting sync.Mutex
	pools    poolIndexes
	// poolChanges counts the changes of pools.
	poolChanges atomic.Uint64
}

// Open opens the catalog in dir, making it where there is none. Manifests are
// read from blobs. Until Serve is called, no path resolves.
func Open(dir string, blobs *blob.Store, log *slog.Logger) (*Catalog, error) {
	c := &Catalog{dir: dir, blobs: blobs, free: freeSpace}
	if err := blob.RemoveEmpty(dir); err != nil {
		return nil, fmt.Errorf("opening the catalog: %w", err)
	}
	db, err := badger.Open(databaseOptions(dir, log))
	if err != nil {
		return nil, fmt.Errorf("opening the catalog: %w", err)
	}
	c.db = db
	c.view.Store(&view{})
	if err := c.checkFormat(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the catalog: %w", err), db.Close())
	}
	return c, nil
}

func databaseOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(blob.DatabaseLog(log)).
		WithSyncWrites(true).
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithValueLogFileSize(valueLogFileSize).
		WithCompression(options.None).
		WithBlockCacheSize(0). // allowed only without compression
		WithCompactL0OnClose(true).
		WithMetricsEnabled(false) // they are process-wide, and the blobs' database would share them
}

// Close writes everything out and releases the directory.
func (c *Catalog) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("closing the catalog: %w", err)
	}
	return nil
}

// checkFormat marks an empty database and one of an older program as a catalog
// of this format, and refuses others.
func (c *Catalog) checkFormat() error {
	version, err := c.format()
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case err != nil || len(version) == 1 && version[0] >= oldestVersion && version[0] < formatVersion:
		return c.update(func(txn *badger.Txn) error { return txn.Set(formatKey, []byte{formatVersion}) })
	case len(version) != 1 || version[0] != formatVersion:
		return fmt.Errorf("it has format %x, this program reads %d: use the program that wrote it or a newer one", version, formatVersion)
	}
	return nil
}

// format reads the format row; ErrNotFound is for an empty database.
func (c *Catalog) format() (version []byte, err error) {
	err = c.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(formatKey)
		if errors.Is(err, badger.ErrKeyNotFound) {
			err = each(txn, nil, false, func(*badger.Item) (bool, error) {
				return false, errors.New("the database there is not a catalog: it has no format row")
			})
			return cmp.Or(err, ErrNotFound)
		}
		if err != nil {
			return err
		}
		version, err = item.ValueCopy(nil)
		return err
	})
	return version, err
}

// update commits what change writes; when it returns nil, that survives a loss
// of power. After an error of the commit itself, either state may be on disk.
func (c *Catalog) update(change func(*badger.Txn) error) error {
	free, err := c.free(c.dir)
	if err != nil {
		return err
	}
	if free < minFree {
		return fmt.Errorf("%w: %d MiB free, %d MiB must be", blob.ErrNoSpace, free>>20, minFree>>20)
	}
	if err := c.db.Update(change); err != nil {
		return err
	}
	// Badger does not sync the directory after it made a file there.
	return syncDir(c.dir)
}

func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("reading free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// testingOnlyReached is called at named points, so that a test can kill the
// process there.
var testingOnlyReached func(point string)

func reached(point string) {
	if testingOnlyReached != nil {
		testingOnlyReached(point)
	}
}
