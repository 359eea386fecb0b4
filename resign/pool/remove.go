package pool

import (
	"context"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// Remove takes out the packages of that name, binary and source, in one version or, where that is empty, in all, and
// returns what it removed; by says for the record who asks. The files that a source package shares with another stay.
// What was removed is remembered: it does not come back by Add. The error is catalog.ErrNotFound where there is no such
// package.
func (p *Pool) Remove(ctx context.Context, by, name, version string) ([]catalog.PoolFile, error) {
	removed, err := p.remove(ctx, by, name, version)
	if err != nil {
		return nil, fmt.Errorf("removing %s from pool %s: %w", name, p.Name, err)
	}
	return removed, nil
}

func (p *Pool) remove(ctx context.Context, by, name, version string) ([]catalog.PoolFile, error) {
	p.Adding.Lock()
	defer p.Adding.Unlock()
	have, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	var removed, kept []catalog.PoolFile
	for _, f := range have {
		if f.Kind != catalog.PoolSourceFile && f.Package == name && (version == "" || debian.CompareVersions(f.Version, version) == 0) {
			removed = append(removed, f)
		} else {
			kept = append(kept, f)
		}
	}
	if len(removed) == 0 {
		return nil, catalog.ErrNotFound
	}
	parts, err := p.unneeded(ctx, kept)
	if err != nil {
		return nil, err
	}
	removed = append(removed, parts...)
	var paths []string
	for _, f := range removed {
		paths = append(paths, f.Path)
	}
	return removed, p.Cache.Catalog.RemovePoolFiles(ctx, p.Name, paths, by, p.Now().UTC().Truncate(time.Second))
}

// unneeded gives the files of source packages that none of the others names.
func (p *Pool) unneeded(ctx context.Context, files []catalog.PoolFile) (parts []catalog.PoolFile, err error) {
	needed := map[string]bool{}
	for _, f := range files {
		if f.Kind != catalog.PoolSource {
			continue
		}
		stanza, err := p.Cache.Blobs.ReadAll(ctx, f.Stanza, maxTextBytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		names, err := sourceFiles(stanza)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		for _, n := range names {
			needed[folder(f.Path)+n.Path] = true
		}
	}
	return slices.DeleteFunc(files, func(f catalog.PoolFile) bool {
		return f.Kind != catalog.PoolSourceFile || needed[f.Path]
	}), nil
}
