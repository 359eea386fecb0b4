package resign

import (
	"context"
	"fmt"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/deb822"
)

// SightKeys gives the catalog.SightKey of every package that a mirrored
// generation has.
func (b *Builder) SightKeys(ctx context.Context, g catalog.Generation) (keys []uint64, err error) {
	table, err := b.Catalog.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	for _, f := range namedIndexes(&g, table) {
		if keys, err = b.appendSightKeys(ctx, keys, f); err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", f.path, g.Ref(), err)
		}
	}
	return keys, nil
}

func (b *Builder) appendSightKeys(ctx context.Context, keys []uint64, f indexFile) ([]uint64, error) {
	plain, err := openIndex(b.Blobs, f, maxText)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	sc := deb822.NewScanner(plain, deb822.Limits{})
	for sc.Scan() {
		s := sc.Stanza()
		name, _ := s.Get("Package")
		version, _ := s.Get("Version")
		arch := []byte("source")
		if f.content != sources {
			arch, _ = s.Get("Architecture")
		}
		keys = append(keys, catalog.SightKey(text(name), text(version), text(arch)))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return keys, sc.Err()
}

// Lacking names the translations and contents that a recipe wants and the store
// has no form of, each in the form that is quickest to fetch: who can brings
// them before Build.
func (b *Builder) Lacking(ctx context.Context, r Recipe) (files []catalog.File, err error) {
	inputs, err := b.load(ctx, &r)
	if err != nil {
		return nil, fmt.Errorf("looking what repository %s, suite %s needs: %w", r.Repository, r.Suite, err)
	}
	for _, in := range inputs {
		for _, f := range in.other {
			if !f.lost {
				continue
			}
			e, ok := in.table.Find(f.smallest)
			if ok {
				files = append(files, in.Generation.File(e))
			}
		}
	}
	return files, nil
}
