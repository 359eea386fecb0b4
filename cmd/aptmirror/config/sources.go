package config

import (
	"slices"
	"strings"
)

// checkSources looks up what built suites are made from, when all repositories are known. tables are those of
// c.Repositories.
func (d *decoder) checkSources(tables []*table, c *Config) {
	suites := map[Source]*builtSuite{}
	for i, r := range c.Repositories {
		if len(r.Suites) == 0 {
			continue
		}
		for j, st := range subtables(tables[i].nodes["suite"]) {
			s := &builtSuite{table: st, suite: r.Suites[j]}
			suites[Source{FromRepository, r.Name, s.suite.Name}] = s
			d.checkFrom(s, c)
		}
	}
	for _, r := range c.Repositories {
		for _, s := range r.Suites {
			d.checkCycle(Source{FromRepository, r.Name, s.Name}, suites)
		}
	}
}

// builtSuite is the suite of a built repository with its table.
type builtSuite struct {
	table   *table
	suite   Suite
	visited bool
	open    bool // while what it is made from is followed
}

// subtables are the tables of a list that many has read.
func subtables(list *node) (tables []*table) {
	for _, item := range list.items {
		if item.table != nil {
			tables = append(tables, item.table)
		}
	}
	return tables
}

func (d *decoder) checkFrom(s *builtSuite, c *Config) {
	n := s.table.nodes["from"]
	for i, source := range s.suite.From {
		if source.Name != "" { // otherwise it was reported
			d.checkSource(n.items[i].place, source, c)
		}
	}
	if s.suite.Ring() && len(s.suite.From) > 0 {
		d.checkRing(s.table, s.suite)
	}
}

// checkCycle reports the source that closes a circle, once for each circle.
func (d *decoder) checkCycle(name Source, suites map[Source]*builtSuite) {
	s := suites[name]
	if s == nil || s.visited {
		return
	}
	s.visited, s.open = true, true
	for i, source := range s.suite.From {
		if next := suites[source]; next != nil && next.open {
			d.problem(s.table.nodes["from"].items[i].place, "%s/%s would be made from itself", name.Name, name.Suite)
			continue
		}
		d.checkCycle(source, suites)
	}
	s.open = false
}

// checkSource reports a source that is not in the file.
func (d *decoder) checkSource(at place, s Source, c *Config) {
	names, suites := c.offered(s)
	switch {
	case !slices.Contains(names, s.Name):
		d.problem(at, "there is no %s %q%s", s.Kind, s.Name, DidYouMean(s.Name, names))
	case !slices.Contains(suites, s.Suite):
		d.problem(at, "%s %q has no suite %q%s", s.Kind, s.Name, s.Suite, DidYouMean(s.Suite, suites))
	}
	for _, r := range c.Repositories {
		if s.Kind == FromRepository && r.Name == s.Name && !r.Built() {
			d.problem(at, "repository %q is not built: write archive:%s/%s", r.Name, r.Archive, s.Suite)
		}
	}
}

// offered gives the names of a source's kind, and the suites of the one that it names.
func (c *Config) offered(s Source) (names, suites []string) {
	switch s.Kind {
	case FromArchive:
		names, suites = c.ArchiveNames(), find(c.Archives, func(a Archive) bool { return a.Name == s.Name }).Suites
	case FromPool:
		names, suites = c.poolNames(), []string{""}
	case FromRepository:
		names = c.RepositoryNames()
		suites = c.SuitesOf(find(c.Repositories, func(r Repository) bool { return r.Name == s.Name }))
	}
	return names, suites
}

// checkRing holds what a ring is: another suite as it was at some time.
func (d *decoder) checkRing(t *table, s Suite) {
	n := t.nodes["from"]
	first := s.From[0]
	switch {
	case first.Name == "": // it was reported
	case len(s.From) > 1 || first.Kind != FromRepository:
		d.problem(n.place, `a suite with publish = "manual" has exactly one source, repository:NAME/%s`, s.Name)
	case first.Suite != s.Name:
		d.problem(n.items[0].place, `a suite with publish = "manual" takes the one of the same name: write repository:%s/%s`, first.Name, s.Name)
	}
	for _, k := range strings.Fields("policy components architectures contents keyring_package") {
		if t.nodes[k] != nil {
			d.problem(t.at(k), `leave it out: a suite with publish = "manual" is what was published to it`)
		}
	}
}
