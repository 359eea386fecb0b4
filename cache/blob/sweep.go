package blob

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// orphanPage is the number of data ids looked at with one iterator open.
const orphanPage = 1000

// Sweep removes the chunks that no row names: what a crash left of blobs half written or half deleted. It returns the
// number of chunks removed. Writers in progress are not touched, and it may run beside everything else. It holds 8 bytes
// of memory for each blob.
func (s *Store) Sweep(ctx context.Context) (chunks int, err error) {
	ids, err := s.Orphans(ctx)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		n, err := s.sweepID(ctx, id)
		chunks += n
		if err != nil {
			return chunks, fmt.Errorf("sweeping: %w", err)
		}
	}
	if err := s.sweepUses(ctx); err != nil {
		return chunks, fmt.Errorf("sweeping: %w", err)
	}
	return chunks, nil
}

// Orphans returns the data ids under which there are chunks that no row names.
func (s *Store) Orphans(ctx context.Context) ([]uint64, error) {
	ids, err := s.orphans(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for orphans: %w", err)
	}
	return ids, nil
}

// orphans looks at the writers first, the rows second and the chunks last. An id with chunks then is a writer of the first
// look, or newer than it, or its row was there for the second look, or it is an orphan.
func (s *Store) orphans(ctx context.Context) (orphans []uint64, err error) {
	last, known := s.writersNow()
	for e, err := range s.entries(ctx) {
		if err != nil {
			// A row that cannot be read may name any id.
			return nil, err
		}
		known = append(known, e.row.id)
	}
	slices.Sort(known)
	for next := uint64(1); next != 0 && next <= last; {
		var page []uint64
		if page, next, err = s.chunkIDs(ctx, next); err != nil {
			return nil, err
		}
		for _, id := range page {
			if _, ok := slices.BinarySearch(known, id); !ok && id <= last {
				orphans = append(orphans, id)
			}
		}
	}
	return orphans, nil
}

func (s *Store) writersNow() (last uint64, writing []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.writing {
		writing = append(writing, id)
	}
	return s.lastID, writing
}

// chunkIDs returns the data ids from id on that have chunks, and where to go on, 0 at the end. It seeks from one id
// to the next, however many chunks each has.
func (s *Store) chunkIDs(ctx context.Context, from uint64) (ids []uint64, next uint64, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	err = s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixChunk}})
		defer it.Close()
		it.Seek(chunkKey(from, 0))
		for ; it.Valid(); it.Seek(chunkKey(next, 0)) {
			id, ok := chunkKeyID(it.Item().Key())
			if !ok {
				return errors.New("a chunk key of the wrong length")
			}
			ids = append(ids, id)
			if next = id + 1; len(ids) == orphanPage {
				return nil
			}
		}
		next = 0
		return nil
	})
	return ids, next, err
}

// sweepID deletes all chunks of one id.
func (s *Store) sweepID(ctx context.Context, id uint64) (n int, err error) {
	for {
		keys, err := s.chunkKeys(id)
		if err != nil || len(keys) == 0 {
			return n, err
		}
		err = s.write(ctx, func(txn *badger.Txn) error {
			for _, k := range keys {
				if err := txn.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(keys)
	}
}

// chunkKeys returns up to deleteBatch keys of chunks of id.
func (s *Store) chunkKeys(id uint64) (keys [][]byte, err error) {
	err = s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: chunkKey(id, 0)[:1+8]})
		defer it.Close()
		for it.Rewind(); it.Valid() && len(keys) < deleteBatch; it.Next() {
			keys = append(keys, it.Item().KeyCopy(nil))
		}
		return nil
	})
	return keys, err
}
