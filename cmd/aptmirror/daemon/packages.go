package daemon

import (
	"context"
	"io"

	"aptmirror/proxy/admin"
)

// poolChanged has built what is made from a pool: soon, or at once where nothing
// else would before this process ends.
func (d *Daemon) poolChanged(ctx context.Context, name string) {
	if why := "pool " + name; d.reloading() != nil {
		d.rebuild(why)
	} else {
		d.buildJob(ctx, why, nil)
	}
}

// AddPackages takes files from a command.
func (d *Daemon) AddPackages(ctx context.Context, by admin.Caller, r admin.AddPackagesRequest, body io.Reader) (*admin.AddedPackages, error) {
	return d.intake.AddPackages(ctx, by, r, body)
}

// Packages lists pools that are configured.
func (d *Daemon) Packages(ctx context.Context, r admin.PackagesRequest) (*admin.Packages, error) {
	return d.intake.Packages(ctx, r)
}

// RemovePackages takes packages out of a pool.
func (d *Daemon) RemovePackages(ctx context.Context, by admin.Caller, r admin.RemovePackagesRequest) (*admin.RemovedPackages, error) {
	return d.intake.RemovePackages(ctx, by, r)
}
