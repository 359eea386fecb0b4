package daemon

import (
	"context"
	"fmt"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
)

// run does one job and records it when it starts and when it ends. It ends
// with the daemon, not with the caller: a call goes on when nobody listens.
func (d *Daemon) run(j catalog.Job, do func(ctx context.Context, number uint64) (summary string, err error)) error {
	d.jobs.Add(1)
	defer d.jobs.Done()
	began := d.Now()
	j.Started = began.UTC()
	j, err := d.cache.Catalog.StartJob(j)
	if err != nil {
		return fmt.Errorf("recording a job: %w", err)
	}
	if j.By != bySchedule {
		d.Log.Info("a job was asked for", "job", j.Number, "kind", j.Kind, "names", j.Names, "by", j.By)
	}
	d.working.begin(j)
	summary, err := do(d.life, j.Number)
	d.working.end(j.Number)
	ended := d.Now()
	j.Finished, j.Summary = ended.UTC(), summary
	if err != nil {
		j.Error = err.Error()
	}
	if b := d.board.Load(); b != nil {
		b.JobDone(j.Kind, ended.Sub(began), err) // by the monotonic clock: that of the wall may have been set
	}
	if recordErr := d.cache.Catalog.FinishJob(j); recordErr != nil {
		d.Log.Error("recording the end of a job failed", "job", j.Number, "error", recordErr)
	}
	return err
}

// bySchedule stands where a person or a command would be named.
const bySchedule = "schedule"

// Jobs gives the newest records.
func (d *Daemon) Jobs(ctx context.Context) (*admin.Jobs, error) {
	const shown = 50
	rows, err := d.cache.Catalog.Jobs(ctx, shown)
	if err != nil {
		return nil, err
	}
	out := &admin.Jobs{}
	for _, r := range rows {
		if r.Finished.IsZero() && !d.working.has(r.Number) {
			r.Error = "aptmirror ended before the job did"
		}
		out.Jobs = append(out.Jobs, admin.Job(r))
	}
	return out, nil
}
