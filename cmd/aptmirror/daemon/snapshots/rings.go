package snapshots

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cache/bundle"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// ringMove is what one suite of a ring is to serve, and why.
type ringMove struct {
	suite    string
	before   catalog.Publication // empty: nothing was published yet
	next     catalog.Ref
	snapshot string // from which next comes; "" if that is not known
	why      string
}

// Publish makes the suites of a ring serve what a snapshot pins.
func (k *Keeper) Publish(ctx context.Context, by admin.Caller, r admin.PublishRequest, news func(admin.Event)) (*admin.PublishResult, error) {
	s, err := k.Named(r.Snapshot)
	if err != nil {
		return nil, err
	}
	suites, err := k.ringSuites(r.Repository, r.Suite)
	if err != nil {
		return nil, err
	}
	var moves []ringMove
	for _, suite := range suites {
		pin, ok := pinFor(s, r.Repository, suite)
		if !ok {
			continue
		}
		before, err := k.Catalog.PublicationOrNone(r.Repository, suite.Name)
		if err != nil {
			return nil, err
		}
		moves = append(moves, ringMove{suite.Name, before, pin.Ref, s.Name, "snapshot " + s.Name + reason(r.Why)})
	}
	if len(moves) == 0 {
		return nil, &admin.Error{Text: fmt.Sprintf("snapshot %s has nothing of %s, from which repository %s takes its suites", s.Name, sourcesOf(suites), r.Repository), Exit: admin.ExitUsage}
	}
	if err := k.tellIncomplete(ctx, s, news); err != nil {
		return nil, err
	}
	return k.moveRing(ctx, by, r.Repository, "publish", r.DryRun, moves, news)
}

// tellIncomplete warns of packages that a ring could not give once upstream has
// dropped them.
func (k *Keeper) tellIncomplete(ctx context.Context, s catalog.Snapshot, news func(admin.Event)) error {
	if !s.Completed.IsZero() {
		return nil
	}
	count, err := k.countPinned(ctx, s)
	if missing := count.Missing(); err == nil && missing > 0 {
		news(admin.Event{Time: k.Now().UTC(), Text: fmt.Sprintf("%d of %d packages of snapshot %s are not in the store, and come as long as upstream has them: aptmirror snapshot complete %s fetches and keeps them", missing, count.Wanted.Files, s.Name, s.Name)})
	}
	return err
}

// Rollback makes the suites of a ring serve what they served before.
func (k *Keeper) Rollback(ctx context.Context, by admin.Caller, r admin.RollbackRequest, news func(admin.Event)) (*admin.PublishResult, error) {
	suites, err := k.ringSuites(r.Repository, r.Suite)
	if err != nil {
		return nil, err
	}
	var moves []ringMove
	for _, suite := range suites {
		before, err := k.Catalog.PublicationOrNone(r.Repository, suite.Name)
		if err != nil {
			return nil, err
		}
		if before.Previous == (catalog.Ref{}) {
			continue
		}
		snapshot, err := k.snapshotBehind(ctx, r.Repository, suite.Name, before.Previous)
		if err != nil {
			return nil, err
		}
		moves = append(moves, ringMove{suite.Name, before, before.Previous, snapshot, "rollback" + reason(r.Why)})
	}
	if len(moves) == 0 {
		return nil, &admin.Error{Text: fmt.Sprintf("there is nothing to go back to: no suite of repository %s has served anything else before", r.Repository), Exit: admin.ExitUsage}
	}
	if err := k.tellMissing(ctx, moves, news); err != nil {
		return nil, err
	}
	return k.moveRing(ctx, by, r.Repository, "rollback", r.DryRun, moves, news)
}

// tellMissing is tellIncomplete for what a ring goes back to, which may be part
// of no snapshot any more.
func (k *Keeper) tellMissing(ctx context.Context, moves []ringMove, news func(admin.Event)) error {
	var count bundle.Counted
	for _, m := range moves {
		if err := k.tally(ctx, m.next, &count); err != nil {
			return fmt.Errorf("suite %s: looking what it served before: %w", m.suite, err)
		}
	}
	if missing := count.Missing(); missing > 0 {
		news(admin.Event{Time: k.Now().UTC(), Text: fmt.Sprintf("%d of %d packages of what was served before are not in the store, and come as long as upstream has them: a complete snapshot of it fetches and keeps them", missing, count.Wanted.Files)})
	}
	return nil
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// ringSuites gives the suites of a ring, or the one of that name.
func (k *Keeper) ringSuites(repository, suite string) (suites []config.Suite, err error) {
	r, _, err := k.repository(repository)
	if err != nil {
		return nil, err
	}
	for _, s := range r.Suites {
		if s.Ring() && (suite == "" || s.Name == suite) {
			suites = append(suites, s)
		}
	}
	if len(suites) > 0 {
		return suites, nil
	}
	what := "repository " + repository
	if suite != "" {
		what += ", suite " + suite + ","
	}
	return nil, &admin.Error{Text: what + ` is no ring: only suites with publish = "manual" are published to by hand, others follow what they are made from`, Exit: admin.ExitUsage}
}

func sourcesOf(suites []config.Suite) string {
	var names []string
	for _, s := range suites {
		names = append(names, s.From[0].String())
	}
	return strings.Join(names, ", ")
}

// pinFor finds what a snapshot has for a suite of a ring: of the suite from
// which that is taken, or of the ring itself.
func pinFor(s catalog.Snapshot, ring string, suite config.Suite) (catalog.Pin, bool) {
	from := suite.From[0]
	for _, want := range []pinned{{Repository: from.Name, Suite: from.Suite}, {Repository: ring, Suite: suite.Name}} {
		if i := slices.IndexFunc(s.Pins, func(p catalog.Pin) bool { return pinned(p).sameSuite(want) }); i >= 0 {
			return s.Pins[i], true
		}
	}
	return catalog.Pin{}, false
}

// lookedAt is how much of the history is searched for where a generation came
// from; signing again is most of it.
const lookedAt = 1000

// snapshotBehind gives the snapshot from which a suite once got a generation,
// if it is still there.
func (k *Keeper) snapshotBehind(ctx context.Context, repository, suite string, r catalog.Ref) (string, error) {
	moves, err := k.Catalog.History(ctx, repository, suite, lookedAt)
	for _, m := range moves {
		if m.Current != r || m.Snapshot == "" {
			continue
		}
		if _, err := k.Catalog.Snapshot(m.Snapshot); errors.Is(err, catalog.ErrNotFound) {
			return "", nil
		}
		return m.Snapshot, nil
	}
	return "", err
}

// moveRing publishes, suite by suite, or only tells what would change.
func (k *Keeper) moveRing(ctx context.Context, by admin.Caller, repository, kind string, dryRun bool, moves []ringMove, news func(admin.Event)) (*admin.PublishResult, error) {
	result := &admin.PublishResult{DryRun: dryRun, Suites: []admin.Published{}}
	if dryRun {
		return result, k.previewRing(ctx, repository, moves, result)
	}
	err := k.Jobs.Run(catalog.Job{Kind: kind, Names: []string{repository}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		for _, m := range moves {
			p, err := k.moveSuite(ctx, repository, by.String(), m)
			if err != nil {
				return "", movedPartly(result, err)
			}
			result.Suites = append(result.Suites, p)
			news(admin.Event{Time: k.Now().UTC(), Job: job, Suite: m.suite, Text: toldMove(p)})
		}
		return fmt.Sprintf("%d suites", len(result.Suites)), nil
	})
	k.Rebuild("a ring has changed")
	return result, err
}

func movedPartly(result *admin.PublishResult, err error) error {
	if len(result.Suites) == 0 {
		return err
	}
	return &admin.Error{Text: fmt.Sprintf("%d suites are published; then: %v", len(result.Suites), err), Exit: admin.ExitPartly}
}

func toldMove(p admin.Published) string {
	if p.Unchanged {
		return fmt.Sprintf("%s %s serves this already", p.Repository, p.Suite)
	}
	what := fmt.Sprintf("generation %d of %s", p.To.Number, p.To.Archive)
	if p.Snapshot != "" {
		what = "snapshot " + p.Snapshot
	}
	return fmt.Sprintf("%s %s: %s is published, clients see it from now on", p.Repository, p.Suite, what)
}

// moveSuite signs and publishes, unless the suite serves it already. The Date
// is newer also where the packages are older, so that clients follow.
func (k *Keeper) moveSuite(ctx context.Context, repository, by string, m ringMove) (admin.Published, error) {
	out := publishedOf(repository, m)
	if m.before.Current == m.next && m.before.Snapshot == m.snapshot {
		out.Unchanged, out.Published = true, m.before.Published
		return out, nil
	}
	p, err := k.Move(ctx, catalog.Move{Repository: repository, Suite: m.suite, Expect: m.before.Current, Next: m.next, Snapshot: m.snapshot, By: by, Why: m.why})
	if errors.Is(err, catalog.ErrConflict) {
		return out, &admin.Error{Text: fmt.Sprintf("repository %s, suite %s: somebody else published just now: look at aptmirror history %s, and do it again", repository, m.suite, repository), Exit: admin.ExitFailed}
	}
	if err != nil {
		return out, err
	}
	k.Log.Info("published", "repository", repository, "suite", m.suite, "snapshot", m.snapshot, "by", by, "why", m.why)
	out.Published = p.Published
	return out, nil
}

func publishedOf(repository string, m ringMove) admin.Published {
	return admin.Published{
		SuiteName: admin.SuiteName{Repository: repository, Suite: m.suite}, Snapshot: m.snapshot,
		From: generationOr(m.before.Current), To: admin.Generation(m.next),
	}
}

func generationOr(r catalog.Ref) *admin.Generation {
	if r == (catalog.Ref{}) {
		return nil
	}
	g := admin.Generation(r)
	return &g
}

// previewRing compares what is with what would be.
func (k *Keeper) previewRing(ctx context.Context, repository string, moves []ringMove, result *admin.PublishResult) error {
	for _, m := range moves {
		p := publishedOf(repository, m)
		p.Unchanged = m.before.Current == m.next
		if p.From != nil {
			changes, err := k.diffSuites(ctx, m.before.Current, m.next)
			if err != nil {
				return fmt.Errorf("comparing repository %s, suite %s: %w", repository, m.suite, err)
			}
			changes.SuiteName = p.SuiteName
			p.Changes = &changes
		}
		result.Suites = append(result.Suites, p)
	}
	return nil
}

// History tells what was published of a repository, by whom and why.
func (k *Keeper) History(ctx context.Context, r admin.HistoryRequest) (*admin.History, error) {
	_, suites, err := k.repository(r.Repository)
	if err != nil {
		return nil, err
	}
	out := &admin.History{Moves: []admin.Moved{}}
	for _, suite := range suites {
		if r.Suite != "" && suite != r.Suite {
			continue
		}
		moves, err := k.Catalog.History(ctx, r.Repository, suite, lookedAt)
		if err != nil {
			return nil, err
		}
		for _, m := range moves {
			if m.Before != m.Current || r.All {
				out.Moves = append(out.Moves, movedOf(m))
			}
		}
	}
	slices.SortStableFunc(out.Moves, func(a, b admin.Moved) int { return b.Published.Compare(a.Published) })
	return out, nil
}

// TellMove says who made a suite of a ring what it is.
func (k *Keeper) TellMove(ctx context.Context, s *admin.SuiteStatus) error {
	if suites, err := k.ringSuites(s.Repository, s.Suite); err != nil || len(suites) == 0 {
		return nil // it is no ring
	}
	moves, err := k.Catalog.History(ctx, s.Repository, s.Suite, lookedAt)
	for _, m := range moves {
		if m.Before != m.Current {
			s.PublishedBy, s.Why = m.By, m.Why
			break
		}
	}
	return err
}

func movedOf(m catalog.Moved) admin.Moved {
	return admin.Moved{
		SuiteName: admin.SuiteName{Repository: m.Repository, Suite: m.Suite}, Published: m.Published, From: generationOr(m.Before),
		To: admin.Generation(m.Current), Snapshot: m.Snapshot, By: m.By, Why: m.Why,
	}
}
