package daemon

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

const (
	// jitter spreads refreshes, so that a site's appliances do not ask upstream
	// at the same moment: each pause is up to this share longer.
	jitter = 0.1
	// firstRetry is the pause after a refresh that failed; it doubles with
	// each further failure up to the archive's interval.
	firstRetry = time.Minute
)

// lookAfterAll keeps the archives up to date and takes what comes in drop
// folders, of those that are in force, until ctx ends.
func (d *Daemon) lookAfterAll(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	lookedAfter := map[*inforce.Tenure]bool{}
	for {
		f := d.inForce.Load()
		maps.DeleteFunc(lookedAfter, func(t *inforce.Tenure, _ bool) bool { return t.Over() })
		for _, a := range f.Archives {
			if len(a.URIs) > 0 && !lookedAfter[a.Tenure] {
				lookedAfter[a.Tenure] = true
				working.Go(func() { d.refreshForever(ctx, a) })
			}
		}
		for _, p := range f.Pools {
			if p.Config.Incoming != "" && !lookedAfter[p.Tenure] {
				lookedAfter[p.Tenure] = true
				working.Go(func() { d.emptyForever(ctx, p) })
			}
		}
		select {
		case <-d.replaced:
		case <-ctx.Done():
			return nil
		}
	}
}

// refreshForever keeps one archive up to date until ctx or its tenure ends,
// beginning now. What it is to have whole comes beside that.
func (d *Daemon) refreshForever(ctx context.Context, a *inforce.Archive) {
	ctx, over := a.Until(ctx)
	defer over()
	refreshed := make(chan struct{}, 1)
	var downloading sync.WaitGroup
	defer downloading.Wait()
	if a.Config.Download == config.All {
		downloading.Go(func() { d.downloadForever(ctx, a, refreshed) })
	}
	for failures := 0; ; {
		_, err := d.sync(jobs.BySchedule, []string{a.Name}, refreshOnly, func(admin.Event) {})
		failures = inARow(failures, err)
		select {
		case refreshed <- struct{}{}:
		default: // nobody downloads, or will begin anew anyway
		}
		if !wait.For(ctx, pause(a.Config.Refresh, failures, rand.Float64())) {
			return
		}
	}
}

// downloadForever downloads after each refresh, and again after what failed.
func (d *Daemon) downloadForever(ctx context.Context, a *inforce.Archive, refreshed <-chan struct{}) {
	var again <-chan time.Time
	for failures := 0; ; {
		select {
		case <-refreshed:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		if failures = inARow(failures, d.downloadJob(a)); failures > 0 {
			again = time.After(pause(a.Config.Refresh, failures, rand.Float64()))
		}
	}
}

// inARow counts failures.
func inARow(before int, err error) int {
	if err == nil {
		return 0
	}
	return before + 1
}

// emptyForever takes what comes in the drop folder of a pool, likewise.
func (d *Daemon) emptyForever(ctx context.Context, p *inforce.Pool) {
	ctx, over := p.Until(ctx)
	defer over()
	d.intake.Empty(ctx, p)
}

// pause gives the time until the next refresh; random is in [0, 1).
func pause(interval time.Duration, failures int, random float64) time.Duration {
	p := interval
	if failures > 0 {
		p = min(interval, firstRetry<<min(failures-1, 20))
	}
	return p + time.Duration(random*jitter*float64(p))
}
