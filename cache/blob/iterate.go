package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"
)

// iteratePage is the number of rows read at a time. An iterator keeps badger from removing files, so none is open
// while the caller works.
const iteratePage = 1000

type entry struct {
	digest Digest
	row    row
}

// All yields every blob in the order of digests. Blobs added or deleted meanwhile may or may not be seen. A row that
// cannot be read yields a CorruptError with only Info.Digest set, and the iteration goes on; after any other error it ends.
func (s *Store) All(ctx context.Context) iter.Seq2[Info, error] { return s.From(ctx, Digest{}) }

// From is All from a digest on.
func (s *Store) From(ctx context.Context, first Digest) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for e, err := range s.entriesFrom(ctx, rowKey(first)) {
			info := Info{Digest: e.digest}
			if err == nil {
				info = e.row.info(e.digest)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (s *Store) entries(ctx context.Context) iter.Seq2[entry, error] {
	return s.entriesFrom(ctx, []byte{prefixRow})
}

func (s *Store) entriesFrom(ctx context.Context, first []byte) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		from := first
		for from != nil {
			page, next, err := s.entryPage(ctx, from)
			if err != nil {
				yield(entry{}, fmt.Errorf("listing blobs: %w", err))
				return
			}
			for _, e := range page {
				if !yield(e, e.check()) {
					return
				}
			}
			from = next
		}
	}
}

func (e entry) check() error {
	if e.row.id == 0 {
		return &CorruptError{Digest: e.digest, Chunk: -1, Reason: "its row cannot be read"}
	}
	return nil
}

// entryPage returns the rows from key on, and the key of the next page, nil at the end. A row that cannot be read comes
// with data id 0.
func (s *Store) entryPage(ctx context.Context, from []byte) (page []entry, next []byte, err error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	err = s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixRow}})
		defer it.Close()
		for it.Seek(from); it.Valid(); it.Next() {
			if len(page) == iteratePage {
				next = it.Item().KeyCopy(nil)
				return nil
			}
			if e, ok := readEntry(it.Item()); ok {
				page = append(page, e)
			}
		}
		return nil
	})
	return page, next, err
}

func readEntry(item *badger.Item) (e entry, ok bool) {
	if len(item.Key()) != rowKeySize {
		return entry{}, false
	}
	e.digest = Digest(item.Key()[1:])
	err := item.Value(func(b []byte) (err error) {
		e.row, err = decodeRow(b)
		return err
	})
	if err != nil {
		e.row = row{}
	}
	return e, true
}

// Usage counts the blobs and their bytes, by reading all rows: about a second for a million. Files on disk take up more: see
// DiskUsage.
func (s *Store) Usage(ctx context.Context) (blobs int, bytes int64, err error) {
	for e, err := range s.entries(ctx) {
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			return 0, 0, err
		}
		blobs++
		bytes += e.row.size
	}
	return blobs, bytes, nil
}
