package catalog

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Refusals of Resolve that its caller tells apart.
var (
	// ErrNoGeneration: the suite is served here, but nothing has been
	// verified yet, or what was is damaged; the client should come again.
	ErrNoGeneration = errors.New("nothing verified yet")
	// ErrNoPath: no generation that is retained has that path.
	ErrNoPath = errors.New("no such file")
	// ErrNoRepository: no repository has that name.
	ErrNoRepository = errors.New("no such repository")
)

// File is what a path stands for at this moment.
type File struct {
	Entry
	// Archive is where Plain may be fetched. Packages of a built generation
	// have that of their OriginPath, which may be a pool; its indexes have what
	// BuiltBy gives, and are fetched nowhere.
	Archive string
	// ByHash says that the archive has it under its digest as well.
	ByHash bool
	Suite  string // of the archive; "" for packages of a built generation
	// Modified is when the path began to stand for these bytes; zero for
	// paths whose bytes never change, whose date is their blob's.
	Modified time.Time
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
	if !ok {
		_, ok = c.lazy.suitesOf(name)
	}
	return ok
}

// Repositories names those of Serve, sorted.
func (c *Catalog) Repositories() []string {
	return slices.Sorted(maps.Keys(c.view.Load().repositories))
}

// Suites names those of a repository of Serve, sorted; none for any other.
func (c *Catalog) Suites(repository string) (names []string) {
	for _, s := range c.view.Load().repositories[repository] {
		names = append(names, s.suite)
	}
	slices.Sort(names)
	return names
}

// Resolve tells what a clean path of a repository stands for, looking only
// into suites that may allows. What changes in place comes from the current
// generation alone; what never changes, also from retained ones. The error is
// one of the refusals above, or a *LeftOutError.
func (c *Catalog) Resolve(repository, path string, may func(suite string) bool) (File, error) {
	suites, ok := c.view.Load().repositories[repository]
	if !ok {
		return c.resolveLazily(repository, path, may)
	}
	return resolveIn(suites, path, may)
}

// resolveIn looks into what is current of all suites first: a package that has
// other bytes under its old name, as archives without versions in names have it,
// may have gone from one suite to another.
func resolveIn(suites []*suiteView, path string, may func(suite string) bool) (File, error) {
	missing := ErrNoPath
	allowed := make([]*suiteView, 0, 8) // hardly any repository has more, so that nothing is allocated
	for _, s := range suites {
		if !may(s.suite) {
			continue
		}
		if f, ok := s.findCurrent(path); ok {
			return f, nil
		}
		allowed = append(allowed, s)
	}
	for _, s := range allowed {
		left := s.leftOut(path)
		if left != nil {
			missing = left
		}
		// Who asks for what is disputed now wants other bytes than an earlier index named.
		if left != nil && left.Why == Disputed {
			continue
		}
		if f, ok := s.findRetained(path); ok {
			return f, nil
		}
		if s.current == nil && s.couldHave(path) {
			missing = s.missing
		}
	}
	return File{}, missing
}

// couldHave says whether a suite of which nothing can be read may well have the
// path. The packages of one that is damaged lie anywhere outside dists.
func (s *suiteView) couldHave(path string) bool {
	return strings.HasPrefix(path, s.dir) || len(s.damaged) > 0 && !strings.HasPrefix(path, "dists/")
}

func (s *suiteView) findCurrent(path string) (File, bool) {
	if s.current == nil {
		return File{}, false
	}
	if e, ok := s.signed(path); ok {
		return s.file(s.current, e), true
	}
	e, ok := s.current.table.Find(path)
	if !ok {
		return File{}, false
	}
	return s.file(s.current, e), true
}

func (s *suiteView) findRetained(path string) (File, bool) {
	for _, l := range s.retained {
		if e, ok := l.table.Find(path); ok && e.Kind.lasting() {
			return s.file(l, e), true
		}
	}
	return File{}, false
}

func (s *suiteView) signed(path string) (Entry, bool) {
	for _, e := range s.release {
		if e.Path == path {
			return e, true
		}
	}
	return Entry{}, false
}

func (s *suiteView) file(l *layer, e Entry) File {
	f := l.generation.File(e)
	if !e.Kind.lasting() {
		f.Modified = s.modified
	}
	return f
}

// File gives where an entry of the generation comes from.
func (g Generation) File(e Entry) File {
	f := File{Entry: e, Archive: g.Archive, ByHash: g.ByHash, Suite: g.Suite}
	if _, built := g.Builder(); built && e.Kind == KindPackage {
		if origin, plain, ok := CutOrigin(e.Path); ok {
			f.Archive, f.Plain, f.Suite = origin, plain, ""
		}
	}
	return f
}
