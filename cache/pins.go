package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// pins remembers what is pinned beside what rows say themselves, since looking
// that up means loading manifests or reading all rows of pools.
type pins struct {
	mu      sync.Mutex // guards the fields below
	indexes map[catalog.Ref][]blob.Digest

	pool        []blob.Digest
	poolRead    bool
	poolChanges uint64

	whole      []catalog.Ref // the generations of complete snapshots
	wholeBegin []uint64      // of all that they name, ascending
}

// pinned are files that are not removed to make room.
type pinned struct {
	files map[blob.Digest]bool
	begin []uint64 // ascending; where two digests begin alike, one file too many stays
}

func (p pinned) has(d blob.Digest) bool {
	if p.files[d] {
		return true
	}
	_, ok := slices.BinarySearch(p.begin, beginning(d))
	return ok
}

// pinned gives the files that published state consists of or that the site
// owns, and that are therefore never removed to make room: Release and its
// signatures, manifests, the indexes that manifests were made from, all indexes
// of built generations, pools, and what complete snapshots name. Everything else
// can be fetched again.
func (c *Cache) pinned(ctx context.Context, s catalog.State) (pinned, error) {
	c.pins.mu.Lock()
	defer c.pins.mu.Unlock()
	out := pinned{files: map[blob.Digest]bool{}}
	if err := c.pins.addGenerations(ctx, c.Catalog, s, out.files); err != nil {
		return out, err
	}
	for _, p := range s.Publications {
		for _, d := range p.Signed.Files() {
			out.files[d] = true
		}
	}
	if err := c.pins.readPools(ctx, c.Catalog, s.PoolChanges); err != nil {
		return out, err
	}
	for _, d := range c.pins.pool {
		out.files[d] = true
	}
	err := c.pins.readWhole(ctx, c.Catalog, s)
	out.begin = c.pins.wholeBegin
	return out, err
}

// addGenerations needs mu.
func (p *pins) addGenerations(ctx context.Context, c *catalog.Catalog, s catalog.State, files map[blob.Digest]bool) error {
	mirrored := mirroredArchives(s.Generations)
	known := map[catalog.Ref][]blob.Digest{}
	for _, g := range s.Generations {
		indexes, err := p.of(ctx, c, g, mirrored)
		if err != nil {
			return err
		}
		known[g.Ref()] = indexes
		for _, d := range slices.Concat(g.Parts(), g.Copies, indexes) {
			files[d] = true
		}
	}
	p.indexes = known
	return nil
}

// mirroredArchives are those of which packages can be fetched again.
func mirroredArchives(generations []catalog.Generation) map[string]bool {
	archives := map[string]bool{}
	for _, g := range generations {
		if _, built := g.Builder(); !built {
			archives[g.Archive] = true
		}
	}
	return archives
}

// of needs mu. A generation whose manifest cannot be read is not served, and
// its indexes are worth nothing.
func (p *pins) of(ctx context.Context, c *catalog.Catalog, g catalog.Generation, mirrored map[string]bool) ([]blob.Digest, error) {
	if digests, ok := p.indexes[g.Ref()]; ok {
		return digests, nil
	}
	t, err := c.Table(ctx, g)
	if err != nil {
		return nil, context.Cause(ctx)
	}
	if _, built := g.Builder(); built {
		return ownedBy(g, t, mirrored), nil
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

// ownedBy gives the indexes of a built generation, and those of its packages
// that no archive has.
func ownedBy(g catalog.Generation, t *catalog.Table, mirrored map[string]bool) (digests []blob.Digest) {
	for e := range t.All() {
		if e.Kind == catalog.KindIndex || e.Kind == catalog.KindPackage && !mirrored[g.File(e).Archive] {
			digests = append(digests, e.Digest)
		}
	}
	return digests
}

// readPools needs mu.
func (p *pins) readPools(ctx context.Context, c *catalog.Catalog, changes uint64) error {
	if p.poolRead && p.poolChanges == changes {
		return nil
	}
	digests, err := poolDigests(ctx, c)
	if err == nil {
		p.pool, p.poolRead, p.poolChanges = digests, true, changes
	}
	return err
}

// poolDigests gives the files that the rows of pools name.
func poolDigests(ctx context.Context, c *catalog.Catalog) (digests []blob.Digest, err error) {
	files, err := c.PoolFiles(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("listing the files of pools: %w", err)
	}
	for _, f := range files {
		digests = append(digests, f.Digest)
		for _, d := range []blob.Digest{f.Stanza, f.Paths} {
			if d != (blob.Digest{}) {
				digests = append(digests, d)
			}
		}
	}
	return digests, nil
}

// readWhole needs mu.
func (p *pins) readWhole(ctx context.Context, c *catalog.Catalog, s catalog.State) error {
	whole := wholeRefs(s.Snapshots)
	if slices.Equal(whole, p.whole) {
		return nil
	}
	var begin []uint64
	for _, g := range s.Generations {
		if !slices.Contains(whole, g.Ref()) {
			continue
		}
		t, err := c.Table(ctx, g)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			continue // nobody can be served from it
		}
		for e := range t.All() {
			begin = append(begin, beginning(e.Digest))
		}
		slices.Sort(begin)
		begin = slices.Compact(begin)
	}
	p.whole, p.wholeBegin = whole, begin
	return nil
}

// wholeRefs gives the generations that complete snapshots pin, in one order.
func wholeRefs(snapshots []catalog.Snapshot) []catalog.Ref {
	refs := map[catalog.Ref]bool{}
	for _, s := range snapshots {
		for _, pin := range s.Pins {
			if s.Complete {
				refs[pin.Ref] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(refs), catalog.Ref.Compare)
}

// beginning stands for a digest where there are many of them.
func beginning(d blob.Digest) uint64 { return binary.BigEndian.Uint64(d[:]) }
