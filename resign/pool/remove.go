package pool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// Removal says which packages are taken out of a pool, binary and source.
type Removal struct {
	Package string // "" is every name, which goes with Keep alone
	Version string // "" is every version
	// Keep leaves so many versions, the newest, of each package and architecture.
	Keep int
	// DryRun only tells what would be removed.
	DryRun bool
}

// Remove takes packages out, and returns what it removed; by says for the record who asks. The files that a source package
// shares with another stay. What was removed is remembered: it does not come back by Add. The error is
// catalog.ErrNotFound where there is no such package. Up to catalog.MaxPoolFiles are removed all or none; of more, some may
// be when there is an error.
func (p *Pool) Remove(ctx context.Context, by string, r Removal) ([]catalog.PoolFile, error) {
	removed, err := p.remove(ctx, by, r)
	if err != nil {
		return removed, fmt.Errorf("removing %s from pool %s: %w", cmp.Or(r.Package, "old versions"), p.Name, err)
	}
	return removed, nil
}

func (p *Pool) remove(ctx context.Context, by string, r Removal) ([]catalog.PoolFile, error) {
	p.Adding.Lock()
	defer p.Adding.Unlock()
	have, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	if r.Package == "" && r.Keep < 1 || r.Package != "" && !slices.ContainsFunc(have, r.names) {
		return nil, catalog.ErrNotFound
	}
	going, staying := r.part(have)
	parts, err := p.unneeded(ctx, staying)
	if err != nil {
		return nil, err
	}
	if going = append(going, parts...); r.DryRun {
		return going, nil
	}
	return p.takeOut(ctx, by, going)
}

// names says whether a removal is about a package.
func (r Removal) names(f catalog.PoolFile) bool {
	return f.Kind != catalog.PoolSourceFile && (r.Package == "" || f.Package == r.Package) && (r.Version == "" || debian.CompareVersions(f.Version, r.Version) == 0)
}

func (r Removal) part(have []catalog.PoolFile) (going, staying []catalog.PoolFile) {
	left := r.left(have)
	for _, f := range have {
		if r.names(f) && !left[f.Path] {
			going = append(going, f)
		} else {
			staying = append(staying, f)
		}
	}
	return going, staying
}

// left gives the paths of the packages that Keep leaves: the newest of each, and the sources of what stays.
func (r Removal) left(have []catalog.PoolFile) map[string]bool {
	left := map[string]bool{}
	if r.Keep == 0 {
		return left
	}
	type name struct {
		kind              catalog.PoolKind
		pkg, architecture string
	}
	versions := map[name][]catalog.PoolFile{}
	for _, f := range have {
		if n := (name{f.Kind, f.Package, f.Architecture}); r.names(f) {
			versions[n] = append(versions[n], f)
		}
	}
	for _, of := range versions {
		slices.SortFunc(of, func(a, b catalog.PoolFile) int { return debian.CompareVersions(b.Version, a.Version) })
		for _, f := range of[:min(len(of), r.Keep)] {
			left[f.Path] = true
		}
	}
	r.addSources(have, left)
	return left
}

// addSources leaves the source packages of binary ones that stay.
func (r Removal) addSources(have []catalog.PoolFile, left map[string]bool) {
	built := map[[2]string]bool{}
	for _, f := range have {
		if (f.Kind == catalog.PoolDeb || f.Kind == catalog.PoolUdeb) && (left[f.Path] || !r.names(f)) {
			built[[2]string{cmp.Or(f.Source, f.Package), f.Version}] = true
		}
	}
	for _, f := range have {
		if f.Kind == catalog.PoolSource && built[[2]string{f.Package, f.Version}] {
			left[f.Path] = true
		}
	}
}

// takeOut removes files and gives those that it did.
func (p *Pool) takeOut(ctx context.Context, by string, files []catalog.PoolFile) (removed []catalog.PoolFile, err error) {
	for some := range slices.Chunk(files, catalog.MaxPoolFiles) {
		var paths []string
		for _, f := range some {
			paths = append(paths, f.Path)
		}
		if err := p.Cache.Catalog.RemovePoolFiles(ctx, p.Name, paths, by, p.Now().UTC().Truncate(time.Second)); err != nil {
			return removed, err
		}
		removed = append(removed, some...)
	}
	return removed, nil
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
