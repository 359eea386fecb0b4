package blob

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// tally is what Stored returns. Open does not read all rows, so it is complete only after Count.
type tally struct {
	counting sync.Mutex // held by Count
	// counted says of which digests, by their first byte, the rows are in the sums. Each is guarded by the row lock of
	// that byte, under which rows are added and deleted too: a row is either read by Count or told by its change.
	counted  [256]bool
	complete atomic.Bool
	blobs    atomic.Int64
	bytes    atomic.Int64
}

// note is called under the row lock of d, after its row was added or deleted.
func (t *tally) note(d Digest, blobs, bytes int64) {
	if t.counted[d[0]] {
		t.blobs.Add(blobs)
		t.bytes.Add(bytes)
	}
}

// Count makes Stored exact. The first call reads all rows, which takes about a second for a million; later ones cost nothing.
func (s *Store) Count(ctx context.Context) error {
	if s.tally.complete.Load() {
		return nil
	}
	s.tally.counting.Lock()
	defer s.tally.counting.Unlock()
	for first := range len(s.tally.counted) {
		if ctx.Err() != nil {
			return fmt.Errorf("counting blobs: %w", context.Cause(ctx))
		}
		if err := s.countRows(byte(first)); err != nil {
			return fmt.Errorf("counting blobs: %w", err)
		}
	}
	s.tally.complete.Store(true)
	return nil
}

// countRows counts the rows of all digests that begin with one byte, while none of them can change.
func (s *Store) countRows(first byte) error {
	defer s.lockRow(Digest{first}).Unlock()
	if s.tally.counted[first] {
		return nil
	}
	var blobs, bytes int64
	err := s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixRow, first}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if e, ok := readEntry(it.Item()); ok {
				blobs++
				bytes += e.row.size
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.tally.counted[first] = true
	s.tally.note(Digest{first}, blobs, bytes)
	return nil
}

// Stored returns the number of blobs and their bytes. It is exact after Count; before that, both are too low.
func (s *Store) Stored() (blobs, bytes int64) { return s.tally.blobs.Load(), s.tally.bytes.Load() }
