package builds

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// Last is what the catalog keeps of the last build of a suite, for status.
type Last struct {
	At    time.Time `json:"at"`
	OK    time.Time `json:"ok,omitzero"`
	Error string    `json:"error,omitempty"`
	// Ends is the first Valid-Until of what the last build that worked was made
	// from; zero where none of it has any.
	Ends time.Time `json:"ends,omitzero"`
	// The rest is of the last build that read its inputs.
	Offered  int      `json:"offered,omitempty"`
	Selected int      `json:"selected,omitempty"`
	Held     int      `json:"held,omitempty"`
	Unmet    []string `json:"unmet,omitempty"`
}

func buildNote(b inforce.BuiltSuite) string { return "built " + b.Repository + " " + b.Suite }

// Ask asks for a build soon, because something has changed.
func (w *Workshop) Ask(why string) {
	select {
	case w.changes <- why:
	default: // one is due already
	}
}

// Due says why a build is needed although nothing was changed.
func (w *Workshop) Due(ctx context.Context) string {
	m := w.InForce()
	for _, b := range m.Order() {
		g, err := w.Catalog.Latest(ctx, catalog.BuiltBy(b.Repository), b.Suite)
		if err == nil && !g.Next.IsZero() && !w.Now().Before(g.Next) {
			return "the end of a hold"
		}
	}
	publications, err := w.Catalog.Publications(ctx)
	if err != nil {
		return ""
	}
	for _, p := range publications {
		if why := w.renewalOf(ctx, m, p); why != "" {
			return why
		}
	}
	return ""
}

// Job builds and signs what has changed, without some suites, as a job.
func (w *Workshop) Job(ctx context.Context, why string, without map[inforce.BuiltSuite]bool) error {
	if len(w.InForce().Built()) == 0 {
		return nil
	}
	err := w.Jobs.Run(catalog.Job{Kind: "build", Names: []string{why}, By: jobs.BySchedule}, func(ctx context.Context, job uint64) (string, error) {
		results := w.Build(ctx, jobs.BySchedule, without, w.Jobs.News(job, func(admin.Event) {}))
		return outcome.Summary(results), outcome.Of(ctx, results)
	})
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("building failed; what was served before still is", "why", why, "error", err)
	}
	return err
}

// Build builds every suite whose inputs have changed but for some, those first that
// others are made from, publishes what is new and signs again what is due. Where
// they are to be made in another way meanwhile, it begins again.
func (w *Workshop) Build(ctx context.Context, by string, without map[inforce.BuiltSuite]bool, tell func(admin.Event)) (results []admin.SuiteResult) {
	if len(w.InForce().Built()) == 0 {
		return nil
	}
	err := inforce.During(ctx, func() (*inforce.Tenure, error) { return w.InForce().Making, nil }, func(ctx context.Context) {
		results = w.buildWith(ctx, by, without, tell)
	})
	if err != nil {
		results = []admin.SuiteResult{{Error: err.Error()}}
	}
	return results
}

// buildWith has one build run at a time: each takes the memory of an
// architecture's packages.
func (w *Workshop) buildWith(ctx context.Context, by string, without map[inforce.BuiltSuite]bool, tell func(admin.Event)) (results []admin.SuiteResult) {
	free, err := wait.Slot(ctx, w.building)
	if err != nil {
		return []admin.SuiteResult{{Error: err.Error()}}
	}
	defer free()
	m := w.InForce() // others may have come, and been built with, while this waited
	if len(m.Built()) == 0 {
		return nil
	}
	for _, b := range m.Order() {
		if without[b] {
			continue
		}
		r := w.buildSuite(ctx, m, b, by)
		if context.Cause(ctx) == inforce.ErrReplaced {
			return nil
		}
		results = append(results, r)
		tell(outcome.Event(r))
	}
	if _, err := w.renewAll(ctx, by); err != nil && context.Cause(ctx) != inforce.ErrReplaced {
		results = append(results, admin.SuiteResult{Error: err.Error()})
		tell(outcome.Event(results[len(results)-1]))
	}
	return results
}

// buildSuite brings one built suite up to date; on an error, what was served
// before stays.
func (w *Workshop) buildSuite(ctx context.Context, m *inforce.Parts, b inforce.BuiltSuite, by string) admin.SuiteResult {
	result, began := admin.SuiteResult{Repository: b.Repository, Suite: b.Suite}, w.Now()
	defer func() { w.rests.note(b, began, w.Now()) }()
	r, s, _ := m.Suite(b.Repository, b.Suite)
	before, ends := w.last(b).Ends, resign.ValidUntil(time.Time{}, 0, w.inputEnds(m, s)...)
	built, err := w.build(ctx, m, r, s)
	if err == nil {
		err = w.noteEnds(b, ends)
	}
	if err == nil {
		if result.New, err = w.publishBuilt(ctx, b, built, by); err != nil {
			err = errors.Join(err, w.noteEnds(b, before)) // clients still have what ends then
		}
	}
	if err == nil {
		// Told at once, and not only when it is time to sign again.
		_, err = w.header(m, b.Repository, b.Suite)
	}
	if ended := context.Cause(ctx); ended == inforce.ErrReplaced || ended != nil && err != nil {
		result.Error = ended.Error() // which is no fault of the suite
		return result
	}
	w.noteBuild(b, built, err)
	if err != nil {
		result.Error = err.Error()
		w.Log.Warn("building a suite failed", "repository", b.Repository, "suite", b.Suite, "error", err)
		return result
	}
	g := built.Generation
	result.Generation, result.Date, result.Packages, result.Missing = g.Number, g.Created, g.Packages, g.Missing
	return result
}

func (w *Workshop) build(ctx context.Context, m *inforce.Parts, r config.Repository, s config.Suite) (resign.Built, error) {
	if err := m.Faults[s.Policy]; err != nil {
		return resign.Built{}, fmt.Errorf("building repository %s, suite %s: %w", r.Name, s.Name, err)
	}
	recipe, err := w.Recipes.Of(ctx, m.Config, m.Policies, r.Name, s)
	if err != nil {
		return resign.Built{}, err
	}
	if err := w.bringOthers(ctx, recipe); err != nil {
		return resign.Built{}, err
	}
	return w.Builder.Build(ctx, recipe)
}

// bringOthers fetches translations that the store lacks. A suite is built
// without what cannot be had.
func (w *Workshop) bringOthers(ctx context.Context, r resign.Recipe) error {
	lacking, err := w.Builder.Lacking(ctx, r)
	if err != nil {
		return err
	}
	for _, f := range lacking {
		if a := w.Upstream.Archive(f.Archive); a == nil || len(a.URIs) == 0 {
			continue
		}
		if err := w.Upstream.Restore(ctx, f); err != nil && ctx.Err() == nil {
			w.Log.Warn("a suite is built without an index that cannot be had", "repository", r.Repository, "suite", r.Suite, "path", f.Path, "error", err)
		}
	}
	return ctx.Err()
}

// publishBuilt makes a generation current unless clients would see no
// difference.
func (w *Workshop) publishBuilt(ctx context.Context, b inforce.BuiltSuite, built resign.Built, by string) (isNew bool, err error) {
	p, err := w.Catalog.PublicationOrNone(b.Repository, b.Suite)
	if err != nil {
		return false, err
	}
	g := built.Generation
	if p.Current == g.Ref() || w.looksTheSame(ctx, p, g) {
		return false, nil
	}
	if _, err = w.Move(ctx, catalog.Move{Repository: b.Repository, Suite: b.Suite, Expect: p.Current, Next: g.Ref(), By: by, Why: "a build"}); err != nil {
		return false, err
	}
	w.Log.Info("published", "repository", b.Repository, "suite", b.Suite, "generation", g.Number, "packages", g.Packages)
	return true, nil
}

// looksTheSame reports whether a publication has the contents of g already. One
// that cannot be read has not.
func (w *Workshop) looksTheSame(ctx context.Context, p catalog.Publication, g catalog.Generation) bool {
	current, err := w.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	if err != nil || current.Manifest != g.Manifest {
		return false
	}
	ours, err := resign.ReadFields(ctx, w.Blobs, current)
	if err != nil {
		return false
	}
	next, err := resign.ReadFields(ctx, w.Blobs, g)
	return err == nil && ours.Listing == next.Listing
}

// noteEnds comes before signing, which looks at it.
func (w *Workshop) noteEnds(b inforce.BuiltSuite, ends time.Time) error {
	last := w.last(b)
	if last.Ends.Equal(ends) {
		return nil
	}
	last.Ends = ends
	return w.Catalog.SaveNote(buildNote(b), last)
}

func (w *Workshop) noteBuild(b inforce.BuiltSuite, built resign.Built, failed error) {
	last := w.last(b)
	last.At, last.Error = w.Now().UTC(), ""
	if failed != nil {
		last.Error = failed.Error()
	} else {
		last.OK = last.At
	}
	if built.New {
		last.Offered, last.Selected, last.Held, last.Unmet = built.Offered, built.Selected, built.Held, built.Unmet
	}
	if err := w.Catalog.SaveNote(buildNote(b), last); err != nil {
		w.Log.Error("recording a build failed", "repository", b.Repository, "suite", b.Suite, "error", err)
	}
}

// Last tells of the last build of a suite; it is empty where there was none.
func (w *Workshop) Last(b inforce.BuiltSuite) (last Last, err error) {
	if err = w.Catalog.Note(buildNote(b), &last); errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return last, err
}

// last is Last for who can do without.
func (w *Workshop) last(b inforce.BuiltSuite) Last {
	last, _ := w.Last(b)
	return last
}
