package daemon

import (
	"context"
	"fmt"
	"strings"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
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
	result.Suites = d.forEach(d.life, suitesOf(archives), d.previewSuite, previewEvent, func(e admin.Event) {
		e.Time = d.Now().UTC()
		news(e)
	})
	return result, previewOutcome(d.life, result.Suites)
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
		failed(&result, err)
		return result
	}
	result.New, result.Date, result.IndexBytes, result.Missing = p.New, p.Date, p.IndexBytes, p.Missing
	result.Packages = p.Packages
	for _, s := range p.Signers {
		result.Signers = append(result.Signers, admin.Signer(s))
	}
	countFiles(&result, p.Files)
	return result
}

// previewEvent tells in a line what would come of one suite.
func previewEvent(r admin.SuiteResult) admin.Event {
	e := admin.Event{Archive: r.Archive, Suite: r.Suite}
	if r.Error != "" {
		return eventOf(r)
	}
	e.Text = fmt.Sprintf("%s %s: nothing new since %s", r.Archive, r.Suite, admin.Second(r.Date))
	if r.New {
		e.Text = fmt.Sprintf("%s %s: something new, dated %s, %s of indexes would come", r.Archive, r.Suite, admin.Second(r.Date), admin.Size(r.IndexBytes))
	}
	switch missing := r.Wanted - r.Present; {
	case r.Wanted == 0:
	case missing > 0:
		e.Text += fmt.Sprintf("; %d of %d files would come, %s", missing, r.Wanted, admin.Size(r.WantedBytes-r.PresentBytes))
	default:
		e.Text += fmt.Sprintf("; all %d files are here", r.Present)
	}
	if lacks := essential(r.Missing); len(lacks) > 0 {
		e.Text += "; no mirror has " + strings.Join(lacks, ", ")
	}
	return e
}

// previewOutcome is the exit code that a sync would have ended with as far as it
// can be known.
func previewOutcome(ctx context.Context, results []admin.SuiteResult) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed, refused := 0, 0
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
		if r.Refused {
			refused++
		}
	}
	fault := &admin.Error{Text: fmt.Sprintf("%d of %d suites cannot be refreshed", failed, len(results)), Exit: admin.ExitPartly}
	switch {
	case failed == 0:
		return nil
	case refused > 0:
		fault.Exit = admin.ExitRefused
	case failed == len(results):
		fault.Exit = admin.ExitFailed
	}
	return fault
}
