package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
	"aptmirror/resign/pool"
)

// openPools makes the pools that are new.
func (d *Daemon) openPools(f *inforce.Parts) {
	for _, p := range f.Pools {
		if p.Pool == nil {
			p.Pool = pool.New(pool.Config{
				Name: p.Config.Name, Component: p.Config.Component, Uploaders: p.Uploaders, MaxSize: p.Config.MaxSize, MaxSizeEach: p.Config.MaxSizeEach, Guard: d.guard(p.Config.Name), Adding: &d.adding, Cache: d.cache, Now: d.Now,
			})
		}
	}
}

// guard keeps out of a pool what would be refused, or keep a suite from being
// built, once it is in. d.adding is held.
func (d *Daemon) guard(name string) func(catalog.PoolFile, pool.Claims) error {
	return func(f catalog.PoolFile, claims pool.Claims) error {
		if f.Kind == catalog.PoolSourceFile {
			return nil
		}
		if err := d.reserved(name, "the name", f.Package); err != nil {
			return err
		}
		if err := d.claimed(name, f, claims); err != nil {
			return err
		}
		return d.elsewhere(name, f)
	}
}

// reserved keeps names out of a pool that another pool has for itself; what says
// how a package comes to use the name.
func (d *Daemon) reserved(name, what, used string) error {
	for _, other := range d.config().Pools {
		if pattern := matching(other.Names, used); pattern != "" && other.Name != name {
			return fmt.Errorf("%s %s is reserved for pool %s (names = %q)", what, used, other.Name, pattern)
		}
	}
	return nil
}

// claimed keeps packages out that every machine would install by itself, and
// those that provide the names of another pool. What they provide of archives'
// names is looked at when a suite is built.
func (d *Daemon) claimed(name string, f catalog.PoolFile, claims pool.Claims) error {
	p := d.inForce.Load().Pool(name)
	if claims.Essential && f.Kind == catalog.PoolDeb && p != nil && matching(p.Config.Shadows, f.Package) == "" {
		return fmt.Errorf("%s says Essential: yes, so that every machine would install it; if it shall, name it in shadows of pool %s", f.Package, name)
	}
	for _, provided := range claims.Provides {
		if err := d.reserved(name, "it provides a name of others, and", provided); err != nil {
			return err
		}
	}
	return nil
}

// matching gives the first pattern that a name matches, "" for none.
func matching(patterns []string, name string) string {
	for _, pattern := range patterns {
		if match, _ := path.Match(pattern, name); match { // config saw that it is a pattern
			return pattern
		}
	}
	return ""
}

// elsewhere refuses other bytes for a version that another pool of the same
// suite has: the suite could not be built with both.
func (d *Daemon) elsewhere(name string, f catalog.PoolFile) error {
	for _, other := range d.besides(name) {
		same, err := pool.Same(d.life, d.cache.Catalog, other, f)
		if err != nil {
			return err
		}
		for _, h := range same {
			if h.Digest != f.Digest {
				return &catalog.PoolConflictError{Have: h, New: f}
			}
		}
	}
	return nil
}

// besides are the pools that some suite has together with this one.
func (d *Daemon) besides(name string) (others []string) {
	for _, r := range d.config().Repositories {
		for _, s := range r.Suites {
			var pools []string
			for _, from := range s.From {
				if from.Kind == config.FromPool {
					pools = append(pools, from.Name)
				}
			}
			if slices.Contains(pools, name) {
				others = append(others, pools...)
			}
		}
	}
	slices.Sort(others)
	return slices.DeleteFunc(slices.Compact(others), func(other string) bool { return other == name })
}

func (d *Daemon) pool(name string) (*inforce.Pool, error) {
	if p := d.inForce.Load().Pool(name); p != nil {
		return p, nil
	}
	return nil, &admin.Error{Text: fmt.Sprintf("there is no pool %q in %s", name, d.began.Path), Exit: admin.ExitUsage}
}

// examinedAtOnce is how many sets are unpacked at a time: each may take the
// dictionaries of its compressors, 128 MB, and a processor for as long as package
// pool has it. Of one uploader it is one, so that nobody keeps the others out.
const examinedAtOnce = 2

// adding is how files are added to a pool: as one of its methods does it.
type adding func(p *pool.Pool, ctx context.Context, by string, files ...pool.File) (pool.Added, error)

// addSpooled adds files to a pool, all or none, and has built what is made from it.
func (d *Daemon) addSpooled(ctx context.Context, p *inforce.Pool, by string, add adding, files []*spooled) (pool.Added, error) {
	var offered []pool.File
	for _, f := range files {
		offered = append(offered, pool.File{Name: f.name, Size: f.size, Body: f})
	}
	added, err := d.addInForce(ctx, p.Name, by, add, offered)
	if err != nil {
		d.Log.Warn("files for a pool were refused", "pool", p.Name, "by", by, "files", namesOf(files), "error", err)
		return added, err
	}
	d.Log.Info("files were added to a pool", "pool", p.Name, "by", by, "added", pathsOf(added.New), "known", len(added.Known))
	if len(added.New) > 0 {
		d.poolChanged(ctx, p.Name)
	}
	return added, nil
}

// addInForce adds to a pool by the rules that are in force when it is done.
func (d *Daemon) addInForce(ctx context.Context, name, by string, add adding, files []pool.File) (pool.Added, error) {
	for {
		p, err := d.pool(name)
		if err != nil {
			return pool.Added{}, err
		}
		added, err := d.addInTurn(ctx, p, by, add, files)
		if !errors.Is(err, inforce.ErrReplaced) {
			return added, err
		}
	}
}

// addInTurn adds to a pool as long as it is as it is.
func (d *Daemon) addInTurn(ctx context.Context, p *inforce.Pool, by string, add adding, files []pool.File) (pool.Added, error) {
	ctx, leave, err := p.Enter(ctx)
	if err != nil {
		return pool.Added{}, err
	}
	defer leave()
	own, err := d.uploaders.Take(ctx, by)
	if err != nil {
		return pool.Added{}, err
	}
	defer own()
	free, err := wait.Slot(ctx, d.examining)
	if err != nil {
		return pool.Added{}, err
	}
	defer free()
	return add(p.Pool, ctx, by, files...)
}

// poolChanged has built what is made from a pool: soon, or at once where nothing
// else would before this process ends.
func (d *Daemon) poolChanged(ctx context.Context, name string) {
	if why := "pool " + name; d.reloading() != nil {
		d.rebuild(why)
	} else {
		d.buildJob(ctx, why, nil)
	}
}

func namesOf(files []*spooled) (names []string) {
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

func pathsOf(files []catalog.PoolFile) (paths []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}

// AddPackages takes files from a command.
func (d *Daemon) AddPackages(ctx context.Context, by admin.Caller, r admin.AddPackagesRequest, body io.Reader) (*admin.AddedPackages, error) {
	p, err := d.pool(r.Pool)
	if err != nil {
		return nil, err
	}
	if len(r.Files) > pool.MaxFiles {
		return nil, &admin.Error{Text: fmt.Sprintf("%d files at once, at most %d are taken", len(r.Files), pool.MaxFiles), Exit: admin.ExitUsage}
	}
	var files []*spooled
	defer func() { giveUp(files) }()
	for _, f := range r.Files {
		s, err := d.spool.take(ctx, by.String(), f.Name, f.Size, body)
		if err != nil {
			return nil, err
		}
		files = append(files, s)
	}
	add := (*pool.Pool).Add
	if r.Again {
		add = (*pool.Pool).AddAgain
	}
	added, err := d.addSpooled(ctx, p, by.String(), add, files)
	if refusal := (*pool.Error)(nil); errors.As(err, &refusal) {
		return nil, &admin.Error{Text: err.Error(), Exit: admin.ExitRefused}
	}
	if err != nil {
		return nil, err
	}
	return &admin.AddedPackages{Added: poolFiles(added.New), Known: poolFiles(added.Known)}, nil
}

// Packages lists pools that are configured.
func (d *Daemon) Packages(ctx context.Context, r admin.PackagesRequest) (*admin.Packages, error) {
	if r.Pool != "" {
		if _, err := d.pool(r.Pool); err != nil {
			return nil, err
		}
	}
	files, err := d.cache.Catalog.PoolFiles(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	in := d.inForce.Load()
	files = slices.DeleteFunc(files, func(f catalog.PoolFile) bool { return in.Pool(f.Pool) == nil })
	return &admin.Packages{Files: poolFiles(files)}, nil
}

// RemovePackages takes packages out of a pool.
func (d *Daemon) RemovePackages(ctx context.Context, by admin.Caller, r admin.RemovePackagesRequest) (*admin.RemovedPackages, error) {
	p, err := d.pool(r.Pool)
	if err != nil {
		return nil, err
	}
	removed, err := p.Remove(ctx, by.String(), r.Package, r.Version)
	if errors.Is(err, catalog.ErrNotFound) {
		err = &admin.Error{Text: fmt.Sprintf("pool %s has no package %s; aptmirror package list %[1]s shows what it has", r.Pool, strings.TrimRight(r.Package+" "+r.Version, " ")), Exit: admin.ExitFailed}
	}
	if err != nil {
		return nil, err
	}
	d.Log.Info("files were removed from a pool", "pool", p.Name, "by", by.String(), "removed", pathsOf(removed))
	d.poolChanged(ctx, p.Name)
	return &admin.RemovedPackages{Removed: poolFiles(removed)}, nil
}

func poolFiles(files []catalog.PoolFile) []admin.PoolFile {
	out := []admin.PoolFile{}
	for _, f := range files {
		out = append(out, admin.PoolFile{
			Pool: f.Pool, Path: f.Path, Kind: string(f.Kind), Package: f.Package, Version: f.Version, Architecture: f.Architecture,
			Component: f.Component, Size: f.Size, SHA256: f.Digest.String(), Added: f.Added, By: f.By, Signer: f.Signer,
		})
	}
	return out
}
