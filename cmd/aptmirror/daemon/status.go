package daemon

import (
	"context"
	"errors"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

// Status tells what is served and how fresh it is.
func (d *Daemon) Status(ctx context.Context) (*admin.Status, error) {
	d.mu.Lock()
	out := &admin.Status{Version: d.Version, Running: !d.started.IsZero(), Started: d.started, Listen: d.listen, Page: d.page, Suites: []admin.SuiteStatus{}, Mirrors: d.failingMirrors()}
	d.mu.Unlock()
	if r := d.reloading(); r != nil {
		out.Access = r.state()
	}
	space, err := d.cache.Space(ctx)
	if err == nil {
		out.LastImport, err = d.bundles.LastImport()
	}
	if err == nil {
		out.Pools, err = d.intake.Uses(ctx, "")
	}
	if err != nil {
		return nil, err
	}
	out.Space = admin.Space{Max: space.Max, Reserved: space.Reserved, Disk: space.Disk, Evicted: space.Evicted, EvictedFiles: space.EvictedFiles}
	stored := map[blob.Digest]bool{}
	for info, err := range d.cache.Blobs.All(ctx) {
		if err == nil {
			stored[info.Digest] = true
			out.Blobs++
			out.Bytes += info.Size
		}
	}
	c := d.config()
	for _, r := range c.Repositories {
		for _, suite := range c.SuitesOf(r) {
			s, err := d.suiteStatus(ctx, r.Name, r.Archive, suite, stored)
			if err != nil {
				return nil, err
			}
			out.Suites = append(out.Suites, s)
		}
	}
	return out, ctx.Err()
}

// failingMirrors tells of the mirrors of all archives that failed lately.
func (d *Daemon) failingMirrors() (all []admin.Mirror) {
	for _, a := range d.inForce.Load().Archives {
		for _, m := range d.upstream.Mirrors(a.Archive) {
			if !m.LastUntil.IsZero() {
				all = append(all, admin.Mirror{Archive: a.Name, URI: m.URI, LastUntil: m.LastUntil, Why: m.Why})
			}
		}
	}
	return all
}

// suiteStatus counts the packages of a suite that are in stored, unless it is nil.
func (d *Daemon) suiteStatus(ctx context.Context, repository, archive, suite string, stored map[blob.Digest]bool) (admin.SuiteStatus, error) {
	if archive == "" {
		return d.builtStatusCounted(ctx, repository, suite, stored)
	}
	s := admin.SuiteStatus{Repository: repository, Archive: archive, Suite: suite}
	check, err := d.cache.Catalog.Check(archive, suite)
	if err != nil {
		return s, err
	}
	s.Checked, s.CheckedOK, s.Error, s.Reason = check.At, check.OK, check.Error, check.Reason
	if s.Held = outcome.Held(check.Held); s.Error != "" {
		s.Advice = outcome.Advice(s.Reason, archive, suite)
	}
	p, err := d.cache.Catalog.Publication(repository, suite)
	if errors.Is(err, catalog.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	g, err := d.cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	if err != nil {
		markDamaged(&s, err)
		return s, nil
	}
	s.Generation, s.Published, s.Date, s.ValidUntil = g.Number, p.Published, g.Date, g.ValidUntil
	s.Signers, s.Packages, s.Bytes, s.LeftOut = outcome.Signers(g), g.Packages, g.Bytes, outcome.LeftOut(g.LeftOut)
	if a := d.upstream.Archive(g.Archive); a != nil {
		s.Warning = a.AgeWarning(g.Date, g.ValidUntil, d.Now())
	}
	if stored == nil {
		return s, nil
	}
	if err := d.countCached(ctx, g, stored, &s); err != nil {
		markDamaged(&s, err)
	}
	return s, nil
}

func (d *Daemon) builtStatusCounted(ctx context.Context, repository, suite string, stored map[blob.Digest]bool) (admin.SuiteStatus, error) {
	s, err := d.builtStatus(ctx, repository, suite)
	if err != nil || stored == nil || s.Generation == 0 {
		return s, err
	}
	g, err := d.recipes.Current(repository, suite)
	if err == nil {
		err = d.countCached(ctx, g, stored, &s)
	}
	if err != nil {
		markDamaged(&s, err)
	}
	return s, nil
}

// countCached counts the packages of a generation that are in the store.
func (d *Daemon) countCached(ctx context.Context, g catalog.Generation, stored map[blob.Digest]bool, s *admin.SuiteStatus) error {
	t, err := d.cache.Catalog.Table(ctx, g)
	if err != nil {
		return err
	}
	for e := range t.All() {
		if e.Kind == catalog.KindPackage && stored[e.Digest] {
			s.Cached++
			s.CachedSize += e.Size
		}
	}
	return nil
}
