package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// useBatch is the number of times written in one transaction.
const useBatch = 1000

// Use is a blob and when it was last used.
type Use struct {
	Info
	Last time.Time // whole minutes, UTC; Info.Modified where Touch was never called
}

// Touch records when blobs were last used, in whole minutes. It does not wait for the disk: a kill can lose it.
func (s *Store) Touch(ctx context.Context, used map[Digest]time.Time) error {
	batch := make([]Digest, 0, useBatch)
	flush := func() error {
		defer func() { batch = batch[:0] }()
		return s.write(ctx, func(txn *badger.Txn) error { return touch(txn, batch, used) })
	}
	for d := range used {
		if batch = append(batch, d); len(batch) < useBatch {
			continue
		}
		if err := flush(); err != nil {
			return fmt.Errorf("recording the use of blobs: %w", err)
		}
	}
	if err := flush(); err != nil {
		return fmt.Errorf("recording the use of blobs: %w", err)
	}
	return nil
}

// touch leaves out what is deleted. Where that happens in between, Sweep removes the time.
func touch(txn *badger.Txn, digests []Digest, used map[Digest]time.Time) error {
	for _, d := range digests {
		_, err := txn.Get(rowKey(d))
		if errors.Is(err, badger.ErrKeyNotFound) {
			continue
		}
		if err == nil {
			err = txn.Set(useKey(d), encodeUse(used[d]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func useKey(d Digest) []byte { return append([]byte{prefixUse}, d[:]...) }

func encodeUse(t time.Time) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(max(0, t.Unix())/60))
}

// lastUse returns the zero time where none can be read.
func lastUse(txn *badger.Txn, d Digest) (last time.Time, err error) {
	item, err := txn.Get(useKey(d))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) == 4 {
			last = time.Unix(60*int64(binary.LittleEndian.Uint32(b)), 0).UTC()
		}
		return nil
	})
	return last, err
}

// LastUse returns when one blob was last used. The error is ErrNotFound where it does not exist.
func (s *Store) LastUse(d Digest) (Use, error) {
	r, err := s.findRow(d)
	if err != nil {
		return Use{}, fmt.Errorf("finding blob %v: %w", d, err)
	}
	uses, err := s.usesOf([]entry{{d, r}})
	if err != nil {
		return Use{}, fmt.Errorf("finding blob %v: %w", d, err)
	}
	return uses[0], nil
}

// Uses yields every blob with its last use, in the order of digests, as All does. Rows that cannot be read are left out.
func (s *Store) Uses(ctx context.Context) iter.Seq2[Use, error] {
	return func(yield func(Use, error) bool) {
		from := []byte{prefixRow}
		for from != nil {
			page, next, err := s.entryPage(ctx, from)
			var uses []Use
			if err == nil {
				uses, err = s.usesOf(page)
			}
			if err != nil {
				yield(Use{}, fmt.Errorf("listing blobs: %w", err))
				return
			}
			for _, u := range uses {
				if !yield(u, nil) {
					return
				}
			}
			from = next
		}
	}
}

func (s *Store) usesOf(page []entry) (uses []Use, err error) {
	err = s.view(func(txn *badger.Txn) error {
		uses = uses[:0]
		for _, e := range page {
			if e.check() != nil {
				continue
			}
			u := Use{Info: e.row.info(e.digest)}
			if u.Last, err = lastUse(txn, e.digest); err != nil {
				return err
			}
			if u.Last.IsZero() {
				u.Last = u.Modified
			}
			uses = append(uses, u)
		}
		return nil
	})
	return uses, err
}

// sweepUses removes the times of blobs that do not exist.
func (s *Store) sweepUses(ctx context.Context) error {
	from := []byte{prefixUse}
	for from != nil {
		stale, next, err := s.staleUses(ctx, from)
		if err != nil {
			return err
		}
		err = s.write(ctx, func(txn *badger.Txn) error {
			for _, k := range stale {
				if err := txn.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// staleUses looks at one page of times from a key on; next is nil at the end. A blob that comes to be after the look
// loses at most a time that somebody else's blob left.
func (s *Store) staleUses(ctx context.Context, from []byte) (stale [][]byte, next []byte, err error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	err = s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{prefixUse}})
		defer it.Close()
		seen := 0
		for it.Seek(from); it.Valid(); it.Next() {
			k := it.Item().KeyCopy(nil)
			if seen++; seen > iteratePage {
				next = k
				return nil
			}
			_, err := txn.Get(append([]byte{prefixRow}, k[1:]...))
			if errors.Is(err, badger.ErrKeyNotFound) {
				stale = append(stale, k)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return stale, next, err
}
