package daemon

import (
	"context"
	"math/rand/v2"
	"time"

	"aptmirror/cmd/aptmirror/config"
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

// refreshForever keeps one archive up to date until ctx ends, beginning now.
func (d *Daemon) refreshForever(ctx context.Context, a config.Archive) error {
	failures := 0
	for {
		_, err := d.sync(bySchedule, []string{a.Name}, func(admin.Event) {})
		if err != nil {
			failures++
		} else {
			failures = 0
		}
		if !wait(ctx, pause(a.Refresh, failures, rand.Float64())) {
			return nil
		}
	}
}

// pause gives the time until the next refresh; random is in [0, 1).
func pause(interval time.Duration, failures int, random float64) time.Duration {
	p := interval
	if failures > 0 {
		p = min(interval, firstRetry<<min(failures-1, 20))
	}
	return p + time.Duration(random*jitter*float64(p))
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
