package catalog

import (
	"context"
	"fmt"
	"slices"

	badger "github.com/dgraph-io/badger/v4"
)

// SuiteName names a suite of a repository, or of an archive.
type SuiteName struct{ Of, Suite string }

// Gone is what the configuration no longer has, for as long as somebody might
// want it back. What snapshots pin is kept all the same.
type Gone struct {
	// Published are suites of repositories, of which everything goes.
	Published map[SuiteName]bool
	// Made are suites of archives, or of what BuiltBy gives, of which the newest
	// generation goes, too.
	Made map[SuiteName]bool
}

// Without gives the state without what was published of gone suites.
func (s State) Without(gone Gone) State {
	s.Publications = slices.DeleteFunc(slices.Clone(s.Publications), func(p Publication) bool { return gone.Published[SuiteName{p.Repository, p.Suite}] })
	return s
}

// withdrawGone deletes the rows of gone publications that are there, and their
// histories before them, so that no history is left alone. It needs publishing
// and numbering.
func (c *Catalog) withdrawGone(s State, gone Gone) error {
	for _, p := range s.Publications {
		if !gone.Published[SuiteName{p.Repository, p.Suite}] {
			continue
		}
		if slices.Contains(c.Suites(p.Repository), p.Suite) {
			return fmt.Errorf("withdrawing repository %s, suite %s: it is part of the configuration", p.Repository, p.Suite)
		}
		if err := c.withdrawSuite(p.Repository, p.Suite); err != nil {
			return fmt.Errorf("withdrawing repository %s, suite %s: %w", p.Repository, p.Suite, err)
		}
	}
	return nil
}

func (c *Catalog) withdrawSuite(repository, suite string) error {
	var moves [][]byte
	err := c.db.View(func(txn *badger.Txn) (err error) {
		moves, err = keysUnder(txn, historyPrefix(repository, suite))
		return err
	})
	for batch := range slices.Chunk(append(moves, key('p', repository, suite)), removeBatch) {
		if err == nil {
			err = c.removeKeys(batch)
		}
	}
	return err
}

// steadyWithout withdraws what is gone and calls do with what is left.
func (c *Catalog) steadyWithout(ctx context.Context, gone Gone, do func(State) error) error {
	return c.Steady(ctx, func(s State) error {
		if err := c.withdrawGone(s, gone); err != nil {
			return err
		}
		return do(s.Without(gone))
	})
}
