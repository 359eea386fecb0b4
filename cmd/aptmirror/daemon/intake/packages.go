package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/resign/pool"
)

// AddPackages takes files from a command.
func (i *Intake) AddPackages(ctx context.Context, by admin.Caller, r admin.AddPackagesRequest, body io.Reader) (*admin.AddedPackages, error) {
	p, err := i.pool(r.Pool)
	if err != nil {
		return nil, err
	}
	if len(r.Files) > pool.MaxFiles {
		return nil, &admin.Error{Text: fmt.Sprintf("%d files at once, at most %d are taken", len(r.Files), pool.MaxFiles), Exit: admin.ExitUsage}
	}
	var files []*spooled
	defer func() { giveUp(files) }()
	for _, f := range r.Files {
		s, err := i.spool.take(ctx, by.String(), f.Name, f.Size, body)
		if err != nil {
			return nil, err
		}
		files = append(files, s)
	}
	add := (*pool.Pool).Add
	if r.Again {
		add = (*pool.Pool).AddAgain
	}
	added, err := i.addSpooled(ctx, p, by.String(), add, files)
	if refusal := (*pool.Error)(nil); errors.As(err, &refusal) {
		return nil, &admin.Error{Text: err.Error(), Exit: admin.ExitRefused}
	}
	if err != nil {
		return nil, err
	}
	return &admin.AddedPackages{Added: poolFiles(added.New), Known: poolFiles(added.Known)}, nil
}

// Packages lists pools that are configured.
func (i *Intake) Packages(ctx context.Context, r admin.PackagesRequest) (*admin.Packages, error) {
	if r.Pool != "" {
		if _, err := i.pool(r.Pool); err != nil {
			return nil, err
		}
	}
	files, err := i.Cache.Catalog.PoolFiles(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	uses, err := i.Uses(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	in := i.InForce()
	files = slices.DeleteFunc(files, func(f catalog.PoolFile) bool { return in.Pool(f.Pool) == nil })
	return &admin.Packages{Files: poolFiles(files), Pools: uses}, nil
}

// RemovePackages takes packages out of a pool.
func (i *Intake) RemovePackages(ctx context.Context, by admin.Caller, r admin.RemovePackagesRequest) (*admin.RemovedPackages, error) {
	p, err := i.pool(r.Pool)
	if err != nil {
		return nil, err
	}
	removed, err := p.Remove(ctx, by.String(), pool.Removal{Package: r.Package, Version: r.Version, Keep: r.Keep, DryRun: r.DryRun})
	if len(removed) > 0 && !r.DryRun {
		i.Log.Info("files were removed from a pool", "pool", p.Name, "by", by.String(), "removed", pathsOf(removed))
		i.Changed(ctx, p.Name)
	}
	if errors.Is(err, catalog.ErrNotFound) {
		err = &admin.Error{Text: fmt.Sprintf("pool %s has no package %s; aptmirror package list %[1]s shows what it has", r.Pool, strings.TrimRight(r.Package+" "+r.Version, " ")), Exit: admin.ExitFailed}
	}
	if err != nil {
		return nil, err
	}
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

// Known says of a pool that is not configured that there is none.
func (i *Intake) Known(name string) error {
	_, err := i.pool(name)
	return err
}

func (i *Intake) pool(name string) (*inforce.Pool, error) {
	if p := i.InForce().Pool(name); p != nil {
		return p, nil
	}
	return nil, &admin.Error{Text: fmt.Sprintf("there is no pool %q in %s", name, i.InForce().Config.Path), Exit: admin.ExitUsage}
}
