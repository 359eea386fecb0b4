package daemon

import (
	"context"
	"fmt"
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

// ServePackages builds now what is made from a pool, also where it rests, and
// says which suites have the files.
func (d *Daemon) ServePackages(_ context.Context, by admin.Caller, r admin.ServePackagesRequest, news func(admin.Event)) (*admin.ServedPackages, error) {
	if err := d.intake.Known(r.Pool); err != nil {
		return nil, err
	}
	result := &admin.ServedPackages{Suites: []admin.SuiteResult{}}
	err := d.jobs.Run(catalog.Job{Kind: "build", Names: []string{"pool " + r.Pool}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		tell := d.jobs.News(job, news)
		result.Suites = d.builds.Build(ctx, by.String(), notMadeFrom(d.inForce.Load(), r.Pool), tell)
		err := built(ctx, r.Pool, result.Suites)
		if err == nil {
			err = d.lookFor(ctx, r, result, tell)
		}
		return outcome.Summary(result.Suites), err
	})
	return result, err
}

// built is an error where a suite was not built. The files are in the pool all
// the same.
func built(ctx context.Context, pool string, results []admin.SuiteResult) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		return &admin.Error{Text: fmt.Sprintf("the files are in pool %s, and %d of %d suites that are made from it could not be built; what was served before still is", pool, failed, len(results)), Exit: admin.ExitPartly}
	}
	return nil
}

// notMadeFrom are the suites that are not made from a pool, neither directly nor
// through another suite.
func notMadeFrom(m *inforce.Parts, pool string) map[inforce.BuiltSuite]bool {
	others, from := map[inforce.BuiltSuite]bool{}, map[inforce.BuiltSuite]bool{}
	for _, b := range m.Order() {
		_, s, _ := m.Suite(b.Repository, b.Suite)
		from[b] = slices.ContainsFunc(s.From, func(f config.Source) bool {
			return f.Kind == config.FromPool && f.Name == pool || f.Kind == config.FromRepository && from[inforce.BuiltSuite{Repository: f.Name, Suite: f.Suite}]
		})
		if !from[b] {
			others[b] = true
		}
	}
	return others
}

// lookFor notes which suites lack which of the files. It is an error where none
// has one.
func (d *Daemon) lookFor(ctx context.Context, r admin.ServePackagesRequest, result *admin.ServedPackages, tell func(admin.Event)) error {
	if len(result.Suites) == 0 {
		return &admin.Error{Text: fmt.Sprintf(`the files are in pool %s, and no suite is made from it: write "pool:%[1]s" into from of one`, r.Pool), Exit: admin.ExitPartly}
	}
	lacking := map[string]int{}
	for _, s := range result.Suites {
		absent, err := d.absentFrom(ctx, s, r)
		if err != nil {
			return err
		}
		for _, path := range absent {
			lacking[path]++
			result.Absent = append(result.Absent, admin.AbsentPackage{Repository: s.Repository, Suite: s.Suite, Path: path})
			tell(admin.Event{Suite: s.Suite, Text: fmt.Sprintf("%s %s: does not have %s; aptmirror why %[1]s PACKAGE says why", s.Repository, s.Suite, path)})
		}
	}
	for path, n := range lacking {
		if n == len(result.Suites) {
			return &admin.Error{Text: fmt.Sprintf("%s is in pool %s, and no suite that is made from it has it; aptmirror why %s PACKAGE says why", path, r.Pool, result.Suites[0].Repository), Exit: admin.ExitPartly}
		}
	}
	return nil
}

func (d *Daemon) absentFrom(ctx context.Context, s admin.SuiteResult, r admin.ServePackagesRequest) (absent []string, err error) {
	g, err := d.recipes.Current(s.Repository, s.Suite)
	if err != nil {
		return nil, err
	}
	table, err := d.cache.Catalog.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	for _, path := range r.Paths {
		if _, there := table.Find(catalog.OriginPath(r.Pool, path)); !there {
			absent = append(absent, path)
		}
	}
	return absent, nil
}

// poolChanged has built what is made from a pool: soon, or at once where nothing
// else would before this process ends.
func (d *Daemon) poolChanged(ctx context.Context, name string) {
	if why := "pool " + name; d.reloading() != nil {
		d.builds.Ask(why)
	} else {
		d.builds.Job(ctx, why, nil)
	}
}
