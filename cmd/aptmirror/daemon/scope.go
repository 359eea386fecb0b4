package daemon

import (
	"fmt"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// scope is what a sync works on.
type scope struct {
	archives map[string]bool
	built    map[builtSuiteKey]bool
	all      bool // whatever is built, since an archive was named
}

// chosen gives the archives of those names, and those that the repositories of those
// names are made from, as far as they have something to fetch from. without are the built
// suites that have nothing to do with them.
func (d *Daemon) chosen(names []string) (chosen []*archive, without map[builtSuiteKey]bool, err error) {
	f := d.inForce.Load()
	s := &scope{archives: map[string]bool{}, built: map[builtSuiteKey]bool{}, all: len(names) == 0}
	for _, n := range names {
		if !s.add(f, n) {
			known := slices.Concat(f.config.ArchiveNames(), f.config.RepositoryNames())
			return nil, nil, &admin.Error{Text: fmt.Sprintf("no archive and no repository is called %q in %s%s", n, f.config.Path, config.DidYouMean(n, known)), Exit: admin.ExitUsage}
		}
	}
	for _, a := range f.archives {
		if len(a.URIs) > 0 && (len(names) == 0 || s.archives[a.Name]) {
			chosen = append(chosen, a)
		}
	}
	if s.all {
		return chosen, nil, nil
	}
	without = map[builtSuiteKey]bool{}
	for _, b := range f.order() {
		without[b] = !s.built[b]
	}
	return chosen, without, nil
}

// add reports whether there is anything of that name. An archive may share it with the
// repository that serves it.
func (s *scope) add(f *inForce, name string) (found bool) {
	if f.archive(name) != nil {
		s.archives[name], s.all, found = true, true, true
	}
	for _, r := range f.config.Repositories {
		if r.Name != name {
			continue
		}
		found = true
		if !r.Built() {
			s.archives[r.Archive] = true
		}
		for _, suite := range r.Suites {
			s.addSuite(f, builtSuiteKey{r.Name, suite.Name})
		}
	}
	return found
}

// addSuite adds a built suite and all that it is made from; a configuration has no circles.
func (s *scope) addSuite(f *inForce, b builtSuiteKey) {
	_, suite, ok := f.suite(b.repository, b.suite)
	if !ok || s.built[b] {
		return
	}
	s.built[b] = true
	for _, from := range suite.From {
		switch from.Kind {
		case config.FromArchive:
			s.archives[from.Name] = true
		case config.FromRepository:
			s.addSuite(f, builtSuiteKey{from.Name, from.Suite})
		}
	}
}
