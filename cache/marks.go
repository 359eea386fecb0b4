package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// marks are the files that generations name, by the first eight bytes of their
// digests: a quarter of the memory, and where two begin alike, one file too
// many stays.
type marks struct {
	cache *Cache
	// spare are the generations that may be unreadable: they are not served, so
	// that nobody can ask for what only they name.
	spare map[catalog.Ref]bool
	seen  map[catalog.Ref]bool
	begin []uint64 // ascending
}

func beginning(d blob.Digest) uint64 { return binary.BigEndian.Uint64(d[:]) }

func (m *marks) has(d blob.Digest) bool {
	_, ok := slices.BinarySearch(m.begin, beginning(d))
	return ok
}

// add marks what those of the generations name that were not seen before.
func (m *marks) add(ctx context.Context, generations []catalog.Generation) error {
	for _, g := range generations {
		if m.seen[g.Ref()] {
			continue
		}
		if err := m.addGeneration(ctx, g); err != nil {
			return err
		}
		m.seen[g.Ref()] = true
	}
	return nil
}

func (m *marks) addGeneration(ctx context.Context, g catalog.Generation) error {
	for _, d := range parts(g) {
		m.begin = append(m.begin, beginning(d))
	}
	t, err := m.cache.Catalog.Table(ctx, g)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && m.spare[g.Ref()]:
		slices.Sort(m.begin)
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", err, errUnknownNeeds)
	}
	for e := range t.All() {
		m.begin = append(m.begin, beginning(e.Digest))
	}
	slices.Sort(m.begin)
	m.begin = slices.Compact(m.begin)
	return nil
}
