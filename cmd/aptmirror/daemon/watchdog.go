package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"aptmirror/cache/catalog"
)

// watchdog tells the service manager that the daemon works, for as long as its
// database answers, until ctx ends. It does nothing where WatchdogSec= is not set.
func (d *Daemon) watchdog(ctx context.Context) error {
	within, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("reading what the service manager wants of its watchdog: %w", err)
	}
	if within == 0 {
		return nil
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for {
		if err := d.answers(); err != nil {
			d.Log.Error("the store does not answer, the watchdog is not told that all is well", "error", err)
		} else if _, err := systemd.SdNotify(false, systemd.SdNotifyWatchdog); err != nil {
			d.Log.Warn("telling systemd's watchdog failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// answers reads a row, which needs no lock that writing holds for long.
func (d *Daemon) answers() error {
	var nothing struct{}
	err := d.cache.Catalog.Note("watchdog", &nothing)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	return err
}
