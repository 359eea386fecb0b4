package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Refusals of Resolve that its caller tells apart.
var (
	// ErrNoGeneration: the suite is served here, but nothing has been
	// verified yet; the client should come again.
	ErrNoGeneration = errors.New("nothing verified yet")
	// ErrNoPath: no generation that is retained has that path.
	ErrNoPath = errors.New("no such file")
	// ErrNoRepository: no repository has that name.
	ErrNoRepository = errors.New("no such repository")
)

// File is what a path stands for at this moment.
type File struct {
	Entry
	// Archive is where Plain may be fetched.
	Archive string
	// ByHash says that the archive has it under its digest as well.
	ByHash bool
	Suite  string
	// Modified is when the path began to stand for these bytes; zero for
	// paths whose bytes never change, whose date is their blob's.
	Modified time.Time
}

// view is what all repositories serve; it is never changed, only replaced.
type view struct {
	repositories map[string][]*suiteView
}

type suiteView struct {
	suite    string
	dir      string // "dists/bookworm/"
	current  *layer // nil: no generation yet
	retained []*layer
	modified time.Time
}

// layer is one generation; in a retained one, only what is no longer in newer ones.
type layer struct {
	generation Generation
	table      *Table
}

// Serve names the repositories and their suites that Resolve answers for, and
// loads what is published of them.
func (c *Catalog) Serve(ctx context.Context, repositories map[string][]string) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	next := &view{repositories: map[string][]*suiteView{}}
	for name, suites := range repositories {
		for _, suite := range suites {
			s, err := c.loadSuite(ctx, name, suite)
			if err != nil {
				return fmt.Errorf("loading repository %s: %w", name, err)
			}
			next.repositories[name] = append(next.repositories[name], s)
		}
	}
	c.served = repositories
	c.view.Store(next)
	return nil
}

func (c *Catalog) loadSuite(ctx context.Context, repository, suite string) (*suiteView, error) {
	p, err := c.Publication(repository, suite)
	if errors.Is(err, ErrNotFound) {
		return &suiteView{suite: suite, dir: SuiteDir(suite)}, nil
	}
	if err != nil {
		return nil, err
	}
	return c.viewOf(ctx, p, nil)
}

// viewOf loads a publication. Layers of old that are still wanted are used again.
func (c *Catalog) viewOf(ctx context.Context, p Publication, old *suiteView) (*suiteView, error) {
	s := &suiteView{suite: p.Suite, dir: SuiteDir(p.Suite), modified: p.Published}
	current, err := c.layer(ctx, p.Current, nil)
	if err != nil {
		return nil, err
	}
	s.current = current
	newer := current.table
	for _, r := range p.Retained {
		l := old.reuse(r.Ref, s)
		if l == nil {
			if l, err = c.layer(ctx, r.Ref, newer); err != nil {
				return nil, err
			}
		}
		s.retained = append(s.retained, l)
	}
	return s, nil
}

// reuse finds a layer that was retained before: what it lacks is in layers
// that are retained still, or it was given to newer ones since.
func (s *suiteView) reuse(ref Ref, in *suiteView) *layer {
	if s == nil || len(in.retained) == 0 {
		return nil
	}
	i := slices.IndexFunc(s.retained, func(l *layer) bool { return l.generation.Ref() == ref })
	if i < 0 {
		return nil
	}
	return s.retained[i]
}

func (c *Catalog) layer(ctx context.Context, ref Ref, newer *Table) (*layer, error) {
	g, err := c.Generation(ref.Archive, ref.Suite, ref.Number)
	if err != nil {
		return nil, fmt.Errorf("finding generation %d of %s %s: %w", ref.Number, ref.Archive, ref.Suite, err)
	}
	t, err := c.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	if newer != nil {
		t = t.minus(newer)
	}
	return &layer{generation: g, table: t}, nil
}

// show replaces one suite in the view. The caller holds publishing.
func (c *Catalog) show(ctx context.Context, p Publication) error {
	if !slices.Contains(c.served[p.Repository], p.Suite) {
		return nil
	}
	old := c.view.Load()
	suites := slices.Clone(old.repositories[p.Repository])
	i := slices.IndexFunc(suites, func(s *suiteView) bool { return s.suite == p.Suite })
	s, err := c.viewOf(ctx, p, suites[i])
	if err != nil {
		return err
	}
	suites[i] = s
	next := &view{repositories: maps.Clone(old.repositories)}
	next.repositories[p.Repository] = suites
	c.view.Store(next)
	return nil
}

// SuiteDir gives the folder of a suite's Release, with a final slash, or ""
// for the root: sources.list(5) puts a suite that ends in a slash beside dists.
func SuiteDir(suite string) string {
	if !strings.HasSuffix(suite, "/") {
		return "dists/" + suite + "/"
	}
	dir := strings.TrimPrefix(path.Clean("/"+suite), "/")
	if dir == "" {
		return ""
	}
	return dir + "/"
}

// HasRepository says whether a repository of that name is served.
func (c *Catalog) HasRepository(name string) bool {
	_, ok := c.view.Load().repositories[name]
	return ok
}

// Resolve tells what a clean path of a repository stands for, looking only
// into suites that may allows. What changes in place comes from the current
// generation alone; what never changes, also from retained ones.
func (c *Catalog) Resolve(repository, path string, may func(suite string) bool) (File, error) {
	suites, ok := c.view.Load().repositories[repository]
	if !ok {
		return File{}, ErrNoRepository
	}
	missing := ErrNoPath
	for _, s := range suites {
		if !may(s.suite) {
			continue
		}
		if f, ok := s.find(path); ok {
			return f, nil
		}
		if s.current == nil && strings.HasPrefix(path, s.dir) {
			missing = ErrNoGeneration
		}
	}
	return File{}, missing
}

func (s *suiteView) find(path string) (File, bool) {
	if s.current == nil {
		return File{}, false
	}
	if e, ok := s.current.table.Find(path); ok {
		f := s.current.file(e)
		if e.Kind == KindRelease || e.Kind == KindIndex {
			f.Modified = s.modified
		}
		return f, true
	}
	for _, l := range s.retained {
		if e, ok := l.table.Find(path); ok && (e.Kind == KindByHash || e.Kind == KindPackage) {
			return l.file(e), true
		}
	}
	return File{}, false
}

func (l *layer) file(e Entry) File {
	return File{Entry: e, Archive: l.generation.Archive, ByHash: l.generation.ByHash, Suite: l.generation.Suite}
}
