package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// downloadSuites fetches ahead of time what archives are configured to have
// whole, and completes the results of those suites that could be refreshed.
func (d *Daemon) downloadSuites(ctx context.Context, results []admin.SuiteResult, news func(admin.Event)) {
	var suites []inforce.SuiteKey
	of := map[inforce.SuiteKey]*admin.SuiteResult{}
	for i, r := range results {
		k := inforce.SuiteKey{Archive: r.Archive, Suite: r.Suite}
		if a := d.inForce.Load().Archive(r.Archive); r.Error == "" && a != nil && a.Config.Download == config.All {
			suites, of[k] = append(suites, k), &results[i]
		}
	}
	done := d.forEach(ctx, suites, func(ctx context.Context, k inforce.SuiteKey, news func(admin.Event)) admin.SuiteResult {
		var result admin.SuiteResult
		d.during(ctx, k, &result, func(ctx context.Context, a *inforce.Archive) { result = d.downloadOnce(ctx, a, *of[k], news) })
		return result
	}, outcome.DownloadEvent, news)
	for i, k := range suites {
		*of[k] = done[i]
	}
}

// downloadJob does that for one archive, beside its refreshes.
func (d *Daemon) downloadJob(a *inforce.Archive) error {
	return d.jobs.Run(catalog.Job{Kind: "download", Names: []string{a.Name}, By: jobs.BySchedule}, func(ctx context.Context, job uint64) (string, error) {
		var results []admin.SuiteResult
		for _, suite := range a.Suites {
			g, err := d.cache.Catalog.Latest(ctx, a.Name, suite)
			if errors.Is(err, catalog.ErrNotFound) {
				continue // its refresh says why
			}
			if err != nil {
				return "", err
			}
			results = append(results, admin.SuiteResult{Archive: a.Name, Suite: suite, Generation: g.Number})
		}
		d.downloadSuites(ctx, results, d.jobs.News(job, func(admin.Event) {}))
		return outcome.Downloads(results), outcome.Of(ctx, results)
	})
}

func (d *Daemon) downloadOnce(ctx context.Context, a *inforce.Archive, result admin.SuiteResult, news func(admin.Event)) admin.SuiteResult {
	free, err := d.downloads.Take(ctx, inforce.SuiteKey{Archive: a.Name, Suite: result.Suite}.String())
	if err == nil {
		defer free()
		err = d.download(ctx, a, &result, news)
	}
	if ended := context.Cause(ctx); ended != nil {
		result.Error = ended.Error()
		return result
	}
	if err != nil {
		outcome.Fail(&result, err)
		d.Log.Warn("downloading a suite failed", "archive", a.Name, "suite", result.Suite, "reason", result.Reason, "error", err)
	}
	return result
}

func (d *Daemon) download(ctx context.Context, a *inforce.Archive, result *admin.SuiteResult, news func(admin.Event)) error {
	c := a.Config
	if c.Download != config.All { // not any more
		return nil
	}
	g, err := d.cache.Catalog.Latest(ctx, a.Name, result.Suite)
	if err != nil {
		return err
	}
	count, err := d.upstream.Download(ctx, g, c.Languages, func(now upstream.Downloaded) {
		news(admin.Progress(now).Event(g.Archive, g.Suite))
	})
	outcome.Count(result, count)
	if err != nil {
		return fmt.Errorf("archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	if lacks := outcome.Essential(g.Missing); len(lacks) > 0 {
		return fmt.Errorf("archive %s, suite %s: all %d files are here but for what is named by %s, which no mirror has", g.Archive, g.Suite, count.Present, strings.Join(lacks, ", "))
	}
	return nil
}
