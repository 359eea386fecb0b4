package snapshots

import (
	"context"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/catalog"
	"aptmirror/cache/compare"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/compress"
)

// maxPlainIndex bounds in bytes what an index unpacks to.
const maxPlainIndex = 4 << 30

// now stands in a comparison for what is served at present.
const now = "now"

// Diff tells how what a snapshot pins differs from another one or the present.
func (k *Keeper) Diff(ctx context.Context, r admin.DiffRequest) (*admin.Diff, error) {
	before, err := k.pinsOf(ctx, r.From)
	if err != nil {
		return nil, err
	}
	after, err := k.pinsOf(ctx, r.To)
	if err != nil {
		return nil, err
	}
	out := &admin.Diff{From: r.From, To: r.To, Suites: []admin.SuiteDiff{}}
	for _, a := range before {
		i := slices.IndexFunc(after, a.sameSuite)
		if i < 0 {
			if r.To != now {
				out.Suites = append(out.Suites, admin.SuiteDiff{SuiteName: a.name(), OnlyIn: r.From, Sources: []admin.SourceChange{}})
			}
			continue
		}
		s, err := k.diffSuites(ctx, a.Ref, after[i].Ref)
		if err != nil {
			return nil, fmt.Errorf("comparing repository %s, suite %s: %w", a.Repository, a.Suite, err)
		}
		s.SuiteName = a.name()
		out.Suites = append(out.Suites, s)
	}
	for _, b := range after {
		if r.From != now && r.To != now && !slices.ContainsFunc(before, b.sameSuite) {
			out.Suites = append(out.Suites, admin.SuiteDiff{SuiteName: b.name(), OnlyIn: r.To, Sources: []admin.SourceChange{}})
		}
	}
	return out, nil
}

// pinned is a pin of a snapshot or of the present.
type pinned catalog.Pin

func (p pinned) sameSuite(o pinned) bool { return p.Repository == o.Repository && p.Suite == o.Suite }

func (p pinned) name() admin.SuiteName {
	return admin.SuiteName{Repository: p.Repository, Suite: p.Suite}
}

// pinsOf gives what a snapshot pins, or what is served at present.
func (k *Keeper) pinsOf(ctx context.Context, name string) (pins []pinned, err error) {
	if name != now {
		s, err := k.Named(name)
		for _, p := range s.Pins {
			pins = append(pins, pinned(p))
		}
		return pins, err
	}
	publications, err := k.Catalog.Publications(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range publications {
		if x := (catalog.Pin{Repository: p.Repository, Suite: p.Suite, Ref: p.Current, Published: p.Published}); k.isConfigured(x) {
			pins = append(pins, pinned(x))
		}
	}
	return pins, nil
}

// diffSuites reads the indexes that the two generations do not share.
func (k *Keeper) diffSuites(ctx context.Context, before, after catalog.Ref) (s admin.SuiteDiff, err error) {
	s.Sources = []admin.SourceChange{}
	if before == after {
		return s, nil
	}
	a, err := k.packageIndexes(ctx, before)
	if err != nil {
		return s, err
	}
	b, err := k.packageIndexes(ctx, after)
	if err != nil {
		return s, err
	}
	var sets [2]compare.Set
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.readSet(ctx, without(a, b), &sets[0]) })
	group.Go(func() error { return k.readSet(ctx, without(b, a), &sets[1]) })
	if err := group.Wait(); err != nil {
		return s, err
	}
	changes := compare.Compare(&sets[0], &sets[1])
	for _, c := range changes {
		s.Sources = append(s.Sources, sourceChangeOf(c))
	}
	s.Total = admin.DiffTotal(compare.Count(changes))
	return s, nil
}

func sourceChangeOf(c compare.Source) admin.SourceChange {
	out := admin.SourceChange{Name: c.Name, From: c.From, To: c.To}
	for _, p := range c.Changes {
		out.Packages = append(out.Packages, admin.PackageChange{
			Kind: string(p.Kind), Name: p.Name, Architecture: p.Architecture, From: p.From, To: p.To, FromSize: p.FromSize, ToSize: p.ToSize,
		})
	}
	return out
}

// packageIndexes gives the stored Packages and Sources files of a generation.
func (k *Keeper) packageIndexes(ctx context.Context, r catalog.Ref) (entries []catalog.Entry, err error) {
	g, err := k.Catalog.Generation(r.Archive, r.Suite, r.Number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	t, err := k.Catalog.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	for _, name := range g.Indexes {
		base, _ := compress.FormatOf(path.Base(name))
		if e, ok := t.Find(name); ok && (base == "Packages" || base == "Sources") {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// without leaves out the indexes that are the same in others.
func without(list, others []catalog.Entry) (own []catalog.Entry) {
	for _, e := range list {
		if !slices.ContainsFunc(others, func(o catalog.Entry) bool { return o.Digest == e.Digest }) {
			own = append(own, e)
		}
	}
	return own
}

func (k *Keeper) readSet(ctx context.Context, indexes []catalog.Entry, into *compare.Set) error {
	for _, e := range indexes {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := k.readIndex(e, into); err != nil {
			return fmt.Errorf("reading %s: %w", e.Path, err)
		}
	}
	return nil
}

func (k *Keeper) readIndex(e catalog.Entry, into *compare.Set) error {
	stored, err := k.Blobs.Open(e.Digest)
	if err != nil {
		return err
	}
	defer stored.Close()
	base, format := compress.FormatOf(e.Path)
	r, err := compress.NewReader(format, stored, maxPlainIndex)
	if err != nil {
		return err
	}
	defer r.Close()
	if path.Base(base) == "Sources" {
		return into.AddSources(r)
	}
	return into.AddPackages(r)
}
