package policy

import (
	"cmp"
	"fmt"
	"slices"

	"aptmirror/upstream/debian"
)

// placed is a version on machines of one architecture. What packages for all
// architectures need may differ between them.
type placed struct {
	version int32
	arch    string
}

// closure brings in what the versions need that one rule allows with
// dependencies. It counts as if that rule had matched it: what an earlier rule
// took away stays away, what a later one would take away, or none decides, is
// there to be needed. Conflicts are not looked at: they bind machines, not
// repositories.
type closure struct {
	*decider
	rule   int32
	fields []string
	seen   map[placed]bool
	queue  []placed
}

// closures goes through the rules with dependencies, in their order.
func (d *decider) closures() error {
	for i := range d.Policy.Rules {
		r := &d.Policy.Rules[i]
		if !r.Dependencies {
			continue
		}
		c := &closure{decider: d, rule: int32(i), fields: []string{"Pre-Depends", "Depends"}, seen: map[placed]bool{}}
		if r.Recommends {
			c.fields = append(c.fields, "Recommends")
		}
		if c.run(); d.work.err != nil {
			return d.ended(c.rule)
		}
	}
	return nil
}

func (c *closure) run() {
	c.roots()
	c.essentials()
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		for _, field := range c.fields {
			c.meet(next, field)
		}
	}
}

func (c *closure) roots() {
	archs := c.Set.architectures()
	for i, v := range c.Verdicts {
		p := &c.Set.Packages[i]
		if v.Rule != c.rule || v.Reason != Allowed || p.Kind == Source {
			continue
		}
		for _, arch := range archs {
			if p.fits(arch) {
				c.enter(placed{int32(i), arch})
			}
		}
	}
}

// architectures are those on which packages for all architectures are to work.
func (s *Set) architectures() []string {
	found := slices.DeleteFunc(slices.Clone(s.Architectures), func(a string) bool { return a == "all" || a == "source" })
	if len(found) > 0 {
		return found
	}
	for i := range s.Packages {
		if a := s.Packages[i].Architecture; a != "all" && a != "source" && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	slices.Sort(found)
	if found == nil {
		return []string{"all"}
	}
	return found
}

func (p *Package) fits(arch string) bool { return p.Architecture == arch || p.Architecture == "all" }

func (c *closure) enter(n placed) {
	if !c.seen[n] {
		c.seen[n] = true
		c.queue = append(c.queue, n)
	}
}

// essentials brings in what every machine has, for each architecture that has
// something to be installed. Packages do not depend on it.
func (c *closure) essentials() {
	var archs []string
	for _, n := range c.queue {
		if !slices.Contains(archs, n.arch) {
			archs = append(archs, n.arch)
		}
	}
	for _, arch := range archs {
		names := map[string]bool{}
		for i := range c.Set.Packages {
			p := &c.Set.Packages[i]
			if p.Kind == Deb && p.fits(arch) && !names[p.Name] && (p.Essential || p.Name == "apt") {
				names[p.Name] = true
				c.essential(p.Name, arch)
			}
		}
	}
}

func (c *closure) essential(name, arch string) {
	named := c.named(debian.Relation{Name: name}, Deb, arch)
	if best, ok := c.best(slices.DeleteFunc(named, func(o provider) bool { return !o.real })); ok {
		c.take(best, arch, Essential, -1)
	}
}

// take allows a version, if the rules did not by themselves, and looks for what
// it needs.
func (c *closure) take(i int32, arch string, reason Reason, through int32) {
	if !c.Verdicts[i].Allowed() {
		c.Verdicts[i] = Verdict{Reason: reason, Rule: c.rule, Through: through}
	}
	c.enter(placed{i, arch})
}

// meet brings in something for each relation of a field, as far as that takes a
// sensible number of steps.
func (c *closure) meet(n placed, field string) {
	p := &c.Set.Packages[n.version]
	c.work.at = n.version
	begin := c.work.left
	c.work.spend(readingSteps(p.relationField(field)))
	for _, alternatives := range p.relations(field) {
		if c.work.err != nil {
			return
		}
		if begin-c.work.left > maxWorkOfOne {
			c.report(n, field, alternatives, fmt.Sprintf("it and those behind it are not looked at: those before it take more than %d steps", maxWorkOfOne))
			return
		}
		i, arch, ok := c.alternative(p.Kind, n.arch, alternatives)
		if !ok {
			c.unmet(n, field, alternatives)
			continue
		}
		c.take(i, arch, Needed, n.version)
	}
}

// alternative settles which version meets a relation. Where rules allow one by
// themselves that can, it is the first such; else it is the first alternative
// that can be had at all, as apt prefers it.
func (c *closure) alternative(kind Kind, arch string, alternatives []debian.Relation) (int32, string, bool) {
	first := placed{version: -1}
	for _, r := range alternatives {
		on := c.Set.architectureOf(r, arch)
		i, ok := c.best(c.meeting(r, kind, on))
		if ok && c.Verdicts[i].Reason == Allowed {
			return i, on, true
		}
		if ok && first.version < 0 {
			first = placed{i, on}
		}
	}
	return first.version, first.arch, first.version >= 0
}

// architectureOf is the architecture on which a relation has to be met.
func (s *Set) architectureOf(r debian.Relation, arch string) string {
	switch r.Qualifier {
	case "", "any", "all":
		return arch
	case "native":
		return s.native()
	}
	return r.Qualifier
}

// best is the best of those that can be had: what rules allow by themselves goes
// before everything else.
func (c *closure) best(options []provider) (int32, bool) {
	found := provider{version: -1}
	for _, o := range options {
		if c.available(o.version) && (found.version < 0 || c.better(o, found)) {
			found = o
		}
	}
	return found.version, found.version >= 0
}

func (c *closure) better(a, b provider) bool {
	allowed := func(o provider) bool { return c.Verdicts[o.version].Reason == Allowed }
	return cmp.Or(first(allowed(a), allowed(b)), c.Set.preferred(a, b)) < 0
}

// available reports whether no earlier rule, and no guard, took the version
// away.
func (c *closure) available(i int32) bool {
	v := c.Verdicts[i]
	return v.Allowed() || v.Reason == Undecided || v.Reason < NotBuilt && v.Rule > c.rule
}

// preferred orders versions that meet a relation as apt does: the package that
// is named before those that provide it, essential and important ones first.
func (s *Set) preferred(a, b provider) int {
	p, q := &s.Packages[a.version], &s.Packages[b.version]
	return cmp.Or(
		first(a.real, b.real),
		first(p.Essential, q.Essential),
		first(p.Protected, q.Protected),
		cmp.Compare(p.Priority, q.Priority),
		cmp.Compare(p.Name, q.Name),
		s.newer(a.version, b.version),
		cmp.Compare(a.version, b.version),
	)
}

func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// meeting are the versions of a kind that meet a relation on an architecture,
// whether they can be had or not.
func (c *closure) meeting(r debian.Relation, kind Kind, arch string) []provider {
	return slices.DeleteFunc(c.named(r, kind, arch), func(o provider) bool { return !c.Set.meets(o, r) })
}

// named counts what Set.named looks at: comparing long versions takes longer.
func (c *closure) named(r debian.Relation, kind Kind, arch string) []provider {
	index := c.Set.byName()
	known := len(index[r.Name])
	if r.Qualifier != "" {
		known += len(index[r.Name+":"+r.Qualifier])
	}
	if !c.work.spend(1 + known*(1+len(r.Version)/64)) {
		return nil
	}
	return c.Set.named(r, kind, arch)
}

func (s *Set) meets(o provider, r debian.Relation) bool {
	switch {
	case r.Op == debian.NoOp:
		return true
	case o.real:
		return r.Matches(s.Packages[o.version].Version)
	}
	// What provides a name in no version meets only relations without one.
	return o.provides != "" && r.Matches(o.provides)
}

// named are the versions that have or provide a relation's name.
func (s *Set) named(r debian.Relation, kind Kind, arch string) []provider {
	var found []provider
	index := s.byName()
	for _, o := range index[r.Name] {
		p := &s.Packages[o.version]
		if p.Kind == kind && p.fits(arch) && (r.Qualifier != "any" || p.MultiArch == MultiArchAllowed) {
			found = append(found, o)
		}
	}
	if r.Qualifier == "" {
		return found
	}
	for _, o := range index[r.Name+":"+r.Qualifier] {
		if p := &s.Packages[o.version]; p.Kind == kind && p.fits(arch) {
			found = append(found, o)
		}
	}
	return found
}

// byName lists who has or provides each name.
func (s *Set) byName() map[string][]provider {
	return s.providers.get(func() map[string][]provider {
		index := make(map[string][]provider, len(s.Packages))
		for i := range s.Packages {
			p := &s.Packages[i]
			if p.Kind == Source {
				continue
			}
			index[p.Name] = append(index[p.Name], provider{version: int32(i), real: true})
			s.addProvides(index, int32(i))
		}
		return index
	})
}

func (s *Set) addProvides(index map[string][]provider, i int32) {
	for _, alternatives := range s.Packages[i].relations("Provides") {
		for _, r := range alternatives {
			if r.Op != debian.NoOp && r.Op != debian.Equal {
				continue
			}
			key := r.Name
			if r.Qualifier != "" {
				key += ":" + r.Qualifier
			}
			if o := (provider{version: i, provides: r.Version}); mayAdd(index[key], o) {
				index[key] = append(index[key], o)
			}
		}
	}
}

// maxProvided is in how many versions one package can provide a name; those
// beyond are passed over. Looking for what meets a relation takes time for each,
// and a package of strangers may name thousands. Real ones name one.
const maxProvided = 16

// mayAdd looks at what the same package provides already, which stands last.
func mayAdd(known []provider, o provider) bool {
	count := 0
	for i := len(known) - 1; i >= 0 && known[i].version == o.version; i-- {
		if count++; known[i] == o || count >= maxProvided {
			return false
		}
	}
	return true
}
