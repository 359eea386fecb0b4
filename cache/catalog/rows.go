package catalog

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
)

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

// checkNames keeps what is written under a key from being read under another.
func checkNames(names ...string) error {
	for _, n := range names {
		if n == "" || strings.Contains(n, "\x00") {
			return fmt.Errorf("%q cannot be a name in the catalog", n)
		}
	}
	return nil
}

func numbered(prefix []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], number)
}

// nextNumber is one more than the highest number under prefix. The caller
// holds numbering until the row is committed.
func nextNumber(txn *badger.Txn, prefix []byte) (uint64, error) {
	next := uint64(1)
	err := each(txn, prefix, true, func(item *badger.Item) (bool, error) {
		k := item.Key()
		next = binary.BigEndian.Uint64(k[len(k)-8:]) + 1
		return false, nil
	})
	return next, err
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

// RowError says that a row cannot be read as it was written.
type RowError struct {
	Key string // as in the package comment's list of rows
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("reading catalog row %q: %v", e.Key, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

func decode(item *badger.Item, into any) error {
	v, err := item.ValueCopy(nil)
	if err == nil {
		err = json.Unmarshal(v, into)
	}
	if err != nil {
		return &RowError{string(item.Key()), err}
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
	options.Prefix, options.Reverse, options.PrefetchValues = prefix, reverse, false
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

// collect reads at most most rows under prefix. Of rows that cannot be read, it
// returns the first one's *RowError beside all the others.
func collect[T any](ctx context.Context, c *Catalog, prefix []byte, reverse bool, most int) ([]T, error) {
	var rows []T
	var unreadable error
	err := c.db.View(func(txn *badger.Txn) error {
		return each(txn, prefix, reverse, func(item *badger.Item) (bool, error) {
			if len(rows) >= most || ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			var row T
			if err := decode(item, &row); err != nil {
				unreadable = cmp.Or(unreadable, err)
			} else {
				rows = append(rows, row)
			}
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, unreadable
}
