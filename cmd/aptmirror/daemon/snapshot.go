package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// Snapshots lists what there is, newest first.
func (d *Daemon) Snapshots(ctx context.Context) (*admin.SnapshotList, error) {
	state, err := d.cache.Catalog.State(ctx)
	if err != nil {
		return nil, err
	}
	out := &admin.SnapshotList{Snapshots: []admin.Snapshot{}}
	for _, s := range state.Snapshots {
		out.Snapshots = append(out.Snapshots, snapshotOf(s, state.Publications))
	}
	slices.SortStableFunc(out.Snapshots, func(a, b admin.Snapshot) int { return b.Created.Compare(a.Created) })
	return out, nil
}

func snapshotOf(s catalog.Snapshot, publications []catalog.Publication) admin.Snapshot {
	out := admin.Snapshot{
		Name: s.Name, Created: s.Created, By: s.By, Schedule: s.Schedule, Comment: s.Comment, Complete: s.Complete, Completed: s.Completed,
		Pins: []admin.SnapshotPin{},
	}
	for _, p := range s.Pins {
		out.Pins = append(out.Pins, admin.SnapshotPin{
			SuiteName: admin.SuiteName{Repository: p.Repository, Suite: p.Suite}, Generation: admin.Generation(p.Ref), Published: p.Published,
		})
	}
	for _, p := range publications {
		if p.Snapshot == s.Name {
			out.ServedBy = append(out.ServedBy, admin.SuiteName{Repository: p.Repository, Suite: p.Suite})
		}
	}
	return out
}

// Snapshot tells all about one.
func (d *Daemon) Snapshot(ctx context.Context, r admin.SnapshotName) (*admin.SnapshotDetails, error) {
	s, err := d.snapshotNamed(r.Name)
	if err != nil {
		return nil, err
	}
	publications, err := d.cache.Catalog.Publications(ctx)
	if err != nil {
		return nil, err
	}
	out := &admin.SnapshotDetails{Snapshot: snapshotOf(s, publications), Addresses: []string{}}
	for _, repository := range repositoriesOf(s) {
		out.Addresses = append(out.Addresses, d.config().Serve.PublicURL+"/"+catalog.SnapshotRepository(repository, s.Name)+"/")
	}
	for i, p := range s.Pins {
		if _, built := p.Ref.Builder(); built {
			continue
		}
		g, err := d.cache.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if err != nil {
			return nil, err
		}
		out.Pins[i].ValidUntil = g.ValidUntil
	}
	count, err := d.countPinned(ctx, s)
	out.Wanted, out.Present, out.WantedBytes, out.PresentBytes = count.Wanted.Files, count.Present.Files, count.Wanted.Bytes, count.Present.Bytes
	return out, err
}

// repositoriesOf names the repositories of which something is pinned.
func repositoriesOf(s catalog.Snapshot) []string {
	names := map[string]bool{}
	for _, p := range s.Pins {
		names[p.Repository] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// snapshotNamed explains to a person that there is none of that name.
func (d *Daemon) snapshotNamed(name string) (catalog.Snapshot, error) {
	s, err := d.cache.Catalog.Snapshot(name)
	if errors.Is(err, catalog.ErrNotFound) {
		return s, &admin.Error{Text: fmt.Sprintf("there is no snapshot %q: see aptmirror snapshot list", name), Exit: admin.ExitUsage}
	}
	return s, err
}

// CreateSnapshot pins what repositories serve at this moment.
func (d *Daemon) CreateSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotRequest, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	s := catalog.Snapshot{Name: r.Name, By: by.String(), Comment: r.Comment, Complete: r.Complete}
	if err := d.createSnapshot(s, r.Repositories, news); err != nil {
		return nil, err
	}
	return d.Snapshot(ctx, admin.SnapshotName{Name: r.Name})
}

// createSnapshot records, serves and, if it is to be complete, fetches what
// repositories (none: all) serve.
func (d *Daemon) createSnapshot(s catalog.Snapshot, repositories []string, news func(admin.Event)) error {
	if err := catalog.CheckSnapshotName(s.Name); err != nil {
		return &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	if err := d.checkRepositories(repositories); err != nil {
		return err
	}
	return d.jobs.Run(catalog.Job{Kind: "snapshot", Names: append([]string{s.Name}, repositories...), By: s.By}, func(ctx context.Context, job uint64) (string, error) {
		tell := func(e admin.Event) {
			e.Time, e.Job = d.Now().UTC(), job
			news(e)
		}
		if err := d.pin(ctx, &s, repositories, tell); err != nil {
			return "", err
		}
		if err := d.publishSnapshot(ctx, s); err != nil {
			return "", fmt.Errorf("snapshot %s is made, but cannot be served yet: %w", s.Name, err)
		}
		if !s.Complete {
			return fmt.Sprintf("%d suites pinned", len(s.Pins)), nil
		}
		return d.complete(ctx, s, tell)
	})
}

func (d *Daemon) checkRepositories(names []string) error {
	for _, n := range names {
		if _, _, err := d.repository(n); err != nil {
			return err
		}
	}
	return nil
}

// repository gives one of the configuration, with its suites.
func (d *Daemon) repository(name string) (r config.Repository, suites []string, err error) {
	c := d.config()
	var names []string
	for _, r := range c.Repositories {
		if r.Name == name {
			return r, c.SuitesOf(r), nil
		}
		names = append(names, r.Name)
	}
	return r, nil, &admin.Error{Text: fmt.Sprintf("no repository is called %q in %s: there are %s", name, c.Path, strings.Join(names, ", ")), Exit: admin.ExitUsage}
}

// pin records the snapshot. All publications are read in one transaction, so
// that the snapshot is of one moment.
func (d *Daemon) pin(ctx context.Context, s *catalog.Snapshot, repositories []string, tell func(admin.Event)) error {
	publications, err := d.cache.Catalog.Publications(ctx)
	if err != nil {
		return err
	}
	s.Created = d.Now().UTC()
	c := d.config()
	for _, r := range c.Repositories {
		if len(repositories) > 0 && !slices.Contains(repositories, r.Name) {
			continue
		}
		for _, suite := range c.SuitesOf(r) {
			i := slices.IndexFunc(publications, func(p catalog.Publication) bool { return p.Repository == r.Name && p.Suite == suite })
			if i < 0 {
				tell(admin.Event{Text: fmt.Sprintf("%s %s: nothing is published yet, so that it is not part of the snapshot", r.Name, suite), Failed: true})
				continue
			}
			p := publications[i]
			s.Pins = append(s.Pins, catalog.Pin{Repository: p.Repository, Suite: p.Suite, Ref: p.Current, Published: p.Published})
		}
	}
	if len(s.Pins) == 0 {
		return &admin.Error{Text: fmt.Sprintf("snapshot %s would be empty, since nothing that it names is published yet: aptmirror sync first", s.Name), Exit: admin.ExitFailed}
	}
	err = d.cache.Catalog.AddSnapshot(ctx, *s)
	if errors.Is(err, catalog.ErrExists) {
		return &admin.Error{Text: fmt.Sprintf("there is a snapshot %s already: choose another name, or delete it first", s.Name), Exit: admin.ExitUsage}
	}
	if err == nil {
		d.Log.Info("snapshot made", "snapshot", s.Name, "suites", len(s.Pins), "by", s.By)
	}
	return err
}

// DeleteSnapshot removes a snapshot that no ring serves. What only it named
// goes with the next collection.
func (d *Daemon) DeleteSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotName) (*admin.Snapshot, error) {
	s, err := d.snapshotNamed(r.Name)
	if err != nil {
		return nil, err
	}
	err = d.jobs.Run(catalog.Job{Kind: "snapshot delete", Names: []string{s.Name}, By: by.String()}, func(ctx context.Context, _ uint64) (string, error) {
		return "", d.deleteSnapshot(ctx, s.Name)
	})
	if err != nil {
		return nil, err
	}
	out := snapshotOf(s, nil)
	return &out, nil
}

func (d *Daemon) deleteSnapshot(ctx context.Context, name string) error {
	err := d.cache.Catalog.RemoveSnapshot(ctx, name)
	if inUse := (*catalog.SnapshotInUseError)(nil); errors.As(err, &inUse) {
		return &admin.Error{Text: fmt.Sprintf("%v: publish another snapshot there first (aptmirror publish SNAPSHOT %s), or roll it back (aptmirror rollback %s)", inUse, inUse.Repository, inUse.Repository), Exit: admin.ExitFailed}
	}
	if err == nil {
		d.Log.Info("snapshot deleted", "snapshot", name)
	}
	return err
}
