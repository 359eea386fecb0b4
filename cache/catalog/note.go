package catalog

import (
	"fmt"

	badger "github.com/dgraph-io/badger/v4"
)

// SaveNote keeps a small value under a name, for what background work has to
// know after a restart.
func (c *Catalog) SaveNote(name string, value any) error {
	err := checkNames(name)
	if err == nil {
		err = c.update(func(txn *badger.Txn) error { return set(txn, key('n', name), value) })
	}
	if err != nil {
		return fmt.Errorf("recording note %q: %w", name, err)
	}
	return nil
}

// Note reads what SaveNote kept into a pointer, or returns ErrNotFound.
func (c *Catalog) Note(name string, into any) error {
	return c.db.View(func(txn *badger.Txn) error { return get(txn, key('n', name), into) })
}
