package resign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
)

// Room decides what the store has room for and what may be removed from it.
type Room interface {
	// Reserve sets room aside until release is called. The error is
	// blob.ErrNoSpace where there is none and, with evict, none can be made.
	Reserve(ctx context.Context, size int64, evict bool) (release func(), err error)
	// Hold keeps files from being removed until release is called.
	Hold(digests ...blob.Digest) (release func())
}

// Builder makes built generations. Its methods may be called concurrently, but
// for two builds of one suite.
type Builder struct {
	Blobs   *blob.Store
	Catalog *catalog.Catalog
	// Room is asked before anything is stored; nil stores everything.
	Room Room
	// Now is the clock that holds end by; nil is the system's.
	Now func() time.Time

	mu     sync.Mutex
	copied map[string]blob.Digest // mu; see copies
}

func (b *Builder) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// Built is the outcome of Build.
type Built struct {
	Generation catalog.Generation
	// New says that this generation did not exist before.
	New bool
	// Offered, Selected and Held count packages. They are zero where the recipe
	// is that of the generation before: nothing was read then.
	Offered, Selected, Held int
	// Unmet says which relations nothing meets, of packages allowed with
	// dependencies; at most maxUnmet of them.
	Unmet []string
}

// maxUnmet bounds what is reported of one build; more would not be read.
const maxUnmet = 100

// Build makes the generation that follows from a recipe, unless the newest one of
// the suite is that already. Translations and contents that the store lacks are
// left out, and named by Generation.Missing. What stands in the store before stays as it is on
// any error. A generation becomes visible by Catalog.Publish alone.
func (b *Builder) Build(ctx context.Context, r Recipe) (Built, error) {
	built, err := b.build(ctx, &r)
	if err != nil {
		return Built{}, fmt.Errorf("building repository %s, suite %s: %w", r.Repository, r.Suite, err)
	}
	return built, nil
}

func (b *Builder) build(ctx context.Context, r *Recipe) (Built, error) {
	inputs, err := b.load(ctx, r)
	if err != nil {
		return Built{}, err
	}
	digest, err := r.digest(inputs)
	if err != nil {
		return Built{}, err
	}
	before, err := b.latest(ctx, *r)
	if err != nil {
		return Built{}, err
	}
	if g := before.generation; g != nil && g.Recipe == digest && (g.Next.IsZero() || b.now().Before(g.Next)) && !found(g.Missing, inputs) {
		return Built{Generation: *g}, nil
	}
	w := &writing{b: b, recipe: r, dir: catalog.SuiteDir(r.Suite), before: before}
	defer w.end()
	return w.build(ctx, inputs, digest)
}

// found says whether something is there that an earlier build had to do without.
func found(missing []string, inputs []*input) bool {
	return slices.ContainsFunc(inputs, func(in *input) bool {
		return slices.ContainsFunc(in.other, func(f indexFile) bool { return !f.lost && slices.Contains(missing, f.path) })
	})
}

// latest gives the newest generation of the suite, if it can still be read.
func (b *Builder) latest(ctx context.Context, r Recipe) (*previous, error) {
	g, err := b.Catalog.Latest(ctx, catalog.BuiltBy(r.Repository), r.Suite)
	if errors.Is(err, catalog.ErrNotFound) {
		return &previous{}, nil
	}
	if err != nil {
		return nil, err
	}
	p := &previous{generation: &g}
	if p.table, err = b.Catalog.Table(ctx, g); err == nil {
		p.fields, err = ReadFields(ctx, b.Blobs, g)
	}
	if err != nil && ctx.Err() == nil {
		return &previous{}, nil // it is made anew
	}
	return p, err
}

func (w *writing) build(ctx context.Context, inputs []*input, recipe blob.Digest) (Built, error) {
	defer collectMore()()
	built := Built{Generation: catalog.Generation{
		Archive: catalog.BuiltBy(w.recipe.Repository), Suite: w.recipe.Suite, Recipe: recipe, Created: w.b.now().UTC(),
	}}
	c := w.b.newCopies(w.before.fields.Copies)
	c.spare = &spare{}
	remains := newRemains()
	err := w.b.selectAll(ctx, w.recipe, inputs, c, func(s *Selection) error {
		built.count(s)
		remains.note(s)
		defer c.spare.takeBack(s)
		return w.writeSelection(ctx, s)
	})
	c.spare = nil
	runtime.GC() // texts and facts are garbage now, beside which the manifest would be written
	if err != nil {
		return Built{}, err
	}
	if err := w.writeOthers(ctx, inputs, remains); err != nil {
		return Built{}, err
	}
	for _, in := range inputs {
		if in.Generation != nil {
			built.Generation.Inputs = append(built.Generation.Inputs, in.Generation.Ref())
		}
	}
	built.Generation.Missing = w.missing
	w.fields.Copies = c.used
	for _, original := range slices.Sorted(maps.Keys(c.used)) {
		built.Generation.Copies = append(built.Generation.Copies, c.used[original])
	}
	w.b.remember(c.used)
	err = w.record(ctx, &built)
	return built, err
}

func (b *Built) count(s *Selection) {
	for i := range s.Decision.Verdicts {
		b.Offered++
		switch v := s.Decision.Verdicts[i]; {
		case v.Allowed():
			b.Selected++
		case v.Reason == policy.Held:
			b.Held++
		}
	}
	for _, u := range s.Decision.Unmet[:min(len(s.Decision.Unmet), maxUnmet-len(b.Unmet))] {
		b.Unmet = append(b.Unmet, s.Set.Packages[u.Package].FullName()+": "+u.String())
	}
	if next := s.Decision.Next; !next.IsZero() && (b.Generation.Next.IsZero() || next.Before(b.Generation.Next)) {
		b.Generation.Next = next
	}
}

// record adds the generation to the catalog, unless it is the newest one with
// another history.
func (w *writing) record(ctx context.Context, built *Built) (err error) {
	g := &built.Generation
	if g.Manifest, err = w.putManifest(ctx); err != nil {
		return err
	}
	if g.Fields, err = w.putFields(ctx); err != nil {
		return err
	}
	g.Packages, g.Bytes = w.manifest.Packages()
	g.Indexes, g.Scope = w.named, w.scope()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if last := w.before.generation; last != nil && last.Manifest == g.Manifest && last.Next.Equal(g.Next) && last.Recipe == g.Recipe && slices.Equal(last.Missing, g.Missing) {
		built.Generation = *last
		return nil
	}
	if g.Number, err = w.b.Catalog.AddGeneration(*g); err != nil {
		return err
	}
	built.New = true
	return nil
}

func (w *writing) putManifest(ctx context.Context) (blob.Digest, error) {
	raw, err := w.manifest.Encode()
	if err != nil {
		return blob.Digest{}, err
	}
	return w.putBytes(ctx, raw)
}

func (w *writing) putFields(ctx context.Context) (blob.Digest, error) {
	w.listing.Components = w.recipe.Components
	for _, a := range w.recipe.Architectures {
		if a != "source" {
			w.listing.Architectures = append(w.listing.Architectures, a)
		}
	}
	w.fields.Listing = string(w.listing.Text())
	w.fields.Components, w.fields.Architectures = w.listing.Components, w.listing.Architectures
	raw, err := json.Marshal(w.fields)
	if err != nil {
		return blob.Digest{}, err
	}
	return w.putBytes(ctx, raw)
}

// scope is for people.
func (w *writing) scope() string {
	return strings.Join(w.recipe.Components, " ") + " / " + strings.Join(w.recipe.Architectures, " ")
}
