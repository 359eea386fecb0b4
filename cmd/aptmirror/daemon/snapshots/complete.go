package snapshots

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/bundle"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// Complete fetches what is missing of a snapshot, and keeps it from now on.
func (k *Keeper) Complete(ctx context.Context, by admin.Caller, r admin.SnapshotName, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	s, err := k.Named(r.Name)
	if err != nil {
		return nil, err
	}
	// From here on nothing of it is evicted, so that fetching comes to an end.
	s.Complete = true
	if err := k.Catalog.SaveSnapshot(s); err != nil {
		return nil, err
	}
	err = k.Jobs.Run(catalog.Job{Kind: "snapshot complete", Names: []string{s.Name}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		return k.complete(ctx, s, k.Jobs.News(job, news))
	})
	details, detailsErr := k.Details(ctx, r)
	return details, errors.Join(err, detailsErr)
}

// complete fetches what is missing of what a snapshot pins, and notes when all
// of it was there. Called again, it goes on where it was.
func (k *Keeper) complete(ctx context.Context, s catalog.Snapshot, tell func(admin.Event)) (summary string, err error) {
	var failures []error
	for _, p := range s.Pins {
		g, err := k.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if err == nil {
			_, err = k.Upstream.Download(ctx, g, k.languagesOf(g), func(now upstream.Downloaded) { tell(admin.Progress(now).Event(p.Repository, p.Suite)) })
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("repository %s, suite %s: %w", p.Repository, p.Suite, err))
		}
	}
	count, err := k.countPinned(ctx, s)
	summary = fmt.Sprintf("%d of %d packages, %s of %s", count.Present.Files, count.Wanted.Files, admin.Size(count.Present.Bytes), admin.Size(count.Wanted.Bytes))
	if err = errors.Join(append(failures, err)...); err != nil {
		return summary, &admin.Error{Text: fmt.Sprintf("snapshot %s is not complete, %s are there; aptmirror snapshot complete %s goes on: %v", s.Name, summary, s.Name, err), Exit: admin.ExitPartly}
	}
	s.Completed = k.Now().UTC().Truncate(time.Second)
	return summary, k.Catalog.SaveSnapshot(s)
}

// countPinned tells how much of what a snapshot pins is there, as an export
// does: what several repositories serve counts once, and so does a file within a
// suite.
func (k *Keeper) countPinned(ctx context.Context, s catalog.Snapshot) (sum bundle.Counted, err error) {
	seen := map[catalog.Ref]bool{}
	for _, p := range s.Pins {
		if seen[p.Ref] {
			continue
		}
		seen[p.Ref] = true
		if err := k.tally(ctx, p.Ref, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// tally adds what a generation names.
func (k *Keeper) tally(ctx context.Context, r catalog.Ref, sum *bundle.Counted) error {
	g, err := k.Catalog.Generation(r.Archive, r.Suite, r.Number)
	if err != nil {
		return err
	}
	table, err := k.Catalog.Table(ctx, g)
	if err != nil {
		return err
	}
	count, err := bundle.Tally(ctx, k.Blobs, table)
	sum.Wanted.Files += count.Wanted.Files
	sum.Wanted.Bytes += count.Wanted.Bytes
	sum.Present.Files += count.Present.Files
	sum.Present.Bytes += count.Present.Bytes
	return err
}

// languagesOf are those of the translations that a mirrored generation is
// wanted with. A built one has all of its translations in the store.
func (k *Keeper) languagesOf(g catalog.Generation) []string {
	if a := k.InForce().Archive(g.Archive); a != nil {
		return a.Config.Languages
	}
	return nil
}
