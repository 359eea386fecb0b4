// Package catalog knows what exists and what is served: generations, the
// pointer to the current one of every suite, what was learnt of every archive,
// and the record of jobs. It keeps them in a small badger database of its own
// that is synced at every change; the bytes themselves are in cache/blob.
//
// A generation is immutable. Publishing moves one pointer, in one synced
// transaction with compare-and-swap, and is the only thing that changes what
// clients see. Before a generation's row is written, all blobs are synced.
//
// Rows (a name never contains NUL, so NUL separates; numbers are 8 bytes,
// big-endian; values are JSON unless said otherwise):
//
//	"v"                               format version, one byte
//	"g" archive NUL suite NUL number  Generation
//	"p" repository NUL suite          pointer: current and retained generations
//	"s" archive NUL suite             Check: the last look at upstream, and what was last accepted
//	"j" number                        Job
package catalog

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// ErrNotFound says that nothing of that name is in the catalog.
var ErrNotFound = errors.New("not in the catalog")

// formatVersion changes whenever an older program could misread the rows.
const formatVersion = 1

// Catalog is an open catalog. Its methods may be called from many goroutines.
type Catalog struct {
	db    *badger.DB
	blobs *blob.Store

	// publishing is held while a pointer moves and the view is remade, so that
	// views follow one another in the order of the pointers they show.
	publishing sync.Mutex
	served     map[string][]string // repository -> suites; guarded by publishing
	view       atomic.Pointer[view]
}

// Open opens the catalog in dir, making it where there is none. Manifests are
// read from blobs.
func Open(dir string, blobs *blob.Store, log *slog.Logger) (*Catalog, error) {
	options := badger.DefaultOptions(dir).WithLogger(blob.DatabaseLog(log)).
		WithSyncWrites(true).WithMemTableSize(16 << 20).WithNumMemtables(2).WithNumCompactors(2).
		WithValueLogFileSize(64 << 20).WithCompactL0OnClose(true)
	db, err := badger.Open(options)
	if err != nil {
		return nil, fmt.Errorf("opening the catalog: %w", err)
	}
	c := &Catalog{db: db, blobs: blobs}
	if err := c.checkFormat(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c.view.Store(&view{})
	return c, nil
}

// Close writes everything out and releases the directory.
func (c *Catalog) Close() error { return c.db.Close() }

func (c *Catalog) checkFormat() error {
	return c.db.Update(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte("v"))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return txn.Set([]byte("v"), []byte{formatVersion})
		}
		if err != nil {
			return err
		}
		v, err := item.ValueCopy(nil)
		if err != nil || len(v) != 1 || v[0] != formatVersion {
			return fmt.Errorf("the catalog has format %x, this program reads %d: use the program that wrote it or a newer one", v, formatVersion)
		}
		return nil
	})
}

func key(kind byte, names ...string) []byte {
	k := []byte{kind}
	for i, n := range names {
		if i > 0 {
			k = append(k, 0)
		}
		k = append(k, n...)
	}
	return k
}

func numbered(prefix []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], number)
}

// get reads one JSON row; a row that is not there is ErrNotFound.
func get(txn *badger.Txn, k []byte, into any) error {
	item, err := txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return decode(item, into)
}

func decode(item *badger.Item, into any) error {
	v, err := item.ValueCopy(nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(v, into); err != nil {
		return fmt.Errorf("reading catalog row %q: %w", item.Key(), err)
	}
	return nil
}

func set(txn *badger.Txn, k []byte, value any) error {
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return txn.Set(k, v)
}

// each calls do for every row under prefix, the highest key first if reverse.
func each(txn *badger.Txn, prefix []byte, reverse bool, do func(*badger.Item) (more bool, err error)) error {
	options := badger.DefaultIteratorOptions
	options.Prefix, options.Reverse = prefix, reverse
	it := txn.NewIterator(options)
	defer it.Close()
	start := prefix
	if reverse {
		start = append(prefix[:len(prefix):len(prefix)], 0xff)
	}
	for it.Seek(start); it.ValidForPrefix(prefix); it.Next() {
		if more, err := do(it.Item()); err != nil || !more {
			return err
		}
	}
	return nil
}

func collect[T any](ctx context.Context, c *Catalog, prefix []byte, reverse bool, most int) ([]T, error) {
	var rows []T
	err := c.db.View(func(txn *badger.Txn) error {
		return each(txn, prefix, reverse, func(item *badger.Item) (bool, error) {
			var row T
			err := decode(item, &row)
			rows = append(rows, row)
			return len(rows) < most && ctx.Err() == nil, err
		})
	})
	return rows, errors.Join(err, ctx.Err())
}
