package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

const (
	// collectEvery is how often a serving daemon removes what is no longer
	// needed, and collectLook how often it looks whether that is due.
	collectEvery = 24 * time.Hour
	collectLook  = 10 * time.Minute
	// collectNote is the name of the time of the last collection in the catalog.
	collectNote = "collected"
)

// GC removes what is no longer needed, or tells what that is.
func (d *Daemon) GC(ctx context.Context, by admin.Caller, r admin.GCRequest) (*admin.GCResult, error) {
	collected, err, least := cache.Collected{}, error(nil), keptGone
	if r.Unconfigured {
		least = 0
	}
	if r.DryRun {
		collected, err = d.collect(ctx, true, least)
	} else {
		collected, err = d.collectJob(by.String(), least)
	}
	if err != nil {
		return nil, err
	}
	out := &admin.GCResult{DryRun: r.DryRun, Generations: []admin.Generation{}, Files: collected.Files, Bytes: collected.Bytes}
	for _, g := range collected.Generations {
		out.Generations = append(out.Generations, admin.Generation(g))
	}
	return out, nil
}

func (d *Daemon) collectJob(by string, least time.Duration) (collected cache.Collected, err error) {
	err = d.jobs.Run(catalog.Job{Kind: "gc", By: by}, func(ctx context.Context, _ uint64) (string, error) {
		if collected, err = d.collect(ctx, false, least); err != nil {
			return "", err
		}
		summary := fmt.Sprintf("%d generations and %d files with %d MB removed", len(collected.Generations), collected.Files, collected.Bytes/1e6)
		return summary, d.cache.Catalog.SaveNote(collectNote, d.Now().UTC())
	})
	return collected, err
}

// collect keeps out of Verify's way. What the configuration has not had for least
// goes, too.
func (d *Daemon) collect(ctx context.Context, dryRun bool, least time.Duration) (cache.Collected, error) {
	free, err := wait.Slot(ctx, d.whole)
	if err != nil {
		return cache.Collected{}, err
	}
	defer free()
	gone, err := d.goneFor(ctx, least)
	if err != nil {
		return cache.Collected{}, err
	}
	collected, err := d.cache.Collect(ctx, dryRun, gone)
	if err == nil && !dryRun {
		_, err = d.noteGone(ctx) // what is left of it
	}
	return collected, err
}

// collectForever collects once a day until ctx ends.
func (d *Daemon) collectForever(ctx context.Context) error {
	for wait.For(ctx, collectLook) {
		var last time.Time
		err := d.cache.Catalog.Note(collectNote, &last)
		if err == nil && !overdue(last, d.Now(), collectEvery) {
			continue
		}
		if err == nil || errors.Is(err, catalog.ErrNotFound) {
			_, err = d.collectJob(jobs.BySchedule, keptGone)
		}
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("removing what is no longer needed failed, it is tried again", "error", err)
		}
	}
	return nil
}

// overdue says whether it is time to do again what was done last at a time. One
// that is to come was noted while the clock was wrong.
func overdue(last, now time.Time, every time.Duration) bool {
	return last.After(now) || now.Sub(last) >= every
}
