package policy

import (
	"fmt"
	"path"
	"slices"
)

// guard takes away what could be taken for another's package, and returns the
// places of all others.
func (d *decider) guard() []int32 {
	open := make([]int32, 0, len(d.Verdicts))
	g := newGuard(d.Set)
	for i := range d.Set.Packages {
		if v := g.verdict(int32(i)); v.Reason != Undecided {
			d.Verdicts[i] = v
			continue
		}
		open = append(open, int32(i))
	}
	return open
}

func (d *decider) guarded(i int32) bool { return d.Verdicts[i].Reason >= Reserved }

// name is a package's name among those of its kind.
type name struct {
	kind Kind
	name string
}

// guard knows which names come from pools and which from archives, without
// those that are reserved and come from elsewhere.
type guard struct {
	set      *Set
	pools    map[string]*Pool
	private  map[name]int32 // the first version of a pool that may replace archives'
	archives map[name]int32 // the first version of an archive
	taken    map[name]int32 // the first version of an archive that has or provides what a pool's provides
	parts    []string       // of reserved names
}

func newGuard(s *Set) *guard {
	g := &guard{set: s, pools: map[string]*Pool{}, parts: reservedParts(s.Pools)}
	for i := range s.Pools {
		g.pools[s.Pools[i].Name] = &s.Pools[i]
	}
	if !s.hasPrivate() {
		return g
	}
	g.private, g.archives = map[name]int32{}, map[name]int32{}
	for i := range s.Packages {
		g.note(int32(i))
	}
	g.noteProvided()
	return g
}

func (s *Set) hasPrivate() bool {
	for i := range s.Packages {
		if s.Packages[i].Input.Pool {
			return true
		}
	}
	return false
}

func (g *guard) note(i int32) {
	p := &g.set.Packages[i]
	list := g.archives
	if p.Input.Pool {
		if !g.mayShadow(p) {
			return
		}
		list = g.private
	}
	if _, known := list[name{p.Kind, p.Name}]; !known && !g.reserved(p) {
		list[name{p.Kind, p.Name}] = i
	}
}

func (g *guard) mayShadow(p *Package) bool {
	pool := g.pools[p.Input.Archive]
	return pool != nil && anyGlob(pool.Shadows, p.Name)
}

func (g *guard) reserved(p *Package) bool { return g.set.reservedElsewhere(p, p.Name) }

// reservedElsewhere reports whether a name belongs to pools, and p's input is
// none of them.
func (s *Set) reservedElsewhere(p *Package, name string) bool {
	found := false
	for i := range s.Pools {
		pool := &s.Pools[i]
		if !anyGlob(pool.Names, name) {
			continue
		}
		if p.Input.Pool && p.Input.Archive == pool.Name {
			return false
		}
		found = true
	}
	return found
}

func anyGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	})
}

func (g *guard) verdict(i int32) Verdict {
	p := &g.set.Packages[i]
	key := name{p.Kind, p.Name}
	if g.reserved(p) {
		return Verdict{Reason: Reserved, Rule: -1, Through: -1}
	}
	if p.Input.Pool {
		if other, ok := g.archives[key]; ok && !g.mayShadow(p) {
			return Verdict{Reason: Shadowing, Rule: -1, Through: other}
		}
		if p.Essential && p.Kind == Deb && !g.mayShadow(p) {
			return Verdict{Reason: Imposing, Rule: -1, Through: -1}
		}
	} else if other, ok := g.private[key]; ok {
		return Verdict{Reason: Shadowed, Rule: -1, Through: other}
	}
	reason, through := g.standsFor(p)
	return Verdict{Reason: reason, Rule: -1, Through: through}
}

// Conflict is one version that two inputs offer with different bytes.
type Conflict struct {
	First, Second *Package
}

func (c Conflict) Error() string {
	return fmt.Sprintf("%s from %s has SHA256 %x, and from %s %x: deny one of them with a rule such as `deny ?and(?exact-name(%s), ?%s(%s))`",
		c.First.FullName(), c.First.Input, c.First.Digest, c.Second.Input, c.Second.Digest,
		c.Second.Name, c.Second.Input.pattern(), c.Second.Input.Archive)
}

// pattern is the name of the pattern that selects an input.
func (in *Input) pattern() string {
	if in.Pool {
		return "x-pool"
	}
	return "x-archive"
}

// Conflicts finds the versions that are allowed twice with different bytes, one
// pair for each. A suite with any cannot be built: apt would see one version
// with two digests.
func (d *Decision) Conflicts() []Conflict {
	type id struct {
		kind                Kind
		name, version, arch string
	}
	var found []Conflict
	first := make(map[id]int32, len(d.Verdicts))
	for i, v := range d.Verdicts {
		if !v.Allowed() {
			continue
		}
		p := &d.Set.Packages[i]
		key := id{p.Kind, p.Name, p.Version, p.Architecture}
		j, known := first[key]
		switch {
		case !known:
			first[key] = int32(i)
		case j >= 0 && d.Set.Packages[j].Digest != p.Digest:
			found = append(found, Conflict{&d.Set.Packages[j], p})
			first[key] = -1
		}
	}
	return found
}
