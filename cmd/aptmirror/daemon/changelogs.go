package daemon

import (
	"context"
	"errors"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/proxy"
	"aptmirror/resign/changelog"
)

// changelogs finds what packages say of their changes, for clients.
type changelogs struct {
	daemon *Daemon
	finder *changelog.Finder
}

func (d *Daemon) newChangelogs() *changelogs {
	return &changelogs{d, changelog.New(changelog.Config{
		Blobs: d.cache.Blobs, Catalog: d.cache.Catalog, Fill: d.upstream.Fill, Begin: d.cache.Begin, End: d.cache.End,
	})}
}

// Changelog looks into what is current in the suites of a repository, which may
// be one that serves an earlier state.
func (c *changelogs) Changelog(ctx context.Context, repository, path string, may func(suite string) bool) (proxy.Changelog, error) {
	q, ok := changelog.Path(path)
	if !ok {
		return proxy.Changelog{}, &proxy.UnknownChangelogError{Text: "no changelog has such an address"}
	}
	generations, err := c.generations(repository, may)
	if err != nil {
		return proxy.Changelog{}, err
	}
	text, err := c.finder.Find(ctx, generations, q)
	if unknown := (*changelog.UnknownError)(nil); errors.As(err, &unknown) {
		err = &proxy.UnknownChangelogError{Text: unknown.Text}
	}
	return proxy.Changelog{Text: text.Bytes, Modified: text.Modified}, err
}

// generations gives those that are current in the suites that may be read.
func (c *changelogs) generations(repository string, may func(suite string) bool) (all []catalog.Generation, err error) {
	d := c.daemon
	of, _, _ := catalog.CutSnapshotRepository(repository)
	for _, suite := range d.inForce.Load().Served()[of] {
		if !may(suite) {
			continue
		}
		g, err := d.recipes.Current(repository, suite)
		if errors.Is(err, recipes.ErrNothingYet) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}
