package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// Accept takes what is held of one suite for good and refreshes the suite.
func (d *Daemon) Accept(_ context.Context, by admin.Caller, r admin.AcceptRequest, news func(admin.Event)) (*admin.AcceptResult, error) {
	f := d.inForce.Load()
	a := f.Archive(r.Archive)
	if a == nil || !slices.Contains(a.Suites, r.Suite) {
		hint := config.DidYouMean(r.Archive, f.Config.ArchiveNames())
		if a != nil {
			hint = config.DidYouMean(r.Suite, a.Suites)
		}
		return nil, &admin.Error{Text: fmt.Sprintf("there is no archive %q with a suite %q in %s%s", r.Archive, r.Suite, f.Config.Path, hint), Exit: admin.ExitUsage}
	}
	var result *admin.AcceptResult
	err := d.jobs.Run(catalog.Job{Kind: "accept", Names: []string{r.Archive, r.Suite}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		held, err := d.acceptHeld(ctx, inforce.SuiteKey{Archive: r.Archive, Suite: r.Suite})
		if err != nil {
			return "", err
		}
		d.Log.Warn("a held Release is accepted", "archive", r.Archive, "suite", r.Suite, "by", by.String(), "release", held.Release, "what", held.What)
		tell := d.jobs.News(job, news)
		tell(admin.Event{Archive: r.Archive, Suite: r.Suite, Text: fmt.Sprintf("%s %s: accepted that %s", r.Archive, r.Suite, held.What)})
		result = &admin.AcceptResult{Accepted: *outcome.Held(&held), Suite: admin.SuiteResult{Archive: r.Archive, Suite: r.Suite}}
		if len(a.URIs) == 0 {
			tell(admin.Event{Archive: r.Archive, Suite: r.Suite, Text: fmt.Sprintf("%s %s: now import the bundle again", r.Archive, r.Suite)})
			return "accepted that " + held.What, nil
		}
		result.Suite = d.refreshSuite(ctx, inforce.SuiteKey{Archive: r.Archive, Suite: r.Suite}, tell)
		tell(outcome.Event(result.Suite))
		return "accepted that " + held.What, outcome.Of(ctx, []admin.SuiteResult{result.Suite})
	})
	return result, err
}

func (d *Daemon) acceptHeld(ctx context.Context, k inforce.SuiteKey) (catalog.Held, error) {
	free, err := d.takeSuite(ctx, k)
	if err != nil {
		return catalog.Held{}, err
	}
	defer free()
	held, err := d.upstream.Accept(k.Archive, k.Suite)
	if errors.Is(err, upstream.ErrNothingHeld) {
		err = &admin.Error{Text: err.Error() + "; aptmirror status shows what does", Exit: admin.ExitFailed}
	}
	return held, err
}
