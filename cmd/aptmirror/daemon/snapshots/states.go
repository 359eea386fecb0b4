package snapshots

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy"
)

const (
	// momentFormat is how an address names a moment, in UTC: as
	// snapshot.debian.org does, and apt's documentation.
	momentFormat = "20060102T150405Z"
	// toldSnapshots is how many names a refusal offers; a status line is short.
	toldSnapshots = 3
)

// Find gives the repository of the catalog that serves a snapshot or a moment.
func (k *Keeper) Find(ctx context.Context, repository, id string) (string, error) {
	if t, err := time.Parse(momentFormat, id); err == nil {
		return k.moment(ctx, repository, t)
	}
	served := catalog.SnapshotRepository(repository, id)
	if catalog.CheckSnapshotName(id) == nil && k.Catalog.HasRepository(served) {
		return served, nil
	}
	return "", k.unknown(ctx, repository, id)
}

// unknown says what snapshots there are, those first whose names are alike.
func (k *Keeper) unknown(ctx context.Context, repository, id string) error {
	all, err := k.snapshotsOf(ctx, repository)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(x catalog.Snapshot) bool { return x.Name == id }) {
		return fmt.Errorf("snapshot %s of repository %s is not ready to be served", id, repository)
	}
	if len(all) == 0 {
		return &proxy.UnknownSnapshotError{Text: fmt.Sprintf("there is no snapshot %.40q of %s, and no other; a moment such as %s is served too", id, repository, k.Now().UTC().Format(momentFormat))}
	}
	slices.SortFunc(all, func(a, b catalog.Snapshot) int {
		return cmp.Or(cmp.Compare(alike(b.Name, id), alike(a.Name, id)), b.Created.Compare(a.Created))
	})
	return &proxy.UnknownSnapshotError{Text: fmt.Sprintf("there is no snapshot %.40q of %s; there are %s", id, repository, offer(all))}
}

// alike is how long the common beginning of two names is.
func alike(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func offer(all []catalog.Snapshot) string {
	var names []string
	for _, x := range all[:min(len(all), toldSnapshots)] {
		names = append(names, x.Name)
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// snapshotsOf gives the snapshots that pin something of a repository that is
// still configured.
func (k *Keeper) snapshotsOf(ctx context.Context, repository string) (all []catalog.Snapshot, err error) {
	snapshots, err := k.Catalog.Snapshots(ctx)
	for _, x := range snapshots {
		if slices.ContainsFunc(x.Pins, func(p catalog.Pin) bool { return p.Repository == repository && k.isConfigured(p) }) {
			all = append(all, x)
		}
	}
	return all, err
}

// Serve makes what a snapshot pins servable under the addresses of
// snapshots. What is mirrored keeps its archive's signature.
func (k *Keeper) Serve(ctx context.Context, s catalog.Snapshot) error {
	suites := map[string][]string{}
	for _, p := range s.Pins {
		if !k.isConfigured(p) {
			continue
		}
		name := catalog.SnapshotRepository(p.Repository, s.Name)
		suites[name] = append(suites[name], p.Suite)
		if err := k.publishState(ctx, p, s.Name, s.By); err != nil {
			return err
		}
	}
	for name, of := range suites {
		k.Catalog.ServeRepository(name, of)
	}
	return nil
}

// publishState publishes a generation under the address that id has, unless it
// is already.
func (k *Keeper) publishState(ctx context.Context, p catalog.Pin, id, by string) error {
	name := catalog.SnapshotRepository(p.Repository, id)
	before, err := k.Catalog.PublicationOrNone(name, p.Suite)
	if err != nil {
		return err
	}
	if before.Current == p.Ref {
		return nil
	}
	_, err = k.Move(ctx, catalog.Move{Repository: name, Suite: p.Suite, Expect: before.Current, Next: p.Ref, By: by, Why: "snapshot " + id})
	return err
}

// Resume serves again what was published of snapshots and moments before
// the daemon was started, of what is still configured. A moment of which not all
// was published when it ended is made ready when somebody asks for it; see
// serveUnserved for snapshots.
func (k *Keeper) Resume(ctx context.Context) error {
	states, err := k.StatesOf(ctx, k.InForce())
	k.ServeStates(states)
	return err
}

// ServeStates serves what StatesOf gives.
func (k *Keeper) ServeStates(states map[string][]string) {
	for name, suites := range states {
		k.Catalog.ServeRepository(name, suites)
	}
}

// StatesOf gives what is published of snapshots and moments of what f has, the
// suites by the name of the repository that serves them. A moment of which not
// all is published is made ready when somebody asks for it.
func (k *Keeper) StatesOf(ctx context.Context, f *inforce.Parts) (map[string][]string, error) {
	publications, err := k.Catalog.Publications(ctx)
	if row := (*catalog.RowError)(nil); err != nil && !errors.As(err, &row) {
		return nil, err
	}
	states := map[string][]string{}
	for _, p := range publications {
		if of, _, ok := catalog.CutSnapshotRepository(p.Repository); ok && f.Has(of, p.Suite) {
			states[p.Repository] = append(states[p.Repository], p.Suite)
		}
	}
	maps.DeleteFunc(states, func(name string, suites []string) bool { return isMoment(name) && !k.isWhole(f, name, suites) })
	return states, nil
}

// Withdraw ends what is served of states that have other suites from now
// on; it is as it was for all others.
func (k *Keeper) Withdraw(before, after map[string][]string) {
	for name, suites := range before {
		if !slices.Equal(suites, after[name]) {
			k.Catalog.Unserve(name)
		}
	}
}
