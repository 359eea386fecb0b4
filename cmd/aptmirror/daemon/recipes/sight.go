package recipes

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/catalog"
)

// Sight records when packages of a generation were first seen, once. That was not
// before the archive had them, whatever a clock says that was not set yet.
func (b *Book) Sight(ctx context.Context, g catalog.Generation) error {
	note := "sighted " + g.Archive + " " + g.Suite
	var last uint64
	if err := b.Cache.Catalog.Note(note, &last); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if last >= g.Number {
		return nil
	}
	keys, err := b.Builder.SightKeys(ctx, g, len(b.InForce().Built()) > 0)
	if err == nil {
		now := b.Now()
		if g.Date.After(now) {
			now = g.Date
		}
		err = b.Cache.Catalog.Sight(ctx, g.Archive, g.Suite, keys, now)
	}
	if err != nil {
		return fmt.Errorf("recording what is new in archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	return b.Cache.Catalog.SaveNote(note, g.Number)
}
