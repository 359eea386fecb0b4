package policy

import (
	"slices"
	"strings"

	"aptmirror/upstream/debian"
)

// Provides is a way to another's name: apt installs what provides a name that
// nothing else has in the version that is needed, and of several that provide it
// whichever has the higher priority. Names that packages provide are therefore
// guarded like their own.

// provided gives the names in a Provides field; the architecture that one may be
// for does not matter.
func (p *Package) provided() (names []string) {
	rs, err := debian.ParseRelations(p.provides)
	if err != nil {
		return looseNames(p.provides)
	}
	for _, alternatives := range rs {
		for _, r := range alternatives {
			names = append(names, r.Name)
		}
	}
	return names
}

// looseNames reads a field with names or versions that are none, which apt takes
// all the same: for apt, a name is what stands before a blank, bracket or colon.
func looseNames(field string) (names []string) {
	for element := range strings.FieldsFuncSeq(field, func(r rune) bool { return r == ',' || r == '|' }) {
		element = strings.TrimLeft(element, blanks)
		if end := strings.IndexAny(element, blanks+"()[]<>:"); end >= 0 {
			element = element[:end]
		}
		if element != "" {
			names = append(names, element)
		}
	}
	return names
}

// mayProvide reports whether a pool says that its packages may provide the name
// of an archive's package. Who may replace that may.
func (g *guard) mayProvide(p *Package, name string) bool {
	pool := g.pools[p.Input.Archive]
	return pool != nil && (anyGlob(pool.Provides, name) || anyGlob(pool.Shadows, name))
}

// noteProvided finds the archives' packages that have or provide a name which a
// pool's package provides without leave.
func (g *guard) noteProvided() {
	asked := map[name]bool{}
	for i := range g.set.Packages {
		p := &g.set.Packages[i]
		if !p.Input.Pool || p.provides == "" {
			continue
		}
		for _, n := range p.provided() {
			if !g.mayProvide(p, n) {
				asked[name{p.Kind, n}] = true
			}
		}
	}
	if g.taken = map[name]int32{}; len(asked) == 0 {
		return
	}
	for i := range g.set.Packages {
		p := &g.set.Packages[i]
		if p.Input.Pool || g.reserved(p) {
			continue
		}
		for _, n := range append(p.provided(), p.Name) {
			key := name{p.Kind, n}
			if _, known := g.taken[key]; asked[key] && !known {
				g.taken[key] = int32(i)
			}
		}
	}
}

// standsFor says what is wrong with the names that a version provides, and
// through which other version.
func (g *guard) standsFor(p *Package) (Reason, int32) {
	if !p.Input.Pool && !g.mayHaveReserved(p.provides) {
		return Undecided, -1
	}
	for _, n := range p.provided() {
		if g.set.reservedElsewhere(p, n) {
			return ProvidesReserved, -1
		}
		if !p.Input.Pool {
			continue
		}
		if other, ok := g.taken[name{p.Kind, n}]; ok && !g.mayProvide(p, n) {
			return Providing, other
		}
	}
	return Undecided, -1
}

// mayHaveReserved tells most fields without a reserved name by a part that all
// names of a pattern have: reading each would take as long as all rules.
func (g *guard) mayHaveReserved(provides string) bool {
	return provides != "" && slices.ContainsFunc(g.parts, func(part string) bool { return strings.Contains(provides, part) })
}

// reservedParts gives for each pattern of reserved names its longest part without
// wildcards.
func reservedParts(pools []Pool) (parts []string) {
	for _, pool := range pools {
		for _, glob := range pool.Names {
			longest := ""
			for _, part := range strings.FieldsFunc(glob, func(r rune) bool { return r == '*' || r == '?' }) {
				if len(part) > len(longest) {
					longest = part
				}
			}
			if strings.ContainsAny(glob, `[\`) {
				longest = ""
			}
			parts = append(parts, longest)
		}
	}
	return parts
}

// stolen is the name behind a verdict of standsFor.
func (d *Decision) stolen(i int) string {
	p, v := &d.Set.Packages[i], d.Verdicts[i]
	for _, n := range p.provided() {
		if v.Through < 0 && d.Set.reservedElsewhere(p, n) {
			return n
		}
		if v.Through >= 0 {
			if other := &d.Set.Packages[v.Through]; other.Name == n || slices.Contains(other.provided(), n) {
				return n
			}
		}
	}
	return "a name"
}
