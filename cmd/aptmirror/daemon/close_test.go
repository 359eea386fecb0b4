package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What serve --help promises.
func TestStoppingTakesLessThanTenSeconds(t *testing.T) {
	if workTimeout >= 10*time.Second || workTimeout+closeTimeout >= 20*time.Second {
		t.Errorf("it may take %s, and %s where the disk does not answer", workTimeout, workTimeout+closeTimeout)
	}
}

// What hangs is given up some time after the daemon was asked to stop, and not before.
func TestStoppingIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		asked  time.Duration // after the beginning; 0: never
		takes  time.Duration
		gaveUp bool
	}{
		"nobody asks":        {0, time.Hour, false},
		"done before":        {time.Hour, time.Minute, false},
		"done soon after":    {time.Minute, time.Minute + closeTimeout - 1, false},
		"it hangs":           {time.Minute, time.Hour, true},
		"it hung since then": {1, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if test.asked > 0 {
					time.AfterFunc(test.asked, stop)
				}
				d, begun, failed := &Daemon{asked: ctx.Done()}, time.Now(), errors.New("failed")
				err := d.within(closeTimeout, "closing the store", func() error {
					<-time.After(test.takes)
					return failed
				})
				stopped := (*StopError)(nil)
				if errors.As(err, &stopped) != test.gaveUp || test.gaveUp != d.stuck {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); test.gaveUp && took != test.asked+closeTimeout {
					t.Errorf("given up after %s", took)
				}
				if !test.gaveUp && err != failed {
					t.Errorf("got %v", err)
				}
				if test.gaveUp && !strings.HasPrefix(err.Error(), "closing the store did not end within 8s") {
					t.Errorf("got %q", err)
				}
				time.Sleep(test.takes) // the bubble ends with everything in it
			})
		})
	}
}
