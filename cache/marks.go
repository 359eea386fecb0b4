package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// marks are the files that rows and generations name, by the first eight bytes
// of their digests: a quarter of the memory, and where two begin alike, one file
// too many stays.
type marks struct {
	cache *Cache
	// spare are the generations that may be unreadable: they are not served, so
	// that nobody can ask for what only they name.
	spare map[catalog.Ref]bool
	seen  map[catalog.Ref]bool
	begin []uint64 // ascending

	poolSeen    bool
	poolChanges uint64
}

func (m *marks) has(d blob.Digest) bool {
	_, ok := slices.BinarySearch(m.begin, beginning(d))
	return ok
}

// add marks what is recorded and was not seen before.
func (m *marks) add(ctx context.Context, s catalog.State) error {
	var signed []blob.Digest
	for _, p := range s.Publications {
		signed = slices.AppendSeq(signed, maps.Values(p.Signed.Files()))
	}
	m.addFiles(signed)
	if err := m.addPools(ctx, s.PoolChanges); err != nil {
		return err
	}
	for _, g := range s.Generations {
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

// addFiles is quick where all of them are marked.
func (m *marks) addFiles(digests []blob.Digest) {
	n := len(m.begin)
	marked := m.begin[:n:n]
	for _, d := range digests {
		if _, ok := slices.BinarySearch(marked, beginning(d)); !ok {
			m.begin = append(m.begin, beginning(d))
		}
	}
	if len(m.begin) > n {
		m.order()
	}
}

func (m *marks) order() {
	slices.Sort(m.begin)
	m.begin = slices.Compact(m.begin)
}

func (m *marks) addPools(ctx context.Context, changes uint64) error {
	if m.poolSeen && m.poolChanges == changes {
		return nil
	}
	digests, err := poolDigests(ctx, m.cache.Catalog)
	m.addFiles(digests)
	m.poolSeen, m.poolChanges = err == nil, changes
	return err
}

func (m *marks) addGeneration(ctx context.Context, g catalog.Generation) error {
	m.addFiles(append(g.Parts(), g.Copies...))
	t, err := m.cache.Catalog.Table(ctx, g)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && m.spare[g.Ref()]:
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", err, errUnknownNeeds)
	}
	for e := range t.All() {
		m.begin = append(m.begin, beginning(e.Digest))
	}
	m.order()
	return nil
}
