package cache

import (
	"context"
	"sync"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// pins remembers the indexes that generations were made from, since looking
// them up means loading a manifest.
type pins struct {
	mu      sync.Mutex // guards indexes
	indexes map[catalog.Ref][]blob.Digest
}

// pinned gives the files that published state consists of and that are never
// removed to make room: Release and its signatures, manifests, and the indexes
// that manifests were made from. Everything else can be fetched again.
func (c *Cache) pinned(ctx context.Context, generations []catalog.Generation) (map[blob.Digest]bool, error) {
	c.pins.mu.Lock()
	defer c.pins.mu.Unlock()
	pinned, known := map[blob.Digest]bool{}, map[catalog.Ref][]blob.Digest{}
	for _, g := range generations {
		indexes, err := c.pins.of(ctx, c.Catalog, g)
		if err != nil {
			return nil, err
		}
		known[g.Ref()] = indexes
		for _, d := range append(parts(g), indexes...) {
			pinned[d] = true
		}
	}
	c.pins.indexes = known
	return pinned, nil
}

// parts are the files that a generation's row names.
func parts(g catalog.Generation) (digests []blob.Digest) {
	for _, d := range []blob.Digest{g.InRelease, g.Release, g.ReleaseGPG, g.Manifest} {
		if d != (blob.Digest{}) {
			digests = append(digests, d)
		}
	}
	return digests
}

// of needs mu. A generation whose manifest cannot be read is not served, and
// its indexes are worth nothing.
func (p *pins) of(ctx context.Context, c *catalog.Catalog, g catalog.Generation) ([]blob.Digest, error) {
	if digests, ok := p.indexes[g.Ref()]; ok {
		return digests, nil
	}
	t, err := c.Table(ctx, g)
	if err != nil {
		return nil, context.Cause(ctx)
	}
	return indexesOf(g, t), nil
}

func indexesOf(g catalog.Generation, t *catalog.Table) (digests []blob.Digest) {
	for _, name := range g.Indexes {
		if e, ok := t.Find(name); ok {
			digests = append(digests, e.Digest)
		}
	}
	return digests
}
