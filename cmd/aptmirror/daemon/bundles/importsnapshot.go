package bundles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/bundle"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
)

// snapshot gives what the bundle brought the name that it has where it comes
// from, which keeps its files here: they cannot be fetched again.
func (i *importing) snapshot(ctx context.Context, l *bundle.List) error {
	now := i.c.Now().UTC().Truncate(time.Second)
	s := catalog.Snapshot{Name: l.Name, Created: now, By: i.by, Comment: "imported; made on " + admin.Second(l.Created), Complete: true, Completed: now}
	served := s
	for n, suite := range i.suites {
		if suite.listed.Present.Files < suite.listed.Wanted.Files {
			s.Completed = time.Time{}
		}
		pins, err := i.pins(suite, i.taken[n])
		if err != nil {
			return err
		}
		served.Pins = append(served.Pins, pins...)
		if len(pins) == 0 {
			pins = []catalog.Pin{{Repository: suite.archive.Name, Suite: suite.listed.Suite, Ref: i.taken[n], Published: now}}
		}
		s.Pins = append(s.Pins, pins...)
	}
	if err := i.saveSnapshot(ctx, s); err != nil {
		return err
	}
	return i.c.Snapshots.Serve(ctx, served)
}

// pins names the repositories that serve a suite as its archive has it.
func (i *importing) pins(suite *importedSuite, ref catalog.Ref) (pins []catalog.Pin, err error) {
	for _, r := range i.c.InForce().Config.Repositories {
		if r.Archive != suite.archive.Name {
			continue
		}
		p, err := i.c.Cache.Catalog.Publication(r.Name, suite.listed.Suite)
		if err != nil {
			return nil, err
		}
		pins = append(pins, catalog.Pin{Repository: r.Name, Suite: p.Suite, Ref: ref, Published: p.Published})
	}
	return pins, nil
}

// saveSnapshot replaces one that an earlier import made, and no other.
func (i *importing) saveSnapshot(ctx context.Context, s catalog.Snapshot) error {
	before, err := i.c.Cache.Catalog.Snapshot(s.Name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return i.c.Cache.Catalog.AddSnapshot(ctx, s)
	case err != nil:
		return err
	case !slices.ContainsFunc(i.Before, func(b bundle.Import) bool { return b.Name == s.Name }):
		i.tell(admin.Event{Failed: true, Text: fmt.Sprintf("there is a snapshot %s that was made here: it stays as it is, and what was imported has no name", s.Name)})
		return nil
	case samePins(before, s):
		s.Created = before.Created
		return i.c.Cache.Catalog.SaveSnapshot(s)
	}
	if err := i.c.Snapshots.Remove(ctx, s.Name); err != nil {
		return err
	}
	return i.c.Cache.Catalog.AddSnapshot(ctx, s)
}

func samePins(a, b catalog.Snapshot) bool {
	return slices.EqualFunc(a.Pins, b.Pins, func(a, b catalog.Pin) bool {
		return a.Repository == b.Repository && a.Suite == b.Suite && a.Ref == b.Ref
	})
}
