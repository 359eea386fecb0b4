package catalog

import (
	"bytes"
	"context"
	"fmt"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// keptMoves is how many moves of one suite are kept, the newest: a ring's
// through all times, and a hundred days of a suite that changes every quarter
// of an hour.
const keptMoves = 10_000

// Moved is the record of one publication.
type Moved struct {
	Repository string    `json:"repository"`
	Suite      string    `json:"suite"`
	Published  time.Time `json:"published"` // as in Publication: no two of a suite are the same
	Before     Ref       `json:"before,omitzero"`
	Current    Ref       `json:"current"` // Before, where it was only signed again
	Snapshot   string    `json:"snapshot,omitempty"`
	By         string    `json:"by,omitempty"`
	Why        string    `json:"why,omitempty"`
}

// moved is the record of m, after which p is published.
func (m Move) moved(p Publication) Moved {
	return Moved{p.Repository, p.Suite, p.Published, m.Expect, p.Current, p.Snapshot, m.By, m.Why}
}

// historyPrefix begins the keys of all moves of a suite; the time of
// publication in seconds follows.
func historyPrefix(repository, suite string) []byte { return key('h', repository, suite, "") }

func setMoved(txn *badger.Txn, m Moved) error {
	return set(txn, numbered(historyPrefix(m.Repository, m.Suite), uint64(m.Published.Unix())), m)
}

// History gives what was published of a suite, newest first, at most that many.
func (c *Catalog) History(ctx context.Context, repository, suite string, most int) ([]Moved, error) {
	return collect[Moved](ctx, c, historyPrefix(repository, suite), true, most)
}

// At gives what a suite served at a moment: the last that was published no
// later. The error is ErrNotFound where there was nothing yet, or what there
// was is no longer recorded. Its generation may have been removed since.
func (c *Catalog) At(repository, suite string, t time.Time) (m Moved, err error) {
	prefix := historyPrefix(repository, suite)
	err = c.db.View(func(txn *badger.Txn) error {
		options := badger.DefaultIteratorOptions
		options.Prefix, options.Reverse, options.PrefetchValues = prefix, true, false
		it := txn.NewIterator(options)
		defer it.Close()
		it.Seek(numbered(prefix, uint64(max(0, t.Unix()))))
		if !it.ValidForPrefix(prefix) {
			return ErrNotFound
		}
		return decode(it.Item(), &m)
	})
	return m, err
}

// Oldest gives the first publication of a suite that is recorded, or
// ErrNotFound.
func (c *Catalog) Oldest(repository, suite string) (Moved, error) {
	rows, err := collect[Moved](context.Background(), c, historyPrefix(repository, suite), false, 1)
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Moved{}, err
	}
	return rows[0], nil
}

// trimHistory removes the moves of all suites beyond the newest kept.
func (c *Catalog) trimHistory(ctx context.Context, kept int) error {
	old, err := c.oldMoves(ctx, kept)
	for len(old) > 0 && err == nil {
		n := min(len(old), removeBatch)
		err = c.removeKeys(old[:n])
		old = old[n:]
	}
	if err != nil {
		return fmt.Errorf("removing old records of publications: %w", err)
	}
	return nil
}

func (c *Catalog) oldMoves(ctx context.Context, kept int) (old [][]byte, err error) {
	var suite []byte
	count := 0
	err = c.db.View(func(txn *badger.Txn) error {
		return each(txn, []byte{'h'}, true, func(item *badger.Item) (bool, error) {
			k := item.KeyCopy(nil)
			if len(k) < 8 {
				return false, &RowError{string(k), fmt.Errorf("it is too short")}
			}
			if prefix := k[:len(k)-8]; !bytes.Equal(prefix, suite) {
				suite, count = prefix, 0
			}
			if count++; count > kept {
				old = append(old, k)
			}
			return ctx.Err() == nil, nil
		})
	})
	return old, errorOr(context.Cause(ctx), err)
}

func (c *Catalog) removeKeys(keys [][]byte) error {
	return c.update(func(txn *badger.Txn) error {
		for _, k := range keys {
			if err := txn.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// keysUnder lists the keys of all rows under prefix.
func keysUnder(txn *badger.Txn, prefix []byte) (keys [][]byte, err error) {
	err = each(txn, prefix, false, func(item *badger.Item) (bool, error) {
		keys = append(keys, item.KeyCopy(nil))
		return true, nil
	})
	return keys, err
}
