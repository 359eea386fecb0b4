package daemon

import (
	"fmt"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
)

// scope is what a sync works on.
type scope struct {
	archives map[string]bool
	built    map[inforce.BuiltSuite]bool
	all      bool // whatever is built, since an archive was named
}

// chosen gives the archives of those names, and those that the repositories of those
// names are made from, as far as they have something to fetch from. without are the built
// suites that have nothing to do with them.
func (d *Daemon) chosen(names []string) (chosen []*inforce.Archive, without map[inforce.BuiltSuite]bool, err error) {
	f := d.inForce.Load()
	s := &scope{archives: map[string]bool{}, built: map[inforce.BuiltSuite]bool{}, all: len(names) == 0}
	for _, n := range names {
		if !s.add(f, n) {
			known := slices.Concat(f.Config.ArchiveNames(), f.Config.RepositoryNames())
			return nil, nil, &admin.Error{Text: fmt.Sprintf("no archive and no repository is called %q in %s%s", n, f.Config.Path, config.DidYouMean(n, known)), Exit: admin.ExitUsage}
		}
	}
	for _, a := range f.Archives {
		if len(a.URIs) > 0 && (len(names) == 0 || s.archives[a.Name]) {
			chosen = append(chosen, a)
		}
	}
	if s.all {
		return chosen, nil, nil
	}
	without = map[inforce.BuiltSuite]bool{}
	for _, b := range f.Order() {
		without[b] = !s.built[b]
	}
	return chosen, without, nil
}

// add reports whether there is anything of that name. An archive may share it with the
// repository that serves it.
func (s *scope) add(f *inforce.Parts, name string) (found bool) {
	if f.Archive(name) != nil {
		s.archives[name], s.all, found = true, true, true
	}
	for _, r := range f.Config.Repositories {
		if r.Name != name {
			continue
		}
		found = true
		if !r.Built() {
			s.archives[r.Archive] = true
		}
		for _, suite := range r.Suites {
			s.addSuite(f, inforce.BuiltSuite{Repository: r.Name, Suite: suite.Name})
		}
	}
	return found
}

// addSuite adds a built suite and all that it is made from; a configuration has no circles.
func (s *scope) addSuite(f *inforce.Parts, b inforce.BuiltSuite) {
	_, suite, ok := f.Suite(b.Repository, b.Suite)
	if !ok || s.built[b] {
		return
	}
	s.built[b] = true
	for _, from := range suite.From {
		switch from.Kind {
		case config.FromArchive:
			s.archives[from.Name] = true
		case config.FromRepository:
			s.addSuite(f, inforce.BuiltSuite{Repository: from.Name, Suite: from.Suite})
		}
	}
}
