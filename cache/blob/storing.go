package blob

import (
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"
)

// room returns the rest of the chunk in work. A full one is sent to the database first, unless it is the blob's last, which goes there
// with the row.
func (w *Writer) room() ([]byte, error) {
	if len(w.chunk) == ChunkSize && w.written() < w.row.size {
		if err := w.sendChunk(); err != nil {
			return nil, err
		}
	}
	return w.chunk[len(w.chunk):min(ChunkSize, cap(w.chunk))], nil
}

// grow adds to the chunk in work the n bytes that were put into its room. Followers read no further than the length they see, so the
// bytes could go in before the lock.
func (w *Writer) grow(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunk = w.chunk[:len(w.chunk)+n]
	w.wakeFollowers()
}

// sendChunk sends the chunk in work on its way to the database, after the one before has arrived.
func (w *Writer) sendChunk() error {
	if err := w.settle(); err != nil {
		return err
	}
	next := newChunk(w.row.size - w.written())
	w.mu.Lock()
	w.storing, w.chunk = w.chunk, next
	w.mu.Unlock()
	w.pending = make(chan error, 1)
	go func(index int64, chunk []byte, result chan<- error) {
		result <- w.store.storeChunk(w.ctx, w.row.id, index, chunk)
	}(w.stored/ChunkSize, w.storing, w.pending)
	return nil
}

// settle waits for the chunk on its way. Followers read it here until it is in the database.
func (w *Writer) settle() error {
	if w.pending == nil {
		return nil
	}
	err := <-w.pending
	w.pending = nil
	if err != nil {
		return err
	}
	done := w.storing
	w.mu.Lock()
	w.stored += int64(len(done))
	w.storing = nil
	w.mu.Unlock()
	recycleChunk(done)
	return nil
}

func (s *Store) storeChunk(ctx context.Context, id uint64, index int64, chunk []byte) error {
	return s.storeWith(ctx, id, index, chunk, func(*badger.Txn) error { return nil })
}

// storeWith stores a chunk in one transaction with what more adds. An empty chunk is none.
func (s *Store) storeWith(ctx context.Context, id uint64, index int64, chunk []byte, more func(*badger.Txn) error) error {
	n := int64(len(chunk))
	if err := s.checkFree(s.floor, n); err != nil {
		return err
	}
	key := chunkKey(id, index)
	value := sealChunk(key, chunk)
	err := s.write(ctx, func(txn *badger.Txn) error {
		if n == 0 {
			return more(txn)
		}
		return errors.Join(txn.Set(key, value), more(txn))
	})
	if err != nil {
		return err
	}
	reached("chunk stored")
	s.unreserve(n)
	s.unmapChunk(key, n)
	s.startWriteback(n)
	return nil
}

// storeRow stores the last chunk and the row, unless the blob has a row, and returns the row that it has then.
func (w *Writer) storeRow() (row, error) {
	s := w.store
	defer s.lockRow(w.want).Unlock()
	old, err := s.findRow(w.want)
	if !errors.Is(err, ErrNotFound) {
		return old, err
	}
	err = s.storeWith(w.ctx, w.row.id, w.stored/ChunkSize, w.chunk, func(txn *badger.Txn) error {
		return txn.Set(rowKey(w.want), w.row.encode())
	})
	if err != nil {
		return row{}, err
	}
	reached("row stored")
	s.tally.note(w.want, 1, w.row.size)
	return w.row, nil
}
