package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// removeBatch is the number of rows deleted in one transaction; badger allows some thousands.
const removeBatch = 500

// At gives the publication as retention leaves it at a moment: see Expire.
func (p Publication) At(now time.Time) Publication {
	p.Retained = retainedAt(p.Retained, p.Current, now)
	return p
}

// Expire cuts what suites retain down to what both bounds still ask for, for
// suites of which nothing new was published meanwhile. A publication that
// cannot be loaded stays as it is. Of the history of every suite, the newest
// moves stay. The paths that nobody retains any more are
// no longer found when it returns.
func (c *Catalog) Expire(ctx context.Context, now time.Time) error {
	all, err := c.Publications(ctx)
	if err != nil {
		return fmt.Errorf("expiring retained generations: %w", err)
	}
	for _, p := range all {
		if len(p.At(now).Retained) == len(p.Retained) {
			continue
		}
		if err := c.expire(ctx, p.Repository, p.Suite, now); err != nil {
			return fmt.Errorf("expiring retained generations of repository %s, suite %s: %w", p.Repository, p.Suite, err)
		}
	}
	return c.trimHistory(ctx, keptMoves)
}

func (c *Catalog) expire(ctx context.Context, repository, suite string, now time.Time) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	p, err := c.Publication(repository, suite)
	if err != nil {
		return err
	}
	p = p.At(now)
	v, err := c.viewAfter(ctx, p)
	if err != nil {
		return context.Cause(ctx)
	}
	if err := c.update(func(txn *badger.Txn) error { return set(txn, key('p', repository, suite), p) }); err != nil {
		return err
	}
	c.view.Store(v)
	return nil
}

// State is what is recorded at one moment.
type State struct {
	Generations  []Generation
	Publications []Publication
	Snapshots    []Snapshot
	PoolChanges  uint64
}

// Steady calls do with what is recorded, while no generation, publication,
// snapshot or file of a pool can be added or removed.
func (c *Catalog) Steady(ctx context.Context, do func(State) error) error {
	c.numbering.Lock()
	defer c.numbering.Unlock()
	s, err := c.State(ctx)
	if err != nil {
		return err
	}
	return do(s)
}

// State reads what is recorded. A row that cannot be read is an error, since
// nobody knows what it needs.
func (c *Catalog) State(ctx context.Context) (s State, err error) {
	s.PoolChanges = c.PoolChanges() // before reading, so that it is never too new
	if s.Generations, err = c.Generations(ctx); err != nil {
		return s, err
	}
	if s.Publications, err = c.Publications(ctx); err != nil {
		return s, err
	}
	s.Snapshots, err = c.Snapshots(ctx)
	return s, err
}

// Refs are all generations of a publication, the current one first.
func (p *Publication) Refs() []Ref {
	refs := p.refs()
	if p.Previous != (Ref{}) && !slices.Contains(refs, p.Previous) {
		refs = append(refs, p.Previous)
	}
	return refs
}

// Unneeded picks the generations that no publication has as current, retained
// or previous and that no snapshot pins, but for the newest of every suite that
// is not gone: that is what a refresh or a build compares with, and what a new
// repository begins with.
func (s State) Unneeded(gone Gone) (unneeded []Generation) {
	needed := map[Ref]bool{}
	for _, p := range s.Publications {
		for _, r := range p.Refs() {
			needed[r] = true
		}
	}
	for _, x := range s.Snapshots {
		for _, p := range x.Pins {
			needed[p.Ref] = true
		}
	}
	newest := map[Ref]uint64{}
	for _, g := range s.Generations {
		suite := Ref{Archive: g.Archive, Suite: g.Suite}
		newest[suite] = max(newest[suite], g.Number)
	}
	for _, g := range s.Generations {
		kept := newest[Ref{Archive: g.Archive, Suite: g.Suite}] == g.Number && !gone.Made[SuiteName{g.Archive, g.Suite}]
		if !needed[g.Ref()] && !kept {
			unneeded = append(unneeded, g)
		}
	}
	return unneeded
}

// RemoveUnneeded removes the rows of what was published of gone suites and of
// all generations that Unneeded then picks, and returns those. No generation can
// be published, pinned or added meanwhile.
func (c *Catalog) RemoveUnneeded(ctx context.Context, gone Gone) ([]Generation, error) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	var removed []Generation
	err := c.steadyWithout(ctx, gone, func(s State) error {
		for batch := range slices.Chunk(s.Unneeded(gone), removeBatch) {
			if err := c.removeRows(batch); err != nil {
				return err
			}
			removed = append(removed, batch...)
		}
		return nil
	})
	if err != nil {
		return removed, fmt.Errorf("removing old generations: %w", err)
	}
	return removed, nil
}

func (c *Catalog) removeRows(batch []Generation) error {
	reached("generations to be removed")
	err := c.update(func(txn *badger.Txn) error {
		for _, g := range batch {
			if err := txn.Delete(numbered(generationPrefix(g.Archive, g.Suite), g.Number)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		reached("generations removed")
	}
	return err
}
