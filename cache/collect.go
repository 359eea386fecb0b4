package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// collectBatch is how many files are removed while no generation can be recorded.
const collectBatch = 200

// Collected is what a collection removed or would remove.
type Collected struct {
	Generations []catalog.Ref
	Files       int
	Bytes       int64
}

// errUnknownNeeds ends a collection: a current generation that cannot be read
// may need any file.
var errUnknownNeeds = errors.New("no file is removed before it is mended, see aptmirror verify --repair")

// Collect removes generations that clients can no longer ask for, and then the
// files that no remaining generation names; with dryRun it only says which. What is
// gone keeps nothing. See the package comment for why nothing that is needed can go.
func (c *Cache) Collect(ctx context.Context, dryRun bool, gone catalog.Gone) (Collected, error) {
	out, err := c.collect(ctx, dryRun, gone)
	if err != nil {
		return out, fmt.Errorf("collecting what is no longer needed: %w", err)
	}
	return out, nil
}

func (c *Cache) collect(ctx context.Context, dryRun bool, gone catalog.Gone) (out Collected, err error) {
	old, kept, err := c.oldGenerations(ctx, dryRun, gone)
	for _, g := range old {
		out.Generations = append(out.Generations, g.Ref())
	}
	if err != nil {
		return out, err
	}
	m := &marks{cache: c, seen: map[catalog.Ref]bool{}, spare: retained(kept)}
	if err := m.add(ctx, kept); err != nil {
		return out, err
	}
	if dryRun {
		return out, c.countUnmarked(ctx, m, &out)
	}
	if err := c.sweep(ctx, m, &out); err != nil {
		return out, err
	}
	// What a crash left of half written and half removed files.
	_, err = c.Blobs.Sweep(ctx)
	c.reclaims.kick()
	return out, err
}

// oldGenerations removes the rows that nothing needs, or looks which those are,
// and gives them and what remains.
func (c *Cache) oldGenerations(ctx context.Context, dryRun bool, gone catalog.Gone) (old []catalog.Generation, kept catalog.State, err error) {
	if dryRun {
		old, err = c.unneeded(ctx, gone)
	} else if err = c.Catalog.Expire(ctx, c.now()); err == nil {
		old, err = c.Catalog.RemoveUnneeded(ctx, gone)
	}
	if err != nil {
		return old, kept, err
	}
	kept, err = c.Catalog.State(ctx)
	if dryRun {
		kept = kept.Without(gone)
	}
	kept.Generations = slices.DeleteFunc(kept.Generations, func(g catalog.Generation) bool {
		return slices.ContainsFunc(old, func(o catalog.Generation) bool { return o.Ref() == g.Ref() })
	})
	return old, kept, err
}

// retained gives the generations that are retained or kept for going back to,
// nowhere current, and that no snapshot pins.
func retained(s catalog.State) map[catalog.Ref]bool {
	retained := map[catalog.Ref]bool{}
	for _, p := range s.Publications {
		for _, r := range p.Refs()[1:] {
			retained[r] = true
		}
	}
	for _, p := range s.Publications {
		delete(retained, p.Current)
	}
	for _, x := range s.Snapshots {
		for _, pin := range x.Pins {
			delete(retained, pin.Ref)
		}
	}
	return retained
}

func (c *Cache) unneeded(ctx context.Context, gone catalog.Gone) ([]catalog.Generation, error) {
	s, err := c.Catalog.State(ctx)
	if err != nil {
		return nil, err
	}
	s = s.Without(gone)
	for i, p := range s.Publications {
		s.Publications[i] = p.At(c.now())
	}
	return s.Unneeded(gone), nil
}

// sweep removes what is not marked, in batches. While one is removed no
// generation can be recorded, and what was recorded since is marked first.
func (c *Cache) sweep(ctx context.Context, m *marks, out *Collected) error {
	var batch []blob.Info
	for info, err := range c.Blobs.All(ctx) {
		if corrupt := (*blob.CorruptError)(nil); err != nil && !errors.As(err, &corrupt) {
			return err
		}
		if m.has(info.Digest) {
			continue
		}
		if batch = append(batch, info); len(batch) == collectBatch {
			if err := c.sweepBatch(ctx, m, batch, out); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return c.sweepBatch(ctx, m, batch, out)
}

func (c *Cache) sweepBatch(ctx context.Context, m *marks, batch []blob.Info, out *Collected) error {
	return c.Catalog.Steady(ctx, func(now catalog.State) error {
		if err := m.add(ctx, now); err != nil {
			return err
		}
		for _, info := range batch {
			if m.has(info.Digest) {
				continue
			}
			reached("file to be collected")
			removed, err := c.remove(ctx, info.Digest)
			if err != nil {
				return err
			}
			if removed {
				reached("file collected")
				c.room.removed(info.Size)
				out.Files++
				out.Bytes += info.Size
			}
		}
		return nil
	})
}

func (c *Cache) countUnmarked(ctx context.Context, m *marks, out *Collected) error {
	for info, err := range c.Blobs.All(ctx) {
		if corrupt := (*blob.CorruptError)(nil); err != nil && !errors.As(err, &corrupt) {
			return err
		}
		if !m.has(info.Digest) && !c.use.isHeld(info.Digest) {
			out.Files++
			out.Bytes += info.Size
		}
	}
	return nil
}
