package daemon

import (
	"context"
	"fmt"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
)

// Verify reads the store back.
func (d *Daemon) Verify(_ context.Context, by admin.Caller, news func(admin.Event)) (*admin.VerifyResult, error) {
	var report *cache.Report
	err := d.run(catalog.Job{Kind: "verify", By: callerName(by)}, func(ctx context.Context, job uint64) (string, error) {
		var err error
		report, err = d.cache.Verify(ctx, d.keyring, func(text string) {
			news(admin.Event{Time: d.Now().UTC(), Job: job, Text: text})
		})
		if err == nil && len(report.Problems) > 0 {
			err = &admin.Error{Text: fmt.Sprintf("%d problems in the store", len(report.Problems)), Exit: admin.ExitRefused}
		}
		return "", err
	})
	if report == nil {
		return nil, err
	}
	out := &admin.VerifyResult{Generations: report.Generations, Paths: report.Paths, Blobs: report.Blobs, Bytes: report.Bytes, Problems: []admin.Problem{}}
	for _, p := range report.Problems {
		out.Problems = append(out.Problems, admin.Problem(p))
	}
	return out, err
}
