package policy

import (
	"path"
	"slices"
	"strings"
)

type always bool

func (m always) version(*asked, int32) bool    { return bool(m) }
func (m always) pkg(*asked, Kind, *group) bool { return bool(m) }
func constant(b bool) func(*compiler, *node) (matcher, error) {
	return func(*compiler, *node) (matcher, error) { return always(b), nil }
}

type not struct{ m matcher }

func (m not) version(c *asked, i int32) bool         { return !m.m.version(c, i) }
func (m not) pkg(c *asked, kind Kind, g *group) bool { return !m.m.pkg(c, kind, g) }

func makeNot(c *compiler, n *node) (matcher, error) {
	m, err := c.pattern(n.args[0])
	return not{m}, err
}

type and []matcher

func (m and) version(c *asked, i int32) bool {
	for _, one := range m {
		if !one.version(c, i) {
			return false
		}
	}
	return true
}

func (m and) pkg(c *asked, kind Kind, g *group) bool {
	for _, one := range m {
		if !one.pkg(c, kind, g) {
			return false
		}
	}
	return true
}

func makeAnd(c *compiler, n *node) (matcher, error) {
	m, err := c.patterns(n.args)
	return and(m), err
}

type or []matcher

func (m or) version(c *asked, i int32) bool {
	return slices.ContainsFunc(m, func(one matcher) bool { return one.version(c, i) })
}

func (m or) pkg(c *asked, kind Kind, g *group) bool {
	return slices.ContainsFunc(m, func(one matcher) bool { return one.pkg(c, kind, g) })
}

func makeOr(c *compiler, n *node) (matcher, error) {
	m, err := c.patterns(n.args)
	return or(m), err
}

// anyVersion selects a package if it has a version that m selects.
type anyVersion struct{ m matcher }

func (m anyVersion) version(c *asked, i int32) bool { return m.m.version(c, i) }

func (m anyVersion) pkg(c *asked, _ Kind, g *group) bool {
	return slices.ContainsFunc(g.versions, func(i int32) bool { return m.m.version(c, i) })
}

func makeAnyVersion(c *compiler, n *node) (matcher, error) {
	m, err := c.pattern(n.args[0])
	return anyVersion{m}, err
}

func makeNarrow(c *compiler, n *node) (matcher, error) {
	m, err := c.patterns(n.args)
	return anyVersion{and(m)}, err
}

// allVersions selects a package if it has no version that m does not select.
type allVersions struct{ m matcher }

func (m allVersions) version(c *asked, i int32) bool { return m.m.version(c, i) }

func (m allVersions) pkg(c *asked, _ Kind, g *group) bool {
	return !slices.ContainsFunc(g.versions, func(i int32) bool { return !m.m.version(c, i) })
}

func makeAllVersions(c *compiler, n *node) (matcher, error) {
	m, err := c.pattern(n.args[0])
	return allVersions{m}, err
}

// fact selects versions by what is known about each by itself, and packages that
// have such a version.
type fact func(p *Package) bool

func (m fact) version(c *asked, i int32) bool { return m(&c.set.Packages[i]) }

func (m fact) pkg(c *asked, _ Kind, g *group) bool {
	return slices.ContainsFunc(g.versions, func(i int32) bool { return m(&c.set.Packages[i]) })
}

// textOf makes patterns that match a regular expression against a text. As for
// apt, what a version does not have matches nothing.
func textOf(get func(p *Package) string) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		m, err := c.text(n.args[0])
		if err != nil {
			return nil, err
		}
		return fact(func(p *Package) bool {
			s := get(p)
			return s != "" && m.matchText(lower(s))
		}), nil
	}
}

// equalTo makes patterns that want a text to be the same.
func equalTo(get func(p *Package) string) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		word, err := c.word(n.args[0])
		return fact(func(p *Package) bool { return get(p) == word }), err
	}
}

func makePriority(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	if err != nil {
		return nil, err
	}
	i := slices.Index(priorityNames[1:], word)
	if i < 0 {
		return nil, wrong(n.args[0].at, "%q is no priority; there are %s", word, strings.Join(priorityNames[1:], ", "))
	}
	want := Priority(i + 1)
	return fact(func(p *Package) bool { return p.Priority == want }), nil
}

// byPackage selects packages by name and architecture, and all versions of
// those.
type byPackage func(name, arch string) bool

func (m byPackage) version(c *asked, i int32) bool {
	p := &c.set.Packages[i]
	return m(p.Name, c.set.archOf(p))
}

func (m byPackage) pkg(_ *asked, _ Kind, g *group) bool { return m(g.name, g.arch) }

func makeName(c *compiler, n *node) (matcher, error) {
	m, err := c.text(n.args[0])
	return byPackage(func(name, _ string) bool { return m.matchText(lower(name)) }), err
}

func makeExactName(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	return byPackage(func(name, _ string) bool { return name == word }), err
}

func makeFnmatch(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	if err != nil {
		return nil, err
	}
	// Names have no slash, so that path.Match is fnmatch(3) but for [!...].
	glob := strings.ReplaceAll(lower(word), "[!", "[^")
	if _, err := path.Match(glob, ""); err != nil {
		return nil, wrong(n.args[0].wordAt(), "%q is no file name pattern: a bracket is not closed", word)
	}
	return byPackage(func(name, _ string) bool {
		ok, err := path.Match(glob, lower(name))
		return ok && err == nil
	}), nil
}

func makeArchitecture(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	if err != nil {
		return nil, err
	}
	for i := range len(word) {
		if !isTermChar(word[i]) && word[i] != '*' {
			return nil, wrong(n.args[0].wordAt()+i, "%q is no architecture", word)
		}
	}
	spec := newArchSpec(word)
	return byPackage(func(_, arch string) bool { return spec.matches(arch) }), nil
}

// essential selects packages of which a version is Essential: yes, and all their
// versions.
type essential struct{}

func (essential) version(c *asked, i int32) bool {
	return c.set.isEssential(c.set.keyOf(&c.set.Packages[i]))
}

func (essential) pkg(c *asked, kind Kind, g *group) bool {
	return len(g.versions) > 0 && c.set.isEssential(groupKey{kind, g.name, g.arch})
}

func makeEssential(*compiler, *node) (matcher, error) { return essential{}, nil }

// virtual selects names that are only in relations.
type virtual struct{}

func (virtual) version(*asked, int32) bool           { return false }
func (virtual) pkg(_ *asked, _ Kind, g *group) bool  { return len(g.versions) == 0 }
func makeVirtual(*compiler, *node) (matcher, error)  { return virtual{}, nil }
func makeSecurity(*compiler, *node) (matcher, error) { return security{}, nil }
func isSecuritySuite(in *Input) bool                 { return strings.HasSuffix(in.Suite, "-security") }
func (security) pkg(c *asked, _ Kind, g *group) bool {
	return slices.ContainsFunc(g.versions, func(i int32) bool { return isSecuritySuite(c.set.Packages[i].Input) })
}

// security selects the versions from suites named ...-security, and those that
// are newer than one of the same package. It is in apt since 2.9.
type security struct{}

func (security) version(c *asked, i int32) bool {
	p := &c.set.Packages[i]
	if isSecuritySuite(p.Input) {
		return true
	}
	versions := c.set.group(c.set.keyOf(p)).versions
	return c.work.spend(len(versions)) && slices.ContainsFunc(versions, func(j int32) bool {
		return isSecuritySuite(c.set.Packages[j].Input) && c.set.newer(i, j) < 0
	})
}
