package snapshots

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

// snapshotLook is how often a serving daemon looks whether a snapshot is due.
const snapshotLook = time.Minute

// Forever makes the snapshots of schedules, and removes those and the moments that
// no longer stay, until ctx ends. One that was due while no daemon ran is made at
// the start: of several that were missed, the last.
func (k *Keeper) Forever(ctx context.Context) error {
	for {
		k.serveUnserved(ctx)
		if err := k.expire(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("withdrawing earlier states failed, it is tried again", "error", err)
		}
		for _, s := range k.InForce().Config.Snapshots {
			if err := k.keepSchedule(ctx, s); err != nil && ctx.Err() == nil {
				k.Log.Warn("a scheduled snapshot failed, it is tried again", "schedule", s.Name, "error", err)
			}
		}
		if !wait.For(ctx, snapshotLook) {
			return nil
		}
	}
}

// serveUnserved publishes what a snapshot pins where that was cut short when it
// was made.
func (k *Keeper) serveUnserved(ctx context.Context) {
	snapshots, err := k.Catalog.Snapshots(ctx)
	for _, s := range snapshots {
		if err == nil && slices.ContainsFunc(s.Pins, k.isUnserved(s.Name)) {
			err = k.Serve(ctx, s)
		}
	}
	if err != nil && ctx.Err() == nil {
		k.Log.Warn("serving a snapshot failed, it is tried again", "error", err)
	}
}

// isUnserved is for pins of a snapshot. What is no longer configured is not
// missed.
func (k *Keeper) isUnserved(snapshot string) func(catalog.Pin) bool {
	return func(p catalog.Pin) bool {
		_, err := k.Catalog.Publication(catalog.SnapshotRepository(p.Repository, snapshot), p.Suite)
		return errors.Is(err, catalog.ErrNotFound) && k.isConfigured(p)
	}
}

func (k *Keeper) isConfigured(p catalog.Pin) bool {
	return k.InForce().Has(p.Repository, p.Suite)
}

// keepSchedule makes the snapshot that is due, if it was not made yet, and
// applies what is to be kept. One that was made while the clock was ahead is left
// alone until its time has come.
func (k *Keeper) keepSchedule(ctx context.Context, s config.Snapshot) error {
	due := lastDue(s, k.Now())
	ahead := func(x catalog.Snapshot) bool { return x.Created.After(k.Now()) }
	name := scheduledName(s, due)
	made, err := k.madeBy(ctx, s)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(made, func(x catalog.Snapshot) bool { return x.Name == name || !x.Created.Before(due) && !ahead(x) }) {
		x := catalog.Snapshot{Name: name, By: jobs.BySchedule, Schedule: s.Name, Complete: s.Complete}
		if err := k.create(x, s.Repositories, func(admin.Event) {}); err != nil {
			return err
		}
		if made, err = k.madeBy(ctx, s); err != nil {
			return err
		}
	}
	var faults []error
	for _, x := range superfluous(s, slices.DeleteFunc(made, ahead)) {
		faults = append(faults, k.forget(ctx, x))
	}
	return errors.Join(faults...)
}

// forget removes a snapshot; one that a ring serves stays until the ring serves
// something else.
func (k *Keeper) forget(ctx context.Context, x catalog.Snapshot) error {
	err := k.Catalog.RemoveSnapshot(ctx, x.Name)
	if inUse := (*catalog.SnapshotInUseError)(nil); errors.As(err, &inUse) || errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err == nil {
		k.Log.Info("a snapshot has had its time", "snapshot", x.Name, "schedule", x.Schedule)
	}
	return err
}

// madeBy gives the snapshots of a schedule, newest first.
func (k *Keeper) madeBy(ctx context.Context, s config.Snapshot) (made []catalog.Snapshot, err error) {
	all, err := k.Catalog.Snapshots(ctx)
	for _, x := range all {
		if x.Schedule == s.Name {
			made = append(made, x)
		}
	}
	slices.SortFunc(made, func(a, b catalog.Snapshot) int { return b.Created.Compare(a.Created) })
	return made, err
}

// scheduledName is the schedule with the time, in UTC, for which a snapshot was
// due.
func scheduledName(s config.Snapshot, due time.Time) string {
	return s.Name + "-" + due.UTC().Format("20060102T1504Z")
}

// lastDue is the last moment, no later than now, at which a schedule was due in
// the zone of now.
func lastDue(s config.Snapshot, now time.Time) time.Time {
	year, month, day := now.Date()
	at := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, int(s.At/time.Hour), int(s.At%time.Hour/time.Minute), 0, 0, now.Location())
	}
	switch s.Every {
	case config.Hourly:
		return now.Truncate(time.Hour)
	case config.Weekly:
		monday := day - (int(now.Weekday())+6)%7
		if due := at(year, month, monday); !due.After(now) {
			return due
		}
		return at(year, month, monday-7)
	case config.Monthly:
		if due := at(year, month, 1); !due.After(now) {
			return due
		}
		return at(year, month-1, 1)
	}
	if due := at(year, month, day); !due.After(now) {
		return due
	}
	return at(year, month, day-1)
}

// superfluous gives those of the snapshots of a schedule, newest first, that it
// does not ask to be kept. The newest always stays.
func superfluous(s config.Snapshot, made []catalog.Snapshot) (old []catalog.Snapshot) {
	keeps := []*retention{
		{most: s.Keep, period: func(t time.Time) string { return t.Format(time.RFC3339Nano) }},
		{most: s.KeepDaily, period: func(t time.Time) string { return t.Format(time.DateOnly) }},
		{most: s.KeepWeekly, period: func(t time.Time) string { year, week := t.ISOWeek(); return fmt.Sprint(year, "-", week) }},
		{most: s.KeepMonthly, period: func(t time.Time) string { return t.Format("2006-01") }},
	}
	for i, x := range made {
		kept := i == 0
		for _, r := range keeps {
			kept = r.wants(x.Created) || kept
		}
		if !kept {
			old = append(old, x)
		}
	}
	return old
}

// retention wants the last snapshot of each of the newest periods.
type retention struct {
	most   int
	period func(time.Time) string
	count  int
	last   string
}

// wants is asked of all snapshots, newest first.
func (r *retention) wants(created time.Time) bool {
	period := r.period(created.Local())
	if period == r.last || r.count == r.most {
		return false
	}
	r.last = period
	r.count++
	return true
}
