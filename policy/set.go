package policy

import (
	"sync"

	"aptmirror/upstream/debian"
)

// Set is all that is known about the packages among which a policy decides: what
// the inputs of one suite offer. It must not change once a decision was made, and
// may then be used by any number of goroutines.
type Set struct {
	// Packages has each version of each package once for every input that
	// offers it, in the inputs' order of preference. Copies of packages for all
	// architectures that stand in several indexes of one input are left out.
	Packages []Package

	// Architectures are those that are decided together, one or more. As for apt
	// on a machine of the first one, packages for all architectures count as
	// being of it.
	Architectures []string

	// Pools are the rules against confusion of the pools in Packages.
	Pools []Pool

	groups    onceValue[map[groupKey]*group]
	targets   onceValue[map[groupKey][]dependent]
	essential onceValue[map[groupKey]bool]
	providers onceValue[map[string][]provider]
}

// onceValue computes something at its first use.
type onceValue[T any] struct {
	once  sync.Once
	value T
}

func (o *onceValue[T]) get(compute func() T) T {
	o.once.Do(func() { o.value = compute() })
	return o.value
}

// group is what apt calls a package: all versions of one name for one
// architecture.
type group struct {
	name, arch string
	versions   []int32 // places in Set.Packages
}

// groupKey names a group.
type groupKey struct {
	kind       Kind
	name, arch string
}

// native is the architecture that packages for all architectures count as.
func (s *Set) native() string {
	if len(s.Architectures) > 0 {
		return s.Architectures[0]
	}
	return "all"
}

// archOf is the architecture of p's group.
func (s *Set) archOf(p *Package) string {
	if p.Architecture == "all" {
		return s.native()
	}
	return p.Architecture
}

func (s *Set) keyOf(p *Package) groupKey { return groupKey{p.Kind, p.Name, s.archOf(p)} }

// group gives the group of that name; without versions if there is none.
func (s *Set) group(key groupKey) *group {
	if g := s.allGroups()[key]; g != nil {
		return g
	}
	return &group{name: key.name, arch: key.arch}
}

func (s *Set) allGroups() map[groupKey]*group {
	return s.groups.get(func() map[groupKey]*group {
		groups := make(map[groupKey]*group, len(s.Packages))
		for i := range s.Packages {
			p := &s.Packages[i]
			key := s.keyOf(p)
			g := groups[key]
			if g == nil {
				g = &group{name: key.name, arch: key.arch}
				groups[key] = g
			}
			g.versions = append(g.versions, int32(i))
		}
		return groups
	})
}

// isEssential reports what apt does: a package is essential if one of its
// versions is, and apt itself always.
func (s *Set) isEssential(key groupKey) bool {
	return key.name == "apt" || s.essential.get(func() map[groupKey]bool {
		found := map[groupKey]bool{}
		for i := range s.Packages {
			if p := &s.Packages[i]; p.Essential {
				found[s.keyOf(p)] = true
			}
		}
		return found
	})[key]
}

// newer orders versions of one package, the newest first.
func (s *Set) newer(i, j int32) int {
	return debian.CompareVersions(s.Packages[j].Version, s.Packages[i].Version)
}

// Pool is what the configuration says against confusion about a pool.
type Pool struct {
	Name string
	// Names are reserved: only this pool supplies them. Like Shadows, they may
	// have * and ? for any text and any character.
	Names []string
	// Shadows are names of archives' packages that this pool replaces, and of its
	// packages that may be essential.
	Shadows []string
	// Provides are names that archives' packages have or provide, and that this
	// pool's may provide as well.
	Provides []string
}

// provider is a version that stands for a name, and in which version; "" if
// Provides says none.
type provider struct {
	version  int32
	provides string
	real     bool // it has the name itself
}
