package catalog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"

	badger "github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/singleflight"

	"aptmirror/cache/blob"
)

// keptSuites is how many suites of repositories that load when they are asked
// for stay loaded. One of 60,000 packages takes 8 MB, unless it is the same
// generation as one that is loaded anyway.
const keptSuites = 8

// lazyRepositories are those of ServeRepository.
type lazyRepositories struct {
	loads singleflight.Group

	mu     sync.Mutex // guards the fields below
	suites map[string][]string
	loaded []loadedSuite // the last used first
	moves  uint64        // counts what may have made a loaded suite stale
}

type loadedSuite struct {
	repository string
	view       *suiteView
}

// ServeRepository makes Resolve answer for one more repository, of which
// nothing is loaded before the first request: there may be many. Serve leaves it
// as it is. Only current generations are served of it.
func (c *Catalog) ServeRepository(name string, suites []string) {
	c.lazy.mu.Lock()
	defer c.lazy.mu.Unlock()
	if c.lazy.suites == nil {
		c.lazy.suites = map[string][]string{}
	}
	c.lazy.suites[name] = slices.Clone(suites)
}

// Unserve takes ServeRepository back.
func (c *Catalog) Unserve(name string) {
	c.lazy.mu.Lock()
	defer c.lazy.mu.Unlock()
	delete(c.lazy.suites, name)
	c.lazy.forget(func(l loadedSuite) bool { return l.repository == name })
}

// forget needs mu.
func (r *lazyRepositories) forget(stale func(loadedSuite) bool) {
	r.moves++
	r.loaded = slices.DeleteFunc(r.loaded, stale)
}

// moved is called once a pointer has moved.
func (r *lazyRepositories) moved(repository, suite string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(func(l loadedSuite) bool { return l.repository == repository && l.view.suite == suite })
}

func (r *lazyRepositories) suitesOf(repository string) ([]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	suites, ok := r.suites[repository]
	return suites, ok
}

// get gives a loaded suite and makes it the last used.
func (r *lazyRepositories) get(repository, suite string) (s *suiteView, moves uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.loaded, func(l loadedSuite) bool { return l.repository == repository && l.view.suite == suite })
	if i < 0 {
		return nil, r.moves
	}
	l := r.loaded[i]
	copy(r.loaded[1:i+1], r.loaded[:i])
	r.loaded[0] = l
	return l.view, r.moves
}

// put keeps a suite that was loaded while no more than moves were counted.
func (r *lazyRepositories) put(repository string, s *suiteView, moves uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moves != moves {
		return
	}
	r.loaded = slices.Insert(r.loaded, 0, loadedSuite{repository, s})
	r.loaded = slices.Delete(r.loaded, min(len(r.loaded), keptSuites), len(r.loaded))
}

// lazySuite loads a suite unless it is loaded.
func (c *Catalog) lazySuite(repository, suite string) *suiteView {
	if s, _ := c.lazy.get(repository, suite); s != nil {
		return s
	}
	loaded, _, _ := c.lazy.loads.Do(repository+"\x00"+suite, func() (any, error) {
		s, moves := c.lazy.get(repository, suite)
		if s == nil {
			s = c.loadLazily(repository, suite)
			c.lazy.put(repository, s, moves)
		}
		return s, nil
	})
	return loaded.(*suiteView)
}

// loadLazily never fails: what cannot be read says so to who asks for it.
func (c *Catalog) loadLazily(repository, suite string) *suiteView {
	s := newSuiteView(suite)
	p, err := c.Publication(repository, suite)
	if errors.Is(err, ErrNotFound) {
		return s
	}
	p.Retained = nil
	loaded, viewErr := c.viewOf(context.Background(), p, s)
	if err = errorOr(err, viewErr); err != nil {
		s.damage(Damage{repository, suite, p.Current, true, err})
		return s
	}
	return loaded
}

// resolveLazily is Resolve for ServeRepository. A suite is not loaded for a
// path that lies in the folder of other suites.
func (c *Catalog) resolveLazily(repository, path string, may func(suite string) bool) (File, error) {
	names, ok := c.lazy.suitesOf(repository)
	if !ok {
		return File{}, ErrNoRepository
	}
	var suites []*suiteView
	for _, name := range names {
		if dir := SuiteDir(name); !may(name) || strings.HasPrefix(path, "dists/") && !strings.HasPrefix(path, dir) {
			continue
		}
		suites = append(suites, c.lazySuite(repository, name))
	}
	return resolveIn(suites, path, anySuiteIsAllowed)
}

func anySuiteIsAllowed(string) bool { return true }

// sharedTables are the manifests that something uses: publications and
// snapshots of the same generation have the same table.
type sharedTables struct {
	mu sync.Mutex // guards of
	of map[blob.Digest]weak.Pointer[Table]
}

// sharedTable is Table, read only where nothing uses it yet. A manifest that has
// gone from the store is not used for something new.
func (c *Catalog) sharedTable(ctx context.Context, g Generation) (*Table, error) {
	if t := c.tables.get(g.Manifest); t != nil && ctx.Err() == nil {
		if _, err := c.blobs.Stat(g.Manifest); err == nil {
			return t, nil
		}
	}
	t, err := c.Table(ctx, g)
	if err != nil {
		return nil, err
	}
	c.tables.put(g.Manifest, t)
	return t, nil
}

func (s *sharedTables) get(d blob.Digest) *Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[d].Value()
}

func (s *sharedTables) put(d blob.Digest, t *Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[blob.Digest]weak.Pointer[Table]{}
	}
	s.of[d] = weak.Make(t)
	runtime.AddCleanup(t, s.cleanUp, d)
}

func (s *sharedTables) cleanUp(d blob.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[d].Value() == nil {
		delete(s.of, d)
	}
}

// Withdraw takes back all that was published in a repository of
// ServeRepository, with its history, and serves it no longer.
func (c *Catalog) Withdraw(repository string) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	c.numbering.Lock()
	defer c.numbering.Unlock()
	if c.view.Load().repositories[repository] != nil {
		return fmt.Errorf("withdrawing repository %s: it is part of the configuration", repository)
	}
	if err := c.update(func(txn *badger.Txn) error { return withdraw(txn, repository) }); err != nil {
		return fmt.Errorf("withdrawing repository %s: %w", repository, err)
	}
	c.Unserve(repository)
	return nil
}

// withdraw deletes the rows of all suites of a repository.
func withdraw(txn *badger.Txn, repository string) error {
	for _, kind := range []byte{'p', 'h'} {
		keys, err := keysUnder(txn, key(kind, repository, ""))
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := txn.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}
