package cache

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
)

// Keyrings gives the keys of an archive, or of what catalog.BuiltBy gives for a
// repository; nil for one that is no longer configured: what is left of it is
// served to nobody, and has no keys to be checked against.
type Keyrings func(archive string) *pgp.Keyring

// Report is what Verify read.
type Report struct {
	Generations int
	Paths       int
	Blobs       int
	Bytes       int64
	Problems    []Problem
	// Unchecked are generations and publications of what is no longer configured.
	Unchecked []Problem
}

func (r *Report) leaveOut(place, whose string) {
	r.Unchecked = append(r.Unchecked, Problem{place, "not checked: the " + whose + " is no longer configured"})
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Where string // generation, path or blob
	What  string
}

const (
	// maxProblems is how many problems of one generation are listed; a last
	// one counts the others. A manifest that is wrong as a whole has as many
	// as it has paths.
	maxProblems = 100
	// newsEvery is the number of blobs after which progress is told.
	newsEvery = 1000
)

// Verify reads everything back: every generation's signature against the keys
// that keyring gives for its archive, its Release against its row and its
// manifest, the indexes against the manifest, what was signed of built
// generations, every pointer, every snapshot, every pool, and every stored blob,
// chunk by chunk, against its digest. A file that no request has fetched yet is
// no problem, except in a snapshot that was complete. What it cannot see is an index that the archive is
// configured to have and of which the generation has no trace at all.
//
// The error is for a reading that could not be finished; what is wrong is in
// the report. news is called with what is read next.
func (c *Cache) Verify(ctx context.Context, keyring Keyrings, news func(string)) (*Report, error) {
	r := &Report{}
	if err := c.verifyGenerations(ctx, r, keyring, news); err != nil {
		return r, err
	}
	if err := c.verifySigned(ctx, r, keyring, news); err != nil {
		return r, err
	}
	if err := c.verifyPointers(ctx, r); err != nil {
		return r, err
	}
	if err := c.verifyPools(ctx, r, true); err != nil {
		return r, err
	}
	return r, c.verifyBlobs(ctx, r, news)
}

func (c *Cache) verifyGenerations(ctx context.Context, r *Report, keyring Keyrings, news func(string)) error {
	generations, err := c.Catalog.Generations(ctx)
	if err := r.noteRow(err); err != nil {
		return fmt.Errorf("listing generations: %w", err)
	}
	for _, g := range generations {
		news(describe(g.Ref()))
		before, keys := len(r.Problems), keyring(g.Archive)
		p := &prover{cache: c, generation: g, report: r, place: describe(g.Ref())}
		_, built := g.Builder()
		switch {
		case built:
			p.proveBuilt(ctx)
		case keys == nil:
			r.leaveOut(p.place, "archive")
			continue
		default:
			p.prove(ctx, keys)
		}
		if ctx.Err() != nil {
			r.Problems = r.Problems[:before] // they may only say that reading was cut short
			return context.Cause(ctx)
		}
		r.Generations++
	}
	return nil
}

// noteRow reports a row that cannot be read and returns any other error.
func (r *Report) noteRow(err error) error {
	if row := (*catalog.RowError)(nil); errors.As(err, &row) {
		r.Problems = append(r.Problems, Problem{"catalog", row.Error()})
		return nil
	}
	return err
}

// verifySigned proves what was signed of every publication of a built generation.
func (c *Cache) verifySigned(ctx context.Context, r *Report, keyring Keyrings, news func(string)) error {
	publications, err := c.Catalog.Publications(ctx)
	if row := (*catalog.RowError)(nil); err != nil && !errors.As(err, &row) { // verifyPointers names the row
		return fmt.Errorf("listing publications: %w", err)
	}
	for _, pub := range publications {
		g, err := c.Catalog.Generation(pub.Current.Archive, pub.Current.Suite, pub.Current.Number)
		if _, built := pub.Current.Builder(); !built || err != nil {
			continue // verifyPointers names those that are missing
		}
		p := &signedProver{prover: prover{cache: c, generation: g, report: r}, publication: pub}
		p.place = fmt.Sprintf("repository %s, suite %s", pub.Repository, pub.Suite)
		keys := keyring(catalog.BuiltBy(owner(pub.Repository)))
		if keys == nil {
			r.leaveOut(p.place, "repository")
			continue
		}
		news(p.place)
		before := len(r.Problems)
		p.prove(ctx, keys)
		if ctx.Err() != nil {
			r.Problems = r.Problems[:before]
			return context.Cause(ctx)
		}
	}
	return nil
}

// verifyBlobs re-hashes every blob that is stored.
func (c *Cache) verifyBlobs(ctx context.Context, r *Report, news func(string)) error {
	for info, err := range c.Blobs.All(ctx) {
		if err == nil {
			err = c.Blobs.Verify(ctx, info.Digest)
		}
		if errors.Is(err, blob.ErrNotFound) { // deleted meanwhile
			continue
		}
		if corrupt := (*blob.CorruptError)(nil); errors.As(err, &corrupt) {
			r.Problems = append(r.Problems, Problem{"blob " + info.Digest.String(), corrupt.Reason})
		} else if err != nil {
			return fmt.Errorf("reading the blobs back: %w", err)
		}
		r.Blobs++
		r.Bytes += info.Size
		if r.Blobs%newsEvery == 0 {
			news(fmt.Sprintf("%d files read", r.Blobs))
		}
	}
	return nil
}
