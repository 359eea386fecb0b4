package daemon

import (
	"context"
	"io"

	"aptmirror/proxy/admin"
)

// The admin calls that parts of the daemon answer.

// Jobs gives the newest records.
func (d *Daemon) Jobs(ctx context.Context) (*admin.Jobs, error) { return d.jobs.List(ctx) }

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

// Why tells what became of a package in each suite of a repository.
func (d *Daemon) Why(ctx context.Context, r admin.WhyRequest) (*admin.WhyResult, error) {
	return d.explainer.Why(ctx, r)
}

// PolicyCheck looks at the policies of the configuration file as it is now.
func (d *Daemon) PolicyCheck(ctx context.Context) (*admin.PolicyCheckResult, error) {
	return d.explainer.PolicyCheck(ctx)
}

// PolicyDiff tells what the configuration file, as it is now, would change.
func (d *Daemon) PolicyDiff(ctx context.Context, r admin.PolicyDiffRequest) (*admin.PolicyDiffResult, error) {
	return d.explainer.PolicyDiff(ctx, r)
}

// Snapshots lists what there is, newest first.
func (d *Daemon) Snapshots(ctx context.Context) (*admin.SnapshotList, error) {
	return d.snapshots.List(ctx)
}

// Snapshot tells all about one.
func (d *Daemon) Snapshot(ctx context.Context, r admin.SnapshotName) (*admin.SnapshotDetails, error) {
	return d.snapshots.Details(ctx, r)
}

// CreateSnapshot pins what repositories serve at this moment.
func (d *Daemon) CreateSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotRequest, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	return d.snapshots.Create(ctx, by, r, news)
}

// CompleteSnapshot fetches what is missing of a snapshot, and keeps it from now on.
func (d *Daemon) CompleteSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotName, news func(admin.Event)) (*admin.SnapshotDetails, error) {
	return d.snapshots.Complete(ctx, by, r, news)
}

// DeleteSnapshot removes a snapshot that no ring serves.
func (d *Daemon) DeleteSnapshot(ctx context.Context, by admin.Caller, r admin.SnapshotName) (*admin.Snapshot, error) {
	return d.snapshots.Delete(ctx, by, r)
}

// Diff tells how what a snapshot pins differs from another one or the present.
func (d *Daemon) Diff(ctx context.Context, r admin.DiffRequest) (*admin.Diff, error) {
	return d.snapshots.Diff(ctx, r)
}

// PublishSnapshot makes the suites of a ring serve what a snapshot pins.
func (d *Daemon) PublishSnapshot(ctx context.Context, by admin.Caller, r admin.PublishRequest, news func(admin.Event)) (*admin.PublishResult, error) {
	return d.snapshots.Publish(ctx, by, r, news)
}

// Rollback makes the suites of a ring serve what they served before.
func (d *Daemon) Rollback(ctx context.Context, by admin.Caller, r admin.RollbackRequest, news func(admin.Event)) (*admin.PublishResult, error) {
	return d.snapshots.Rollback(ctx, by, r, news)
}

// History tells what was published of a repository, by whom and why.
func (d *Daemon) History(ctx context.Context, r admin.HistoryRequest) (*admin.History, error) {
	return d.snapshots.History(ctx, r)
}

// Export decides what a bundle or a tree consists of; whoever asks writes it.
func (d *Daemon) Export(ctx context.Context, by admin.Caller, r admin.ExportRequest, news func(admin.Event)) (*admin.ExportPlan, error) {
	return d.bundles.Export(ctx, by, r, news)
}

// File gives a file of the store, for who writes what Export planned.
func (d *Daemon) File(ctx context.Context, r admin.FileRequest) (io.ReadCloser, int64, error) {
	return d.bundles.File(ctx, r)
}

// Import takes in one part of a bundle.
func (d *Daemon) Import(ctx context.Context, by admin.Caller, r admin.ImportRequest, part io.Reader, news func(admin.Event)) (*admin.ImportResult, error) {
	return d.bundles.Import(ctx, by, r, part, news)
}

// Imports tells what was imported.
func (d *Daemon) Imports(ctx context.Context) (*admin.ImportList, error) { return d.bundles.List(ctx) }
