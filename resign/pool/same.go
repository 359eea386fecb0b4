package pool

import (
	"context"
	"errors"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// Same gives the files that a pool has as the same binary or source package: of the same kind, name and architecture, and of
// a version that dpkg takes for equal, for apt would take either file for the other.
func Same(ctx context.Context, c *catalog.Catalog, pool string, f catalog.PoolFile) (same []catalog.PoolFile, err error) {
	versions, err := c.PoolVersions(ctx, pool, f.Kind, f.Package, f.Architecture)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if debian.CompareVersions(v.Version, f.Version) != 0 {
			continue
		}
		h, err := c.PoolFile(pool, v.Path)
		if errors.Is(err, catalog.ErrNotFound) {
			continue // it was removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		same = append(same, h)
	}
	return same, nil
}

// alike gives the pool's files among which lookUp would find one.
func (p *Pool) alike(ctx context.Context, f catalog.PoolFile) (have []catalog.PoolFile, err error) {
	if f.Kind != catalog.PoolSourceFile {
		if have, err = Same(ctx, p.Cache.Catalog, p.Name, f); err != nil {
			return nil, err
		}
	}
	h, err := p.Cache.Catalog.PoolFile(p.Name, f.Path)
	if errors.Is(err, catalog.ErrNotFound) {
		return have, nil
	}
	return append(have, h), err
}

// lookUp finds the file that is the same package, or lies at the same path.
func lookUp(have []catalog.PoolFile, f catalog.PoolFile) (same catalog.PoolFile, known bool, err error) {
	for _, h := range have {
		if h.Path != f.Path && (f.Kind == catalog.PoolSourceFile || h.Kind != f.Kind || h.Package != f.Package ||
			h.Architecture != f.Architecture || debian.CompareVersions(h.Version, f.Version) != 0) {
			continue
		}
		if h.Digest != f.Digest {
			return h, false, &catalog.PoolConflictError{Have: h, New: f}
		}
		return h, true, nil
	}
	return same, false, nil
}
