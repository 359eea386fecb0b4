package policy

import (
	"slices"

	"aptmirror/upstream/debian"
)

// relations reads a relation field. A field that cannot be read is as good as
// none: apt takes few of those indexes, and the archive's maintainers notice.
func (p *Package) relations(field string) debian.Relations {
	value := p.relationField(field)
	if value == "" {
		return nil
	}
	rs, err := debian.ParseRelations(value)
	if err != nil {
		return nil
	}
	return rs
}

func (p *Package) relationField(field string) string {
	switch field {
	case "Depends":
		return p.depends
	case "Pre-Depends":
		return p.preDepends
	case "Recommends":
		return p.recommends
	case "Provides":
		return p.provides
	}
	return p.Field(field)
}

// target is the package that a relation of p names, as apt has it: without
// qualifier one of p's own architecture, with one a package that has the
// qualifier in its name and no versions, only packages that provide it.
func (s *Set) target(p *Package, r debian.Relation) groupKey {
	switch r.Qualifier {
	case "":
		return groupKey{p.Kind, r.Name, s.archOf(p)}
	case "native":
		return groupKey{p.Kind, r.Name + ":" + s.native(), "any"}
	}
	return groupKey{p.Kind, r.Name + ":" + r.Qualifier, "any"}
}

// implicit reports relations that apt's patterns pass over: for apt, a conflict
// with a package of any architecture follows from the one with each.
func implicit(field string, r debian.Relation) bool {
	return r.Qualifier == "any" && (field == "Conflicts" || field == "Breaks" || field == "Replaces")
}

// relation selects versions with a relation to a package that m selects.
type relation struct {
	field string
	m     matcher
}

func (m *relation) version(c *asked, i int32) bool {
	known := c.versions[m]
	if known == nil {
		known = make([]answer, len(c.set.Packages))
		c.versions[m] = known
	}
	if known[i] == unasked {
		known[i] = answerOf(m.find(c, &c.set.Packages[i]))
	}
	return known[i] == yes
}

func (m *relation) find(c *asked, p *Package) bool {
	c.work.spend(readingSteps(p.relationField(m.field)))
	for _, alternatives := range p.relations(m.field) {
		for _, r := range alternatives {
			if !c.work.spend(1) {
				return false
			}
			if !implicit(m.field, r) && m.leadsTo(c, c.set.target(p, r)) {
				return true
			}
		}
	}
	return false
}

func (m *relation) leadsTo(c *asked, key groupKey) bool {
	known := c.targets[m]
	if known == nil {
		known = map[groupKey]bool{}
		c.targets[m] = known
	}
	found, asked := known[key]
	if !asked {
		g := c.set.group(key)
		found = c.work.spend(len(g.versions)) && m.m.pkg(c, key.kind, g)
		known[key] = found
	}
	return found
}

// readingSteps is what reading a relation field counts.
func readingSteps(field string) int { return len(field) / 32 }

func (m *relation) pkg(c *asked, _ Kind, g *group) bool {
	return slices.ContainsFunc(g.versions, func(i int32) bool { return m.version(c, i) })
}

func makeRelation(field string) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		m, err := c.pattern(n.args[0])
		return &relation{field, m}, err
	}
}

// reverse selects packages to which a version that m selects has a relation.
type reverse struct {
	field string
	m     matcher
}

func (m *reverse) version(c *asked, i int32) bool {
	return m.targeted(c, c.set.keyOf(&c.set.Packages[i]))
}

func (m *reverse) pkg(c *asked, kind Kind, g *group) bool {
	return m.targeted(c, groupKey{kind, g.name, g.arch})
}

func (m *reverse) targeted(c *asked, key groupKey) bool {
	known := c.packages[m]
	if known == nil {
		known = map[groupKey]bool{}
		c.packages[m] = known
	}
	found, asked := known[key]
	if !asked {
		found = m.find(c, key)
		known[key] = found
	}
	return found
}

func (m *reverse) find(c *asked, key groupKey) bool {
	dependents := c.set.dependents()[key]
	return c.work.spend(len(dependents)) && slices.ContainsFunc(dependents, func(d dependent) bool {
		return d.field == m.field && m.m.version(c, d.version)
	})
}

func makeReverse(field string) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		m, err := c.pattern(n.args[0])
		return &reverse{field, m}, err
	}
}

// dependent is a version that has a relation to a package.
type dependent struct {
	version int32
	field   string
}

var relationFields = []string{
	"Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Conflicts", "Breaks", "Replaces",
}

// dependents turns all relations around.
func (s *Set) dependents() map[groupKey][]dependent {
	return s.targets.get(func() map[groupKey][]dependent {
		found := map[groupKey][]dependent{}
		for i := range s.Packages {
			for _, field := range relationFields {
				s.addDependent(found, int32(i), field)
			}
		}
		return found
	})
}

func (s *Set) addDependent(found map[groupKey][]dependent, i int32, field string) {
	p := &s.Packages[i]
	for _, alternatives := range p.relations(field) {
		for _, r := range alternatives {
			if implicit(field, r) {
				continue
			}
			key := s.target(p, r)
			d := dependent{i, field}
			if list := found[key]; len(list) == 0 || list[len(list)-1] != d {
				found[key] = append(list, d)
			}
		}
	}
}

// makeProvides makes ?x-provides, which looks at the names in Provides.
func makeProvides(c *compiler, n *node) (matcher, error) {
	m, err := c.text(n.args[0])
	if err != nil {
		return nil, err
	}
	return fact(func(p *Package) bool {
		for _, alternatives := range p.relations("Provides") {
			if slices.ContainsFunc(alternatives, func(r debian.Relation) bool { return m.matchText(lower(r.Name)) }) {
				return true
			}
		}
		return false
	}), nil
}
