package daemon

import (
	"context"
	"errors"

	"aptmirror/cache/catalog"
)

// publishSnapshot makes what a snapshot pins servable under the addresses of
// snapshots. What is mirrored keeps its archive's signature.
func (d *Daemon) publishSnapshot(ctx context.Context, s catalog.Snapshot) error {
	suites := map[string][]string{}
	for _, p := range s.Pins {
		name := catalog.SnapshotRepository(p.Repository, s.Name)
		suites[name] = append(suites[name], p.Suite)
		if err := d.publishState(ctx, p, s.Name, s.By); err != nil {
			return err
		}
	}
	for name, of := range suites {
		d.cache.Catalog.ServeRepository(name, of)
	}
	return nil
}

// publishState publishes a generation under the address that id has, unless it
// is already.
func (d *Daemon) publishState(ctx context.Context, p catalog.Pin, id, by string) error {
	name := catalog.SnapshotRepository(p.Repository, id)
	before, err := d.cache.Catalog.Publication(name, p.Suite)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	if before.Current == p.Ref {
		return nil
	}
	m := catalog.Move{Repository: name, Suite: p.Suite, Expect: before.Current, Next: p.Ref, By: by, Why: "snapshot " + id}
	_, err = d.move(ctx, m)
	return err
}

// serveStates serves again what was published of snapshots and moments before
// the daemon was started.
func (d *Daemon) serveStates(ctx context.Context) error {
	publications, err := d.cache.Catalog.Publications(ctx)
	if row := (*catalog.RowError)(nil); err != nil && !errors.As(err, &row) {
		return err
	}
	suites := map[string][]string{}
	for _, p := range publications {
		if _, _, ok := catalog.CutSnapshotRepository(p.Repository); ok {
			suites[p.Repository] = append(suites[p.Repository], p.Suite)
		}
	}
	for name, of := range suites {
		d.cache.Catalog.ServeRepository(name, of)
	}
	return nil
}
