package daemon

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

// parallelSuites is how many suites are refreshed at a time.
const parallelSuites = 4

// Sync refreshes archives and publishes what is new, or looks what that would be.
func (d *Daemon) Sync(_ context.Context, by admin.Caller, r admin.SyncRequest, news func(admin.Event)) (*admin.SyncResult, error) {
	if r.DryRun {
		return d.preview(r.Archives, news)
	}
	return d.sync(by.String(), r.Archives, d.downloadSuites, news)
}

// refreshOnly is for sync to end with.
func refreshOnly(context.Context, []admin.SuiteResult, func(admin.Event)) {}

// sync refreshes archives and builds what is made from them. It ends with what
// may take days: nobody waits for that, since what is lacking comes when it is
// asked for.
func (d *Daemon) sync(by string, names []string, last func(context.Context, []admin.SuiteResult, func(admin.Event)), news func(admin.Event)) (*admin.SyncResult, error) {
	archives, without, err := d.chosen(names)
	if err != nil {
		return nil, err
	}
	result := &admin.SyncResult{}
	err = d.jobs.Run(catalog.Job{Kind: "sync", Names: names, By: by}, func(ctx context.Context, job uint64) (string, error) {
		tell := d.jobs.News(job, news)
		result.Suites = d.forEach(ctx, suitesOf(archives), d.refreshSuite, outcome.Event, tell)
		built := d.builds.Build(ctx, by, without, tell)
		last(ctx, result.Suites, tell)
		result.Suites = append(result.Suites, built...)
		return outcome.Summary(result.Suites), outcome.Of(ctx, result.Suites)
	})
	return result, err
}

func suitesOf(archives []*inforce.Archive) (suites []inforce.SuiteKey) {
	for _, a := range archives {
		for _, suite := range a.Suites {
			suites = append(suites, inforce.SuiteKey{Archive: a.Name, Suite: suite})
		}
	}
	return suites
}

// forEach works on every suite and gives the outcomes in their order; each is
// told as soon as it is there.
func (d *Daemon) forEach(ctx context.Context, suites []inforce.SuiteKey,
	do func(context.Context, inforce.SuiteKey, func(admin.Event)) admin.SuiteResult,
	eventOf func(admin.SuiteResult) admin.Event, news func(admin.Event),
) []admin.SuiteResult {
	results := make([]admin.SuiteResult, len(suites))
	var telling sync.Mutex // held while news is told
	tell := func(e admin.Event) {
		telling.Lock()
		defer telling.Unlock()
		news(e)
	}
	var group errgroup.Group
	group.SetLimit(parallelSuites)
	for i, k := range suites {
		group.Go(func() error {
			heard, stop := whileQuiet(func(since time.Duration) { tell(admin.Event{Text: d.stillAtIt(k, since)}) })
			results[i] = do(ctx, k, func(e admin.Event) { heard(); tell(e) })
			stop()
			if ctx.Err() == nil || results[i].Error == "" { // that it was ended is no fault of the suite
				tell(eventOf(results[i]))
			}
			return nil
		})
	}
	group.Wait()
	return results
}

// refreshSuite brings one suite up to date and publishes it, from the start
// where its archive is changed meanwhile.
func (d *Daemon) refreshSuite(ctx context.Context, k inforce.SuiteKey, _ func(admin.Event)) (result admin.SuiteResult) {
	d.during(ctx, k, &result, func(ctx context.Context, a *inforce.Archive) { result = d.refreshOnce(ctx, a, k.Suite) })
	return result
}

// during works on a suite as long as its archive is in force as it is, and again
// once a changed one is. Where there is none any more, the result says so.
func (d *Daemon) during(ctx context.Context, k inforce.SuiteKey, result *admin.SuiteResult, do func(context.Context, *inforce.Archive)) {
	var a *inforce.Archive
	of := func() (_ *inforce.Tenure, err error) {
		if a, err = d.inForce.Load().ArchiveOf(k); err != nil {
			return nil, err
		}
		return a.Tenure, nil
	}
	if err := inforce.During(ctx, of, func(ctx context.Context) { do(ctx, a) }); err != nil {
		*result = admin.SuiteResult{Archive: k.Archive, Suite: k.Suite, Error: err.Error()}
	}
}

func (d *Daemon) refreshOnce(ctx context.Context, a *inforce.Archive, suite string) admin.SuiteResult {
	result := admin.SuiteResult{Archive: a.Name, Suite: suite}
	free, err := d.takeSuite(ctx, inforce.SuiteKey{Archive: a.Name, Suite: suite})
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer free()
	refreshed, err := d.upstream.Refresh(ctx, a.Archive, suite)
	if err == nil {
		err = d.publish(ctx, refreshed.Generation)
	}
	if ended := context.Cause(ctx); ended != nil {
		result.Error = ended.Error() // of no consequence where the archive is another now: it is done again
		return result
	}
	if err != nil {
		outcome.Fail(&result, err)
		d.Log.Warn("refreshing a suite failed", "archive", a.Name, "suite", suite, "reason", result.Reason, "error", err)
		return result
	}
	g := refreshed.Generation
	if err := d.recipes.Sight(ctx, g); err != nil && ctx.Err() == nil {
		d.Log.Error("holds may end too late", "archive", a.Name, "suite", suite, "error", err)
	}
	result.Missing, result.LeftOut = g.Missing, outcome.LeftOut(g.LeftOut)
	result.Generation, result.New, result.Date, result.Packages = g.Number, refreshed.New, g.Date, g.Packages
	result.Signers = outcome.Signers(g)
	return result
}

// takeSuite waits until nothing else works on a suite; free ends the turn.
func (d *Daemon) takeSuite(ctx context.Context, k inforce.SuiteKey) (free func(), err error) {
	return d.suites.Take(ctx, k.String())
}
