package daemon

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

// lastBuild is what the catalog keeps of the last build of a suite, for status.
type lastBuild struct {
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

// rebuild asks for a build soon, because something has changed.
func (d *Daemon) rebuild(why string) {
	select {
	case d.changes <- why:
	default: // one is due already
	}
}

// due says why a build is needed although nothing was changed.
func (d *Daemon) due(ctx context.Context) string {
	m := d.inForce.Load()
	for _, b := range m.Order() {
		g, err := d.cache.Catalog.Latest(ctx, catalog.BuiltBy(b.Repository), b.Suite)
		if err == nil && !g.Next.IsZero() && !d.Now().Before(g.Next) {
			return "the end of a hold"
		}
	}
	publications, err := d.cache.Catalog.Publications(ctx)
	if err != nil {
		return ""
	}
	for _, p := range publications {
		if why := d.renewalOf(ctx, m, p); why != "" {
			return why
		}
	}
	return ""
}

// buildJob builds and signs what has changed, without some suites, as a job.
func (d *Daemon) buildJob(ctx context.Context, why string, without map[inforce.BuiltSuite]bool) error {
	if len(d.inForce.Load().Built()) == 0 {
		return nil
	}
	err := d.jobs.Run(catalog.Job{Kind: "build", Names: []string{why}, By: jobs.BySchedule}, func(ctx context.Context, job uint64) (string, error) {
		results := d.buildSuites(ctx, jobs.BySchedule, without, d.jobs.News(job, func(admin.Event) {}))
		return outcome.Summary(results), outcome.Of(ctx, results)
	})
	if err != nil && ctx.Err() == nil {
		d.Log.Warn("building failed; what was served before still is", "why", why, "error", err)
	}
	return err
}

// buildAll builds every suite whose inputs have changed, those first that others
// are made from, publishes what is new and signs again what is due.
func (d *Daemon) buildAll(ctx context.Context, by string, tell func(admin.Event)) []admin.SuiteResult {
	return d.buildSuites(ctx, by, nil, tell)
}

// buildSuites leaves some suites out. Where the others are to be made in
// another way meanwhile, it begins again.
func (d *Daemon) buildSuites(ctx context.Context, by string, without map[inforce.BuiltSuite]bool, tell func(admin.Event)) (results []admin.SuiteResult) {
	for {
		m := d.inForce.Load()
		if len(m.Built()) == 0 {
			return nil
		}
		within, leave, err := m.Making.Enter(ctx)
		if err == nil {
			results = d.buildWith(within, by, without, tell)
			err = context.Cause(within)
			leave()
		} else {
			results = []admin.SuiteResult{{Error: err.Error()}}
		}
		if !errors.Is(err, inforce.ErrReplaced) {
			return results
		}
	}
}

// buildWith has one build run at a time: each takes the memory of an
// architecture's packages.
func (d *Daemon) buildWith(ctx context.Context, by string, without map[inforce.BuiltSuite]bool, tell func(admin.Event)) (results []admin.SuiteResult) {
	free, err := wait.Slot(ctx, d.building)
	if err != nil {
		return []admin.SuiteResult{{Error: err.Error()}}
	}
	defer free()
	m := d.inForce.Load() // others may have come, and been built with, while this waited
	for _, b := range m.Order() {
		if without[b] {
			continue
		}
		r := d.buildSuite(ctx, m, b, by)
		if context.Cause(ctx) == inforce.ErrReplaced {
			return nil
		}
		results = append(results, r)
		tell(outcome.Event(r))
	}
	if _, err := d.renewAll(ctx, by); err != nil && context.Cause(ctx) != inforce.ErrReplaced {
		results = append(results, admin.SuiteResult{Error: err.Error()})
		tell(outcome.Event(results[len(results)-1]))
	}
	return results
}

// buildSuite brings one built suite up to date; on an error, what was served
// before stays.
func (d *Daemon) buildSuite(ctx context.Context, m *inforce.Parts, b inforce.BuiltSuite, by string) admin.SuiteResult {
	result, began := admin.SuiteResult{Repository: b.Repository, Suite: b.Suite}, d.Now()
	defer func() { d.rests.note(b, began, d.Now()) }()
	r, s, _ := m.Suite(b.Repository, b.Suite)
	before, ends := d.lastBuild(b).Ends, resign.ValidUntil(time.Time{}, 0, d.inputEnds(m, s)...)
	built, err := d.build(ctx, m, r, s)
	if err == nil {
		err = d.noteEnds(b, ends)
	}
	if err == nil {
		if result.New, err = d.publishBuilt(ctx, b, built, by); err != nil {
			err = errors.Join(err, d.noteEnds(b, before)) // clients still have what ends then
		}
	}
	if err == nil {
		// Told at once, and not only when it is time to sign again.
		_, err = d.header(m, b.Repository, b.Suite)
	}
	if ended := context.Cause(ctx); ended == inforce.ErrReplaced || ended != nil && err != nil {
		result.Error = ended.Error() // which is no fault of the suite
		return result
	}
	d.noteBuild(b, built, err)
	if err != nil {
		result.Error = err.Error()
		d.Log.Warn("building a suite failed", "repository", b.Repository, "suite", b.Suite, "error", err)
		return result
	}
	g := built.Generation
	result.Generation, result.Date, result.Packages, result.Missing = g.Number, g.Created, g.Packages, g.Missing
	return result
}

func (d *Daemon) build(ctx context.Context, m *inforce.Parts, r config.Repository, s config.Suite) (resign.Built, error) {
	if err := m.Faults[s.Policy]; err != nil {
		return resign.Built{}, fmt.Errorf("building repository %s, suite %s: %w", r.Name, s.Name, err)
	}
	recipe, err := d.recipes.Of(ctx, m.Config, m.Policies, r.Name, s)
	if err != nil {
		return resign.Built{}, err
	}
	if err := d.bringOthers(ctx, recipe); err != nil {
		return resign.Built{}, err
	}
	return d.builder.Build(ctx, recipe)
}

// bringOthers fetches translations that the store lacks. A suite is built
// without what cannot be had.
func (d *Daemon) bringOthers(ctx context.Context, r resign.Recipe) error {
	lacking, err := d.builder.Lacking(ctx, r)
	if err != nil {
		return err
	}
	for _, f := range lacking {
		if a := d.upstream.Archive(f.Archive); a == nil || len(a.URIs) == 0 {
			continue
		}
		if err := d.upstream.Restore(ctx, f); err != nil && ctx.Err() == nil {
			d.Log.Warn("a suite is built without an index that cannot be had", "repository", r.Repository, "suite", r.Suite, "path", f.Path, "error", err)
		}
	}
	return ctx.Err()
}

// publishBuilt makes a generation current unless clients would see no
// difference.
func (d *Daemon) publishBuilt(ctx context.Context, b inforce.BuiltSuite, built resign.Built, by string) (isNew bool, err error) {
	p, err := d.cache.Catalog.PublicationOrNone(b.Repository, b.Suite)
	if err != nil {
		return false, err
	}
	g := built.Generation
	if p.Current == g.Ref() || d.looksTheSame(ctx, p, g) {
		return false, nil
	}
	if _, err = d.move(ctx, catalog.Move{Repository: b.Repository, Suite: b.Suite, Expect: p.Current, Next: g.Ref(), By: by, Why: "a build"}); err != nil {
		return false, err
	}
	d.Log.Info("published", "repository", b.Repository, "suite", b.Suite, "generation", g.Number, "packages", g.Packages)
	return true, nil
}

// looksTheSame reports whether a publication has the contents of g already. One
// that cannot be read has not.
func (d *Daemon) looksTheSame(ctx context.Context, p catalog.Publication, g catalog.Generation) bool {
	current, err := d.cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	if err != nil || current.Manifest != g.Manifest {
		return false
	}
	ours, err := resign.ReadFields(ctx, d.cache.Blobs, current)
	if err != nil {
		return false
	}
	next, err := resign.ReadFields(ctx, d.cache.Blobs, g)
	return err == nil && ours.Listing == next.Listing
}

// noteEnds comes before signing, which looks at it.
func (d *Daemon) noteEnds(b inforce.BuiltSuite, ends time.Time) error {
	last := d.lastBuild(b)
	if last.Ends.Equal(ends) {
		return nil
	}
	last.Ends = ends
	return d.cache.Catalog.SaveNote(buildNote(b), last)
}

// lastBuild is empty where there was none.
func (d *Daemon) lastBuild(b inforce.BuiltSuite) (last lastBuild) {
	_ = d.cache.Catalog.Note(buildNote(b), &last) // of the first build there is none
	return last
}

func (d *Daemon) noteBuild(b inforce.BuiltSuite, built resign.Built, failed error) {
	last := d.lastBuild(b)
	last.At, last.Error = d.Now().UTC(), ""
	if failed != nil {
		last.Error = failed.Error()
	} else {
		last.OK = last.At
	}
	if built.New {
		last.Offered, last.Selected, last.Held, last.Unmet = built.Offered, built.Selected, built.Held, built.Unmet
	}
	if err := d.cache.Catalog.SaveNote(buildNote(b), last); err != nil {
		d.Log.Error("recording a build failed", "repository", b.Repository, "suite", b.Suite, "error", err)
	}
}

// poolChanged has built what is made from a pool: soon, or at once where nothing
// else would before this process ends.
func (d *Daemon) poolChanged(ctx context.Context, name string) {
	if why := "pool " + name; d.reloading() != nil {
		d.rebuild(why)
	} else {
		d.buildJob(ctx, why, nil)
	}
}
