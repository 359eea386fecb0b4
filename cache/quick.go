package cache

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// VerifyQuick looks whether everything is there that generations consist of,
// with its right size, whether manifests can be read and whether pointers lead
// somewhere. It reads no file but manifests and checks no signature, so that it
// takes seconds where Verify takes hours.
func (c *Cache) VerifyQuick(ctx context.Context, news func(string)) (*Report, error) {
	r := &Report{}
	generations, err := c.Catalog.Generations(ctx)
	if err != nil {
		return r, fmt.Errorf("listing generations: %w", err)
	}
	for _, g := range generations {
		news(describe(g.Ref()))
		if err := c.verifyParts(ctx, g, r); err != nil {
			return r, err
		}
		r.Generations++
	}
	if err := c.verifyPointers(ctx, r); err != nil {
		return r, err
	}
	return r, c.verifyPools(ctx, r, false)
}

func (c *Cache) verifyParts(ctx context.Context, g catalog.Generation, r *Report) error {
	where := describe(g.Ref())
	t, err := c.Catalog.Table(ctx, g)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.Problems = append(r.Problems, Problem{where, err.Error()})
		return nil
	}
	r.Paths += t.Len()
	for _, e := range consistsOf(g, t) {
		info, err := c.Blobs.Stat(e.Digest)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			r.Problems = append(r.Problems, Problem{where + ": " + e.Path, "it is not in the store"})
			continue
		case err == nil && e.Size >= 0 && info.Size != e.Size:
			r.Problems = append(r.Problems, Problem{where + ": " + e.Path, fmt.Sprintf("it has %d bytes, the manifest says %d", info.Size, e.Size)})
		case err != nil:
			r.Problems = append(r.Problems, Problem{where + ": " + e.Path, err.Error()})
		}
		r.Blobs++
		r.Bytes += info.Size
	}
	return nil
}

// consistsOf gives the files that must be in the store for a generation to be
// served, but for its manifest. A size of -1 is not known.
func consistsOf(g catalog.Generation, t *catalog.Table) (entries []catalog.Entry) {
	for _, part := range []struct {
		name   string
		digest blob.Digest
	}{{"InRelease", g.InRelease}, {"Release", g.Release}, {"Release.gpg", g.ReleaseGPG}, {"fields", g.Fields}} {
		if part.digest == (blob.Digest{}) {
			continue
		}
		name := catalog.SuiteDir(g.Suite) + part.name
		e, ok := t.Find(name)
		if !ok || e.Digest != part.digest {
			e = catalog.Entry{Path: name, Digest: part.digest, Size: -1}
		}
		entries = append(entries, e)
	}
	return append(entries, ownIndexes(g, t)...)
}

// ownIndexes gives the indexes that must be in the store: those that the
// manifest was made from, and all of a built generation.
func ownIndexes(g catalog.Generation, t *catalog.Table) (entries []catalog.Entry) {
	if _, built := g.Builder(); built {
		for e := range t.All() {
			if e.Kind == catalog.KindIndex {
				entries = append(entries, e)
			}
		}
		return entries
	}
	for _, name := range g.Indexes {
		if e, ok := t.Find(name); ok {
			entries = append(entries, e)
		}
	}
	return entries
}
