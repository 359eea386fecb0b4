package daemon

import (
	"aptmirror/cmd/aptmirror/daemon/builds"
	"aptmirror/cmd/aptmirror/daemon/bundles"
	"aptmirror/cmd/aptmirror/daemon/explain"
	"aptmirror/cmd/aptmirror/daemon/intake"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/cmd/aptmirror/daemon/snapshots"
	"aptmirror/resign"
)

// parts work on the open store, each for itself; which lock is whose says the part.
type parts struct {
	jobs      *jobs.Jobs
	intake    *intake.Intake
	recipes   *recipes.Book
	explainer *explain.Explainer
	builds    *builds.Workshop
	snapshots *snapshots.Keeper
	bundles   *bundles.Carrier
}

// newParts hands each what it works with.
func (d *Daemon) newParts() (p parts) {
	catalog, blobs, inForce := d.cache.Catalog, d.cache.Blobs, d.inForce.Load
	builder := &resign.Builder{Blobs: blobs, Catalog: catalog, Room: d.cache, Now: d.Now}
	p.jobs = jobs.New(jobs.Config{Catalog: catalog, Life: d.life, Done: d.jobDone, Log: d.Log, Now: d.Now})
	p.intake = intake.New(intake.Config{
		State: d.began.State, Cache: d.cache, InForce: inForce, Changed: d.poolChanged, Life: d.life, Log: d.Log, Now: d.Now,
	})
	p.recipes = &recipes.Book{Cache: d.cache, Builder: builder, InForce: inForce, Now: d.Now}
	p.explainer = &explain.Explainer{Catalog: catalog, Builder: builder, Recipes: p.recipes, InForce: inForce, Now: d.Now}
	p.builds = builds.New(builds.Config{
		Catalog: catalog, Blobs: blobs, Upstream: d.upstream, Builder: builder, Recipes: p.recipes, Jobs: p.jobs, InForce: inForce,
		Life: d.life, Log: d.Log, Now: d.Now,
	})
	p.snapshots = snapshots.New(snapshots.Config{
		Catalog: catalog, Blobs: blobs, Upstream: d.upstream, Jobs: p.jobs, InForce: inForce, Move: p.builds.Move, Rebuild: p.builds.Ask,
		Life: d.life, Log: d.Log, Now: d.Now,
	})
	p.bundles = bundles.New(bundles.Config{
		Cache: d.cache, Upstream: d.upstream, Jobs: p.jobs, Snapshots: p.snapshots, Builds: p.builds, Recipes: p.recipes, InForce: inForce,
		TakeSuite: d.takeSuite, Publish: d.publish, Log: d.Log, Now: d.Now,
	})
	return p
}
