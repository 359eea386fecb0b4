package cache

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Lost is what generations consist of and the store has not.
type Lost struct {
	// Files can be fetched again, by their signed digests.
	Files []catalog.File
	// Generations lack a manifest or a Release. A refresh takes the suite in
	// again, if this is its newest one.
	Generations []catalog.Generation
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
	var lost Lost
	generations, err := c.Catalog.Generations(ctx)
	if err != nil {
		return lost, fmt.Errorf("looking for what is lost: %w", err)
	}
	for _, g := range generations {
		if err := c.addLost(ctx, g, &lost); err != nil {
			return lost, fmt.Errorf("looking for what is lost: %w", err)
		}
	}
	return lost, nil
}

func (c *Cache) addLost(ctx context.Context, g catalog.Generation, lost *Lost) error {
	for _, d := range g.Parts() {
		if _, err := c.Blobs.Stat(d); errors.Is(err, blob.ErrNotFound) {
			lost.Generations = append(lost.Generations, g)
			break
		} else if err != nil {
			return err
		}
	}
	t, err := c.Catalog.Table(ctx, g)
	if err != nil {
		return context.Cause(ctx)
	}
	for _, name := range g.Indexes {
		e, ok := t.Find(name)
		if !ok {
			continue
		}
		if _, err := c.Blobs.Stat(e.Digest); errors.Is(err, blob.ErrNotFound) {
			lost.Files = append(lost.Files, catalog.File{Entry: e, Archive: g.Archive, Suite: g.Suite, ByHash: g.ByHash})
		} else if err != nil {
			return err
		}
	}
	return nil
}
