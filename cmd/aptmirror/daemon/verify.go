package daemon

import (
	"context"
	"fmt"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

// Verify reads the store back, after it repaired what it can where that is
// asked for.
func (d *Daemon) Verify(_ context.Context, by admin.Caller, r admin.VerifyRequest, news func(admin.Event)) (*admin.VerifyResult, error) {
	var out *admin.VerifyResult
	err := d.jobs.Run(catalog.Job{Kind: "verify", By: by.String()}, func(ctx context.Context, job uint64) (summary string, err error) {
		tell := func(text string) { d.jobs.News(job, news)(admin.Event{Text: text}) }
		out, err = d.verify(ctx, r, tell)
		if err == nil && len(out.Problems) > 0 {
			err = &admin.Error{Text: fmt.Sprintf("%d problems in the store", len(out.Problems)), Exit: admin.ExitRefused}
		}
		return "", err
	})
	return out, err
}

// verify has the store to itself but for clients and refreshes: generations do
// not go while it looks at them.
func (d *Daemon) verify(ctx context.Context, r admin.VerifyRequest, tell func(string)) (*admin.VerifyResult, error) {
	free, err := wait.Slot(ctx, d.whole)
	if err != nil {
		return nil, err
	}
	defer free()
	var mended mended
	if r.Repair {
		if mended, err = d.repair(ctx, r.Quick, tell); err != nil {
			return nil, err
		}
	}
	var report *cache.Report
	if r.Quick {
		report, err = d.cache.VerifyQuick(ctx, tell)
	} else {
		report, err = d.cache.Verify(ctx, d.keyring, tell)
	}
	out := &admin.VerifyResult{
		Generations: report.Generations, Paths: report.Paths, Blobs: report.Blobs, Bytes: report.Bytes,
		Problems: []admin.Problem{}, Dropped: mended.dropped, Restored: mended.restored,
	}
	for _, p := range report.Problems {
		out.Problems = append(out.Problems, admin.Problem(p))
	}
	for _, p := range report.Unchecked {
		out.Unchecked = append(out.Unchecked, admin.Problem(p))
	}
	return out, err
}
