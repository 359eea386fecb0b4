// Package jobs runs jobs: each is on record from when it begins, ends with the
// daemon and not with who asked for it, and tells how far it is.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/status"
)

// Config is what jobs need.
type Config struct {
	Catalog *catalog.Catalog // keeps the records
	Life    context.Context  // of all jobs
	// Done is told of each job that has ended.
	Done func(kind string, took time.Duration, err error)
	Log  *slog.Logger
	Now  func() time.Time
}

// Jobs are those of a daemon. Its methods may be called from many goroutines.
type Jobs struct {
	Config
	working working
	work    sync.WaitGroup // what Wait waits for
}

// New gives jobs of which none is under way.
func New(c Config) *Jobs { return &Jobs{Config: c} }

// BySchedule stands where a person or a command would be named.
const BySchedule = "schedule"

// Run does one job and records it when it starts and when it ends. It ends
// with the daemon, not with the caller: a call goes on when nobody listens.
func (s *Jobs) Run(j catalog.Job, do func(ctx context.Context, number uint64) (summary string, err error)) error {
	defer s.Hold()()
	began := s.Now()
	j.Started = began.UTC()
	j, err := s.Catalog.StartJob(j)
	if err != nil {
		return fmt.Errorf("recording a job: %w", err)
	}
	if j.By != BySchedule {
		s.Log.Info("a job was asked for", "job", j.Number, "kind", j.Kind, "names", j.Names, "by", j.By)
	}
	s.working.begin(j)
	summary, err := do(s.Life, j.Number)
	s.working.end(j.Number)
	ended := s.Now()
	j.Finished, j.Summary = ended.UTC(), summary
	if err != nil {
		j.Error = err.Error()
	}
	s.Done(j.Kind, ended.Sub(began), err) // by the monotonic clock: that of the wall may have been set
	if recordErr := s.Catalog.FinishJob(j); recordErr != nil {
		s.Log.Error("recording the end of a job failed", "job", j.Number, "error", recordErr)
	}
	return err
}

// List gives the newest records.
func (s *Jobs) List(ctx context.Context) (*admin.Jobs, error) {
	const shown = 50
	rows, err := s.Catalog.Jobs(ctx, shown)
	if err != nil {
		return nil, err
	}
	out := &admin.Jobs{}
	for _, r := range rows {
		if r.Finished.IsZero() && !s.working.has(r.Number) {
			r.Error = "aptmirror ended before the job did"
		}
		out.Jobs = append(out.Jobs, admin.Job(r))
	}
	return out, nil
}

// Running gives the jobs under way in the order of their numbers.
func (s *Jobs) Running() []status.Work { return s.working.list() }

// Hold has Wait wait for work that is no job, until release is called.
func (s *Jobs) Hold() (release func()) {
	s.work.Add(1)
	return s.work.Done
}

// Go does work that is no job, and has Wait wait for it.
func (s *Jobs) Go(work func()) { s.work.Go(work) }

// Wait waits for all that is under way, once Life has ended.
func (s *Jobs) Wait() { s.work.Wait() }
