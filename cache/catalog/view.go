package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// view is what all repositories serve; it is never changed, only replaced.
type view struct {
	repositories map[string][]*suiteView
}

type suiteView struct {
	suite    string
	dir      string  // "dists/bookworm/"
	current  *layer  // nil: nothing published yet, or damaged
	release  []Entry // what was signed with the publication, where it is built
	missing  error   // wraps ErrNoGeneration and says why current is nil
	retained []*layer
	damaged  []Damage
	modified time.Time
}

// layer is one generation. In a retained one the table lacks what a generation
// before it in suiteView has: the one that was current when the layer was made.
type layer struct {
	generation Generation
	table      *Table
}

// Damage is a published generation that cannot be read.
type Damage struct {
	Repository string
	Suite      string
	Generation Ref // zero where the publication itself cannot be read
	// Current says that it is what the suite should serve, so that clients
	// are answered ErrNoGeneration; otherwise they notice nothing, unless they
	// still want what this generation alone had.
	Current bool
	Err     error
}

// Serve names the repositories and their suites that Resolve answers for, and
// loads what is published of them.
//
// A generation whose row or manifest cannot be read does not make Serve fail
// and is listed by Damaged. A retained one is left out. Where it is the current
// one, Resolve answers ErrNoGeneration for what changes with a publication, and
// goes on serving files by hash and packages of the retained generations; a
// damaged manifest is deleted, so that the next refresh makes it anew.
func (c *Catalog) Serve(ctx context.Context, repositories map[string][]string) error {
	return c.Replace(ctx, repositories, func() {})
}

// Replace is Serve in place of what is served. Where both have a suite, it is
// served without a break. Between has its turn when everything is loaded: what
// goes is served no longer then, and what comes is not served yet. With an error
// it is not called, and nothing has changed. Nothing is published meanwhile, so it must be quick.
func (c *Catalog) Replace(ctx context.Context, repositories map[string][]string, between func()) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	before := c.view.Load()
	next := &view{repositories: map[string][]*suiteView{}}
	for name, suites := range repositories {
		next.repositories[name] = []*suiteView{}
		for _, suite := range suites {
			s, err := c.suiteAfter(ctx, before, name, suite)
			if err != nil {
				return fmt.Errorf("loading repository %s, suite %s: %w", name, suite, err)
			}
			next.repositories[name] = append(next.repositories[name], s)
		}
	}
	c.view.Store(before.only(repositories))
	between()
	c.view.Store(next)
	return nil
}

// only leaves out what repositories do not name.
func (v *view) only(repositories map[string][]string) *view {
	kept := &view{repositories: map[string][]*suiteView{}}
	for name, suites := range v.repositories {
		if _, ok := repositories[name]; ok {
			kept.repositories[name] = slices.DeleteFunc(slices.Clone(suites), func(s *suiteView) bool { return !slices.Contains(repositories[name], s.suite) })
		}
	}
	return kept
}

// suiteAfter loads a suite unless it is served already, and undamaged: each
// publication has brought that up to date.
func (c *Catalog) suiteAfter(ctx context.Context, before *view, repository, suite string) (*suiteView, error) {
	for _, s := range before.repositories[repository] {
		if s.suite == suite && len(s.damaged) == 0 {
			return s, nil
		}
	}
	return c.loadSuite(ctx, repository, suite)
}

// Damaged lists what Serve and Publish could not load, in the order of repositories.
func (c *Catalog) Damaged() []Damage {
	repositories := c.view.Load().repositories
	var all []Damage
	for _, name := range slices.Sorted(maps.Keys(repositories)) {
		for _, s := range repositories[name] {
			all = append(all, s.damaged...)
		}
	}
	return all
}

func newSuiteView(suite string) *suiteView {
	return &suiteView{suite: suite, dir: SuiteDir(suite), missing: ErrNoGeneration}
}

func (c *Catalog) loadSuite(ctx context.Context, repository, suite string) (*suiteView, error) {
	p, err := c.Publication(repository, suite)
	s := newSuiteView(suite)
	switch {
	case errors.Is(err, ErrNotFound):
		return s, nil
	case cutShort(ctx, err):
		return nil, err
	case err != nil:
		s.damage(Damage{repository, suite, Ref{}, true, err})
		return s, nil
	}
	return c.viewOf(ctx, p, s)
}

// cutShort tells an error that says nothing of what is stored.
func cutShort(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, blob.ErrClosed) || errors.Is(err, badger.ErrDBClosed))
}

// viewAfter gives the view once p is published. The current generation of p
// must be readable, also where the suite is not served.
func (c *Catalog) viewAfter(ctx context.Context, p Publication) (*view, error) {
	now := c.view.Load()
	suites := slices.Clone(now.repositories[p.Repository])
	i := slices.IndexFunc(suites, func(s *suiteView) bool { return s.suite == p.Suite })
	if i < 0 {
		_, err := c.layer(ctx, p.Current)
		return now, err
	}
	s, err := c.viewOf(ctx, p, suites[i])
	if err != nil {
		return nil, err
	}
	if s.current == nil {
		return nil, s.damaged[0].Err
	}
	suites[i] = s
	next := &view{repositories: maps.Clone(now.repositories)}
	next.repositories[p.Repository] = suites
	return next, nil
}

// viewOf loads a publication. Layers of old, the view that it follows, are used
// again. The error is for a loading that was cut short; what cannot be read is
// noted in the view. A generation that is current and whose Release is lost
// is served as if it were retained.
func (c *Catalog) viewOf(ctx context.Context, p Publication, old *suiteView) (*suiteView, error) {
	s := newSuiteView(p.Suite)
	s.modified = p.Published
	var unsigned error
	if s.release, unsigned = c.signedEntries(p); cutShort(ctx, unsigned) {
		return nil, unsigned
	}
	var newest *Table // the newest that can be read
	for i, ref := range p.refs() {
		l, err := c.layerAfter(ctx, ref, newest, old)
		switch {
		case cutShort(ctx, err):
			return nil, err
		case err != nil:
			s.damage(Damage{p.Repository, p.Suite, ref, i == 0, err})
			continue
		case i == 0 && unsigned != nil:
			s.damage(Damage{p.Repository, p.Suite, ref, true, unsigned})
			s.retained = append(s.retained, l)
		case i == 0:
			s.current = l
		default:
			s.retained = append(s.retained, l)
		}
		if newest == nil {
			newest = l.table
		}
	}
	return s, nil
}

// refs lists what p serves, the current generation first.
func (p *Publication) refs() []Ref {
	refs := []Ref{p.Current}
	for _, r := range p.Retained {
		refs = append(refs, r.Ref)
	}
	return refs
}

func (s *suiteView) damage(d Damage) {
	s.damaged = append(s.damaged, d)
	if d.Current {
		s.missing = fmt.Errorf("%w: what was published of suite %s cannot be read", ErrNoGeneration, s.suite)
	}
}

// layerAfter gives one layer of a suite: newest, if any, is the table of the
// newest layer before it. One that was retained already in old stays as it was:
// what it lacks is in a layer before it, since the retained are cut off at the
// end only and leave the middle only to become current.
func (c *Catalog) layerAfter(ctx context.Context, ref Ref, newest *Table, old *suiteView) (*layer, error) {
	if l := old.current; l != nil && l.generation.Ref() == ref {
		return l.after(newest), nil
	}
	i := slices.IndexFunc(old.retained, func(l *layer) bool { return l.generation.Ref() == ref })
	if i >= 0 && newest != nil {
		return old.retained[i], nil
	}
	l, err := c.layer(ctx, ref)
	if err != nil {
		return nil, err
	}
	return l.after(newest), nil
}

func (l *layer) after(newest *Table) *layer {
	if newest == nil {
		return l
	}
	return &layer{l.generation, l.table.minus(newest)}
}

// layer loads a whole generation.
func (c *Catalog) layer(ctx context.Context, ref Ref) (*layer, error) {
	g, err := c.Generation(ref.Archive, ref.Suite, ref.Number)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", ref, err)
	}
	t, err := c.sharedTable(ctx, g)
	if err != nil {
		c.dropDamaged(ctx, g.Manifest, err)
		return nil, err
	}
	return &layer{g, t}, nil
}
