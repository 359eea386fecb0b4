package daemon

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
func (s *states) moment(ctx context.Context, repository string, t time.Time) (string, error) {
	now := s.daemon.Now()
	if t.After(now) {
		return "", &proxy.UnknownSnapshotError{Text: fmt.Sprintf("%s is yet to come: it is %s", t.Format(momentFormat), now.UTC().Format(momentFormat))}
	}
	pins, began, err := s.pinsAt(s.daemon.inForce.Load(), repository, t)
	if err != nil {
		return "", err
	}
	if len(pins) == 0 {
		return "", &proxy.UnknownSnapshotError{Text: fmt.Sprintf("nothing of %s is known of %s%s", repository, t.Format(momentFormat), s.oldest(repository))}
	}
	served := catalog.SnapshotRepository(repository, began.UTC().Format(momentFormat))
	if s.daemon.cache.Catalog.HasRepository(served) {
		s.touch(served)
		return served, nil
	}
	return served, s.ready(ctx, served, pins, t)
}

// pinsAt gives what was current at t, and since when all of it was.
func (s *states) pinsAt(f *inforce.Parts, repository string, t time.Time) (pins []catalog.Pin, began time.Time, err error) {
	for _, suite := range f.Served()[repository] {
		m, err := s.daemon.cache.Catalog.At(repository, suite, t)
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
func (s *states) isWhole(f *inforce.Parts, served string, suites []string) bool {
	repository, id, _ := catalog.CutSnapshotRepository(served)
	t, err := time.Parse(momentFormat, id)
	if err != nil {
		return false
	}
	pins, _, err := s.pinsAt(f, repository, t)
	return err == nil && !slices.ContainsFunc(pins, func(p catalog.Pin) bool { return !slices.Contains(suites, p.Suite) })
}

// oldest tells from when on there is something.
func (s *states) oldest(repository string) string {
	var first time.Time
	for _, suite := range s.daemon.inForce.Load().Served()[repository] {
		m, err := s.daemon.cache.Catalog.Oldest(repository, suite)
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
func (s *states) ready(ctx context.Context, served string, pins []catalog.Pin, t time.Time) error {
	d := s.daemon
	if err := s.stillThere(ctx, pins, t); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, momentPatience)
	defer cancel()
	free, err := wait.Slot(ctx, s.slot)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	d.jobs.Go(func() {
		defer free()
		done <- s.publish(d.life, served, pins)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publish needs the slot.
func (s *states) publish(ctx context.Context, served string, pins []catalog.Pin) error {
	d := s.daemon
	if d.cache.Catalog.HasRepository(served) {
		return nil // while this waited
	}
	if err := s.makeRoom(ctx); err != nil {
		return err
	}
	_, id, _ := catalog.CutSnapshotRepository(served)
	var suites []string
	for _, p := range pins {
		if err := d.publishState(ctx, p, id, "a client"); err != nil {
			return err
		}
		suites = append(suites, p.Suite)
	}
	d.cache.Catalog.ServeRepository(served, suites)
	s.touch(served)
	d.Log.Info("an earlier state is served", "repository", served, "suites", len(suites))
	return nil
}

// stillThere refuses moments of which a generation was removed.
func (s *states) stillThere(ctx context.Context, pins []catalog.Pin, t time.Time) error {
	for _, p := range pins {
		_, err := s.daemon.cache.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
		if !errors.Is(err, catalog.ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		return s.gone(ctx, p.Repository, t)
	}
	return nil
}

// gone names the snapshots nearest to a moment that is not kept.
func (s *states) gone(ctx context.Context, repository string, t time.Time) error {
	all, err := s.snapshotsOf(ctx, repository)
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

func (s *states) touch(served string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[served] = s.daemon.Now()
}

// expire withdraws the moments that nobody has asked for in a long time. Those
// from before the start count as asked for when they are first seen.
func (s *states) expire(ctx context.Context) error {
	moments, err := s.moments(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for name := range moments {
		if s.unusedFor(name) >= keptMoment {
			faults = append(faults, s.daemon.cache.Catalog.Withdraw(name))
		}
	}
	return errors.Join(faults...)
}

func (s *states) unusedFor(name string) time.Duration {
	now := s.daemon.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[name].IsZero() {
		s.used[name] = now
	}
	unused := now.Sub(s.used[name])
	if unused >= keptMoment {
		delete(s.used, name)
	}
	return unused
}

// moments gives the names of those that are published.
func (s *states) moments(ctx context.Context) (map[string]bool, error) {
	publications, err := s.daemon.cache.Catalog.Publications(ctx)
	moments := map[string]bool{}
	for _, p := range publications {
		if isMoment(p.Repository) {
			moments[p.Repository] = true
		}
	}
	return moments, err
}

// makeRoom withdraws the moments that were not asked for the longest.
func (s *states) makeRoom(ctx context.Context) error {
	moments, err := s.moments(ctx)
	if err != nil {
		return err
	}
	for len(moments) >= keptMoments {
		last, err := s.leastUsed(moments)
		if err != nil {
			return err
		}
		if err := s.daemon.cache.Catalog.Withdraw(last); err != nil {
			return err
		}
		delete(moments, last)
	}
	return nil
}

// leastUsed counts those that were not asked for since the start as the first
// to go.
func (s *states) leastUsed(moments map[string]bool) (last string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range moments {
		if last == "" || s.used[name].Before(s.used[last]) {
			last = name
		}
	}
	if s.daemon.Now().Sub(s.used[last]) < busyMoment {
		return "", fmt.Errorf("%d earlier states were all asked for within %s, and more are not served at a time", len(moments), busyMoment)
	}
	delete(s.used, last)
	return last, nil
}

func isMoment(repository string) bool {
	_, id, ok := catalog.CutSnapshotRepository(repository)
	_, err := time.Parse(momentFormat, id)
	return ok && err == nil
}
