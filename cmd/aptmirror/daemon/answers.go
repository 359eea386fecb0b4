package daemon

import (
	"context"

	"aptmirror/proxy/admin"
)

// The questions that package explain answers.

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
