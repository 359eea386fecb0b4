package resign

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/deb822"
)

// SightKeys gives the catalog.SightKey of every package that a mirrored
// generation has. With again, a build that follows reads the same indexes in a
// fraction of the time.
func (b *Builder) SightKeys(ctx context.Context, g catalog.Generation, again bool) (keys []uint64, err error) {
	table, err := b.Catalog.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	for _, f := range namedIndexes(&g, table) {
		plain, err := b.openForSight(ctx, f, again)
		if err == nil {
			keys, err = appendSightKeys(ctx, keys, f, plain)
			plain.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", f.path, g.Ref(), err)
		}
	}
	return keys, nil
}

func (b *Builder) openForSight(ctx context.Context, f indexFile, again bool) (io.ReadCloser, error) {
	if !again || !slow(f.format) {
		return openIndex(b.Blobs, f, maxText)
	}
	c := b.newCopies(nil)
	text, err := c.text(ctx, b, f)
	if err != nil {
		return nil, err
	}
	b.remember(c.used)
	return io.NopCloser(bytes.NewReader(text)), nil
}

func appendSightKeys(ctx context.Context, keys []uint64, f indexFile, plain io.Reader) ([]uint64, error) {
	sc := deb822.NewScanner(plain, deb822.Limits{})
	for sc.Scan() {
		var p policy.Package
		if err := p.Read(sc.Stanza(), kindOf(f.content)); err != nil {
			return nil, err
		}
		keys = append(keys, catalog.SightKey(p.Name, p.Version, p.Architecture, p.Digest))
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
