package blob

import (
	"errors"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"
)

// startEpoch checks the format and takes the next epoch. It is on disk before the first chunk of it can be.
func (s *Store) startEpoch() error {
	epoch, err := s.readEpoch()
	if err != nil {
		return err
	}
	if epoch == math.MaxUint32 {
		return errors.New("no epoch is left: the store was opened 4294967295 times")
	}
	s.lastID = uint64(epoch+1) << 32
	err = s.writeOnce(func(txn *badger.Txn) error { return txn.Set(formatKey, encodeFormat(epoch+1)) })
	if err != nil {
		return fmt.Errorf("writing format row: %w", err)
	}
	return s.Sync()
}

// readEpoch returns 0 for an empty database. Anything else without a format row is not ours.
func (s *Store) readEpoch() (epoch uint32, err error) {
	err = s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(formatKey)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return checkEmpty(txn)
		}
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			epoch, err = decodeFormat(b)
			return err
		})
	})
	return epoch, err
}

func checkEmpty(txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	if it.Rewind(); it.Valid() {
		return errors.New("the database there is not a blob store: it has no format row")
	}
	return nil
}
