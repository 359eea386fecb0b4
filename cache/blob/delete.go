package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// deleteBatch is the number of keys deleted in one transaction: badger allows 13,000 with our memtable.
const deleteBatch = 1000

// Delete removes a blob. It is gone at once; the space it takes comes back with Reclaim. The error is ErrNotFound
// where there is no such blob. When ctx ends midway the blob is gone and Sweep removes the rest.
func (s *Store) Delete(ctx context.Context, d Digest) error {
	r, err := s.deleteRow(ctx, d)
	if err == nil {
		reached("row deleted")
		err = s.deleteChunks(ctx, r.id, r.chunks())
	}
	if err != nil {
		return fmt.Errorf("deleting blob %v: %w", d, err)
	}
	return nil
}

// deleteRow removes also a row that cannot be read; its chunks become orphans.
func (s *Store) deleteRow(ctx context.Context, d Digest) (row, error) {
	defer s.lockRow(d).Unlock()
	r, err := s.findRow(d)
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		r, err = row{chunkSize: ChunkSize}, nil
	}
	if err != nil {
		return row{}, err
	}
	err = s.write(ctx, func(txn *badger.Txn) error { return errors.Join(txn.Delete(rowKey(d)), txn.Delete(useKey(d))) })
	if err == nil {
		s.tally.note(d, -1, -r.size)
	}
	return r, err
}

// deleteChunks removes chunks 0 to n-1 of id, the last first: what a crash leaves is then found by its chunk 0.
func (s *Store) deleteChunks(ctx context.Context, id uint64, n int64) error {
	for n > 0 {
		end := n
		n = max(0, n-deleteBatch)
		err := s.write(ctx, func(txn *badger.Txn) error {
			for i := end - 1; i >= n; i-- {
				if err := txn.Delete(chunkKey(id, i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		reached("chunks deleted")
	}
	return nil
}
