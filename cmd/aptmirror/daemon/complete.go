package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// CompleteSnapshot fetches what is missing of a snapshot, and keeps it from now on.
func (d *Daemon) CompleteSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotName, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	s, err := d.snapshotNamed(r.Name)
	if err != nil {
		return nil, err
	}
	// From here on nothing of it is evicted, so that fetching comes to an end.
	s.Complete = true
	if err := d.cache.Catalog.SaveSnapshot(s); err != nil {
		return nil, err
	}
	err = d.run(catalog.Job{Kind: "snapshot complete", Names: []string{s.Name}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		return d.complete(ctx, s, d.newsOf(job, news))
	})
	details, detailsErr := d.Snapshot(ctx, r)
	return details, errors.Join(err, detailsErr)
}

// complete fetches what is missing of what a snapshot pins, and notes when all
// of it was there. Called again, it goes on where it was.
func (d *Daemon) complete(ctx context.Context, s catalog.Snapshot, tell func(admin.Event)) (summary string, err error) {
	var failures []error
	for _, p := range s.Pins {
		g, err := d.cache.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if err == nil {
			_, err = d.upstream.Download(ctx, g, d.languagesOf(g), func(now upstream.Downloaded) { tell(progressOf(p.Repository, p.Suite, now)) })
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("repository %s, suite %s: %w", p.Repository, p.Suite, err))
		}
	}
	count, err := d.countPinned(ctx, s)
	summary = fmt.Sprintf("%d of %d files, %s of %s", count.Present, count.Wanted, admin.Size(count.PresentBytes), admin.Size(count.WantedBytes))
	if err = errors.Join(append(failures, err)...); err != nil {
		return summary, &admin.Error{Text: fmt.Sprintf("snapshot %s is not complete, %s are there; aptmirror snapshot complete %s goes on: %v", s.Name, summary, s.Name, err), Exit: admin.ExitPartly}
	}
	s.Completed = d.Now().UTC().Truncate(time.Second)
	return summary, d.cache.Catalog.SaveSnapshot(s)
}

// countPinned tells how much of what a snapshot pins is there. Suites that
// share a file count it each.
func (d *Daemon) countPinned(ctx context.Context, s catalog.Snapshot) (sum upstream.Downloaded, err error) {
	for _, p := range s.Pins {
		g, err := d.cache.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if err != nil {
			return sum, err
		}
		count, err := d.upstream.Count(ctx, g, d.languagesOf(g))
		if err != nil {
			return sum, err
		}
		sum.Wanted += count.Wanted
		sum.Present += count.Present
		sum.WantedBytes += count.WantedBytes
		sum.PresentBytes += count.PresentBytes
	}
	return sum, nil
}

// languagesOf are those of the translations that a mirrored generation is
// wanted with. A built one has all of its translations in the store.
func (d *Daemon) languagesOf(g catalog.Generation) []string {
	if a := d.inForce.Load().Archive(g.Archive); a != nil {
		return a.Config.Languages
	}
	return nil
}
