package daemon

import (
	"context"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

// preview tells what a sync would do. It changes nothing and is no job.
func (d *Daemon) preview(names []string, news func(admin.Event)) (*admin.SyncResult, error) {
	archives, _, err := d.chosen(names)
	if err != nil {
		return nil, err
	}
	defer d.jobs.Hold()()
	result := &admin.SyncResult{DryRun: true}
	result.Suites = d.forEach(d.life, suitesOf(archives), d.previewSuite, outcome.DryRunEvent, func(e admin.Event) {
		e.Time = d.Now().UTC()
		news(e)
	})
	return result, outcome.OfDryRun(d.life, result.Suites)
}

func (d *Daemon) previewSuite(ctx context.Context, k inforce.SuiteKey, _ func(admin.Event)) (result admin.SuiteResult) {
	d.during(ctx, k, &result, func(ctx context.Context, a *inforce.Archive) { result = d.previewOnce(ctx, a, k.Suite) })
	return result
}

func (d *Daemon) previewOnce(ctx context.Context, a *inforce.Archive, suite string) admin.SuiteResult {
	result := admin.SuiteResult{Archive: a.Name, Suite: suite}
	c := a.Config
	p, err := d.upstream.Preview(ctx, a.Archive, suite, c.Languages, c.Download == config.All)
	if err != nil {
		outcome.Fail(&result, err)
		return result
	}
	result.New, result.Date, result.IndexBytes, result.Missing = p.New, p.Date, p.IndexBytes, p.Missing
	result.Packages = p.Packages
	for _, s := range p.Signers {
		result.Signers = append(result.Signers, admin.Signer(s))
	}
	outcome.Count(&result, p.Files)
	return result
}
