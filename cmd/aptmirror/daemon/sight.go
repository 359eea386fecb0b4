package daemon

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/catalog"
)

// sight records when packages of a generation were first seen, once. That was not
// before the archive had them, whatever a clock says that was not set yet.
func (d *Daemon) sight(ctx context.Context, g catalog.Generation) error {
	note := "sighted " + g.Archive + " " + g.Suite
	var last uint64
	if err := d.cache.Catalog.Note(note, &last); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if last >= g.Number {
		return nil
	}
	keys, err := d.builder.SightKeys(ctx, g, len(d.inForce.Load().Built()) > 0)
	if err == nil {
		now := d.Now()
		if g.Date.After(now) {
			now = g.Date
		}
		err = d.cache.Catalog.Sight(ctx, g.Archive, g.Suite, keys, now)
	}
	if err != nil {
		return fmt.Errorf("recording what is new in archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	return d.cache.Catalog.SaveNote(note, g.Number)
}
