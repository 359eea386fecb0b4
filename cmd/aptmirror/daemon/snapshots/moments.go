package snapshots

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy"
)

const (
	// keptMoments is how many states that were asked for by their moment are
	// served at a time, each pinning its generations; the one that was not asked
	// for the longest makes room.
	keptMoments = 32
	// busyMoment is for how long one that was asked for makes no room: a client
	// may be reading it, and nobody has states signed anew without end.
	busyMoment = time.Minute
	// keptMoment is for how long a moment that nobody asks for stays served.
	keptMoment = 7 * 24 * time.Hour
	// momentPatience is how long a client waits for a state to be made ready.
	momentPatience = 5 * time.Second
)

// moment gives the state that a repository had at t, which is the same from one
// publication to the next and served under the time of the earlier one.
func (k *Keeper) moment(ctx context.Context, repository string, t time.Time) (string, error) {
	now := k.Now()
	if t.After(now) {
		return "", &proxy.UnknownSnapshotError{Text: fmt.Sprintf("%s is yet to come: it is %s", t.Format(momentFormat), now.UTC().Format(momentFormat))}
	}
	pins, began, err := k.pinsAt(k.InForce(), repository, t)
	if err != nil {
		return "", err
	}
	if len(pins) == 0 {
		return "", &proxy.UnknownSnapshotError{Text: fmt.Sprintf("nothing of %s is known of %s%s", repository, t.Format(momentFormat), k.oldest(repository))}
	}
	served := catalog.SnapshotRepository(repository, began.UTC().Format(momentFormat))
	if k.Catalog.HasRepository(served) {
		k.touch(served)
		return served, nil
	}
	return served, k.ready(ctx, served, pins, t)
}

// pinsAt gives what was current at t, and since when all of it was.
func (k *Keeper) pinsAt(f *inforce.Parts, repository string, t time.Time) (pins []catalog.Pin, began time.Time, err error) {
	for _, suite := range f.Served()[repository] {
		m, err := k.Catalog.At(repository, suite, t)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, began, err
		}
		pins = append(pins, catalog.Pin{Repository: repository, Suite: suite, Ref: m.Current, Published: m.Published})
		if m.Published.After(began) {
			began = m.Published
		}
	}
	return pins, began, nil
}

// isWhole reports whether the suites that are published of a moment are all that
// there were.
func (k *Keeper) isWhole(f *inforce.Parts, served string, suites []string) bool {
	repository, id, _ := catalog.CutSnapshotRepository(served)
	t, err := time.Parse(momentFormat, id)
	if err != nil {
		return false
	}
	pins, _, err := k.pinsAt(f, repository, t)
	return err == nil && !slices.ContainsFunc(pins, func(p catalog.Pin) bool { return !slices.Contains(suites, p.Suite) })
}

// oldest tells from when on there is something.
func (k *Keeper) oldest(repository string) string {
	var first time.Time
	for _, suite := range k.InForce().Served()[repository] {
		m, err := k.Catalog.Oldest(repository, suite)
		if err == nil && (first.IsZero() || m.Published.Before(first)) {
			first = m.Published
		}
	}
	if first.IsZero() {
		return ""
	}
	return "; the first known state is of " + first.UTC().Format(momentFormat)
}

// ready publishes a state. The work is the daemon's: the client only waits for
// it, and no longer than it may take.
func (k *Keeper) ready(ctx context.Context, served string, pins []catalog.Pin, t time.Time) error {
	if err := k.stillThere(ctx, pins, t); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, momentPatience)
	defer cancel()
	free, err := wait.Slot(ctx, k.slot)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	k.Jobs.Go(func() {
		defer free()
		done <- k.publishMoment(k.Life, served, pins)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publishMoment needs the slot.
func (k *Keeper) publishMoment(ctx context.Context, served string, pins []catalog.Pin) error {
	if k.Catalog.HasRepository(served) {
		return nil // while this waited
	}
	if err := k.makeRoom(ctx); err != nil {
		return err
	}
	_, id, _ := catalog.CutSnapshotRepository(served)
	var suites []string
	for _, p := range pins {
		if err := k.publishState(ctx, p, id, "a client"); err != nil {
			return err
		}
		suites = append(suites, p.Suite)
	}
	k.Catalog.ServeRepository(served, suites)
	k.touch(served)
	k.Log.Info("an earlier state is served", "repository", served, "suites", len(suites))
	return nil
}

// stillThere refuses moments of which a generation was removed.
func (k *Keeper) stillThere(ctx context.Context, pins []catalog.Pin, t time.Time) error {
	for _, p := range pins {
		_, err := k.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if !errors.Is(err, catalog.ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		return k.gone(ctx, p.Repository, t)
	}
	return nil
}

// gone names the snapshots nearest to a moment that is not kept.
func (k *Keeper) gone(ctx context.Context, repository string, t time.Time) error {
	all, err := k.snapshotsOf(ctx, repository)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("the state of %s at %s is no longer kept", repository, t.Format(momentFormat))
	if len(all) > 0 {
		slices.SortFunc(all, func(a, b catalog.Snapshot) int { return cmp.Compare(a.Created.Sub(t).Abs(), b.Created.Sub(t).Abs()) })
		text += fmt.Sprintf("; nearest is snapshot %s of %s", all[0].Name, all[0].Created.UTC().Format(momentFormat))
	}
	return &proxy.UnknownSnapshotError{Text: text}
}

func (k *Keeper) touch(served string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used[served] = k.Now()
}

// expire withdraws the moments that nobody has asked for in a long time. Those
// from before the start count as asked for when they are first seen.
func (k *Keeper) expire(ctx context.Context) error {
	moments, err := k.moments(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for name := range moments {
		if k.unusedFor(name) >= keptMoment {
			faults = append(faults, k.Catalog.Withdraw(name))
		}
	}
	return errors.Join(faults...)
}

func (k *Keeper) unusedFor(name string) time.Duration {
	now := k.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used[name].IsZero() {
		k.used[name] = now
	}
	unused := now.Sub(k.used[name])
	if unused >= keptMoment {
		delete(k.used, name)
	}
	return unused
}

// moments gives the names of those that are published.
func (k *Keeper) moments(ctx context.Context) (map[string]bool, error) {
	publications, err := k.Catalog.Publications(ctx)
	moments := map[string]bool{}
	for _, p := range publications {
		if isMoment(p.Repository) {
			moments[p.Repository] = true
		}
	}
	return moments, err
}

// makeRoom withdraws the moments that were not asked for the longest.
func (k *Keeper) makeRoom(ctx context.Context) error {
	moments, err := k.moments(ctx)
	if err != nil {
		return err
	}
	for len(moments) >= keptMoments {
		last, err := k.leastUsed(moments)
		if err != nil {
			return err
		}
		if err := k.Catalog.Withdraw(last); err != nil {
			return err
		}
		delete(moments, last)
	}
	return nil
}

// leastUsed counts those that were not asked for since the start as the first
// to go.
func (k *Keeper) leastUsed(moments map[string]bool) (last string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name := range moments {
		if last == "" || k.used[name].Before(k.used[last]) {
			last = name
		}
	}
	if k.Now().Sub(k.used[last]) < busyMoment {
		return "", fmt.Errorf("%d earlier states were all asked for within %s, and more are not served at a time", len(moments), busyMoment)
	}
	delete(k.used, last)
	return last, nil
}

func isMoment(repository string) bool {
	_, id, ok := catalog.CutSnapshotRepository(repository)
	_, err := time.Parse(momentFormat, id)
	return ok && err == nil
}
