package snapshots

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

// List lists what there is, newest first.
func (k *Keeper) List(ctx context.Context) (*admin.SnapshotList, error) {
	state, err := k.Catalog.State(ctx)
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

// Details tells all about one.
func (k *Keeper) Details(ctx context.Context, r admin.SnapshotName) (*admin.SnapshotDetails, error) {
	s, err := k.Named(r.Name)
	if err != nil {
		return nil, err
	}
	publications, err := k.Catalog.Publications(ctx)
	if err != nil {
		return nil, err
	}
	out := &admin.SnapshotDetails{Snapshot: snapshotOf(s, publications), Addresses: []string{}}
	for _, repository := range repositoriesOf(s) {
		out.Addresses = append(out.Addresses, k.InForce().Config.Serve.PublicURL+"/"+catalog.SnapshotRepository(repository, s.Name)+"/")
	}
	for i, p := range s.Pins {
		if _, built := p.Ref.Builder(); built {
			continue
		}
		g, err := k.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if err != nil {
			return nil, err
		}
		out.Pins[i].ValidUntil = g.ValidUntil
	}
	count, err := k.countPinned(ctx, s)
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

// Named explains to a person that there is none of that name.
func (k *Keeper) Named(name string) (catalog.Snapshot, error) {
	s, err := k.Catalog.Snapshot(name)
	if errors.Is(err, catalog.ErrNotFound) {
		return s, &admin.Error{Text: fmt.Sprintf("there is no snapshot %q: see aptmirror snapshot list", name), Exit: admin.ExitUsage}
	}
	return s, err
}

// Create pins what repositories serve at this moment.
func (k *Keeper) Create(ctx context.Context, by admin.Caller, r admin.SnapshotRequest, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	s := catalog.Snapshot{Name: r.Name, By: by.String(), Comment: r.Comment, Complete: r.Complete}
	if err := k.create(s, r.Repositories, news); err != nil {
		return nil, err
	}
	return k.Details(ctx, admin.SnapshotName{Name: r.Name})
}

// create records, serves and, if it is to be complete, fetches what
// repositories (none: all) serve.
func (k *Keeper) create(s catalog.Snapshot, repositories []string, news func(admin.Event)) error {
	if err := catalog.CheckSnapshotName(s.Name); err != nil {
		return &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	if err := k.checkRepositories(repositories); err != nil {
		return err
	}
	return k.Jobs.Run(catalog.Job{Kind: "snapshot", Names: append([]string{s.Name}, repositories...), By: s.By}, func(ctx context.Context, job uint64) (string, error) {
		tell := func(e admin.Event) {
			e.Time, e.Job = k.Now().UTC(), job
			news(e)
		}
		if err := k.pin(ctx, &s, repositories, tell); err != nil {
			return "", err
		}
		if err := k.Serve(ctx, s); err != nil {
			return "", fmt.Errorf("snapshot %s is made, but cannot be served yet: %w", s.Name, err)
		}
		if !s.Complete {
			return fmt.Sprintf("%d suites pinned", len(s.Pins)), nil
		}
		return k.complete(ctx, s, tell)
	})
}

func (k *Keeper) checkRepositories(names []string) error {
	for _, n := range names {
		if _, _, err := k.repository(n); err != nil {
			return err
		}
	}
	return nil
}

// repository gives one of the configuration, with its suites.
func (k *Keeper) repository(name string) (r config.Repository, suites []string, err error) {
	c := k.InForce().Config
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
func (k *Keeper) pin(ctx context.Context, s *catalog.Snapshot, repositories []string, tell func(admin.Event)) error {
	publications, err := k.Catalog.Publications(ctx)
	if err != nil {
		return err
	}
	s.Created = k.Now().UTC()
	c := k.InForce().Config
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
	err = k.Catalog.AddSnapshot(ctx, *s)
	if errors.Is(err, catalog.ErrExists) {
		return &admin.Error{Text: fmt.Sprintf("there is a snapshot %s already: choose another name, or delete it first", s.Name), Exit: admin.ExitUsage}
	}
	if err == nil {
		k.Log.Info("snapshot made", "snapshot", s.Name, "suites", len(s.Pins), "by", s.By)
	}
	return err
}

// Delete removes a snapshot that no ring serves. What only it named
// goes with the next collection.
func (k *Keeper) Delete(ctx context.Context, by admin.Caller, r admin.SnapshotName) (*admin.Snapshot, error) {
	s, err := k.Named(r.Name)
	if err != nil {
		return nil, err
	}
	err = k.Jobs.Run(catalog.Job{Kind: "snapshot delete", Names: []string{s.Name}, By: by.String()}, func(ctx context.Context, _ uint64) (string, error) {
		return "", k.Remove(ctx, s.Name)
	})
	if err != nil {
		return nil, err
	}
	out := snapshotOf(s, nil)
	return &out, nil
}

// Remove is Delete for who is no caller.
func (k *Keeper) Remove(ctx context.Context, name string) error {
	err := k.Catalog.RemoveSnapshot(ctx, name)
	if inUse := (*catalog.SnapshotInUseError)(nil); errors.As(err, &inUse) {
		return &admin.Error{Text: fmt.Sprintf("%v: publish another snapshot there first (aptmirror publish SNAPSHOT %s), or roll it back (aptmirror rollback %s)", inUse, inUse.Repository, inUse.Repository), Exit: admin.ExitFailed}
	}
	if err == nil {
		k.Log.Info("snapshot deleted", "snapshot", name)
	}
	return err
}
