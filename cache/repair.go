package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Lost is what the store should have and has not.
type Lost struct {
	// Files are indexes that can be fetched again, by their signed digests.
	Files []catalog.File
	// Generations lack a manifest or a Release. A refresh takes the suite in
	// again, if this is its newest one.
	Generations []catalog.Generation
	// Built are built generations that lack something. The next build makes one
	// anew, if this is its suite's newest.
	Built []catalog.Generation
	// Publications lack what was signed of them; signing again mends that.
	Publications []catalog.Publication
	// Pool are files of the site's own that nothing can bring back but adding
	// them again.
	Pool []catalog.PoolFile
	// Snapshots pin some of Generations or Built that are not the newest of
	// their suite, so that they cannot come back.
	Snapshots []catalog.Snapshot
}

// Count is the number of things that are lost, with those of a snapshot once.
func (l Lost) Count() int {
	return len(l.Files) + len(l.Generations) + len(l.Built) + len(l.Publications) + len(l.Pool)
}

// Damaged reads every stored file and gives those that are not what they
// should be.
func (c *Cache) Damaged(ctx context.Context, news func(string)) (damaged []blob.Digest, err error) {
	files := 0
	for info, err := range c.Blobs.All(ctx) {
		if err == nil {
			err = c.Blobs.Verify(ctx, info.Digest)
		}
		if corrupt := (*blob.CorruptError)(nil); errors.As(err, &corrupt) {
			damaged = append(damaged, info.Digest)
		} else if ignoreNotFound(err) != nil {
			return damaged, fmt.Errorf("reading the files back: %w", err)
		}
		if files++; files%newsEvery == 0 {
			news(fmt.Sprintf("%d files read", files))
		}
	}
	return damaged, nil
}

// Drop removes damaged files, whoever uses them: what they get is an error
// either way. A package comes again when somebody asks for it; for the rest
// see Lost.
func (c *Cache) Drop(ctx context.Context, damaged ...blob.Digest) error {
	for _, d := range damaged {
		info, err := c.Blobs.Stat(d)
		if err != nil {
			info = blob.Info{} // its row cannot be read
		}
		if err := c.Blobs.Delete(ctx, d); ignoreNotFound(err) != nil {
			return fmt.Errorf("dropping a damaged file: %w", err)
		}
		c.room.removed(info.Size)
	}
	return nil
}

// Lost looks for what is missing.
func (c *Cache) Lost(ctx context.Context) (Lost, error) {
	lost, err := c.lost(ctx)
	if err != nil {
		return lost, fmt.Errorf("looking for what is lost: %w", err)
	}
	return lost, nil
}

func (c *Cache) lost(ctx context.Context) (lost Lost, err error) {
	s, err := c.Catalog.State(ctx)
	if err != nil {
		return lost, err
	}
	for _, g := range s.Generations {
		if err := c.addLost(ctx, g, &lost); err != nil {
			return lost, err
		}
	}
	for _, p := range s.Publications {
		if there, err := c.allStored(slices.Collect(maps.Values(p.Signed.Files()))...); err != nil {
			return lost, err
		} else if !there {
			lost.Publications = append(lost.Publications, p)
		}
	}
	lost.Snapshots = beyondMending(s, append(lost.Generations, lost.Built...))
	return lost, c.addLostPools(ctx, &lost)
}

// beyondMending gives the snapshots that pin generations of which something is
// lost and that are not the newest of their suite.
func beyondMending(s catalog.State, incomplete []catalog.Generation) (snapshots []catalog.Snapshot) {
	gone := map[catalog.Ref]bool{}
	for _, g := range incomplete {
		gone[g.Ref()] = slices.ContainsFunc(s.Generations, func(o catalog.Generation) bool {
			return o.Archive == g.Archive && o.Suite == g.Suite && o.Number > g.Number
		})
	}
	for _, x := range s.Snapshots {
		if slices.ContainsFunc(x.Pins, func(p catalog.Pin) bool { return gone[p.Ref] }) {
			snapshots = append(snapshots, x)
		}
	}
	return snapshots
}

func (c *Cache) addLostPools(ctx context.Context, lost *Lost) error {
	files, err := c.Catalog.PoolFiles(ctx, "")
	if err != nil {
		return err
	}
	for _, f := range files {
		digests := []blob.Digest{f.Digest}
		if f.Stanza != (blob.Digest{}) {
			digests = append(digests, f.Stanza)
		}
		if there, err := c.allStored(digests...); err != nil {
			return err
		} else if !there {
			lost.Pool = append(lost.Pool, f)
		}
	}
	return nil
}

func (c *Cache) allStored(digests ...blob.Digest) (bool, error) {
	for _, d := range digests {
		if _, err := c.Blobs.Stat(d); err != nil {
			return false, ignoreNotFound(err)
		}
	}
	return true, nil
}

func (c *Cache) addLost(ctx context.Context, g catalog.Generation, lost *Lost) error {
	_, built := g.Builder()
	whole, err := c.allStored(g.Parts()...)
	if err != nil {
		return err
	}
	t, err := c.Catalog.Table(ctx, g)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		for _, e := range ownIndexes(g, t) {
			there, err := c.allStored(e.Digest)
			switch {
			case err != nil:
				return err
			case there:
			case built:
				whole = false
			default:
				lost.Files = append(lost.Files, g.File(e))
			}
		}
	}
	switch {
	case whole:
	case built:
		lost.Built = append(lost.Built, g)
	default:
		lost.Generations = append(lost.Generations, g)
	}
	return nil
}
