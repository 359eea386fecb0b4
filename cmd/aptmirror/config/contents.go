package config

import "slices"

// Contents is what a built suite has.
type Contents struct {
	Components []string
	// Architectures are those that sources name; pools do not say theirs.
	Architectures []string
}

// ContentsOf gives what a built suite has: what its own keys say, or else what its sources have. Flat archives have no
// components; their packages are in DefaultComponent.
func (c *Config) ContentsOf(s Suite) Contents {
	var all Contents
	for _, source := range s.From {
		of := c.offer(source)
		all.Components = union(all.Components, of.Components)
		all.Architectures = union(all.Architectures, of.Architectures)
	}
	if len(s.Components) > 0 {
		all.Components = s.Components
	}
	if len(s.Architectures) > 0 {
		all.Architectures = s.Architectures
	}
	return all
}

// offer is what a source has. A valid configuration has no circles to follow.
func (c *Config) offer(source Source) Contents {
	switch source.Kind {
	case FromArchive:
		a := find(c.Archives, func(a Archive) bool { return a.Name == source.Name })
		if len(a.Components) == 0 {
			a.Components = []string{DefaultComponent}
		}
		return Contents{a.Components, a.Architectures}
	case FromPool:
		p := find(c.Pools, func(p Pool) bool { return p.Name == source.Name })
		return Contents{Components: []string{p.Component}}
	}
	r := find(c.Repositories, func(r Repository) bool { return r.Name == source.Name })
	return c.ContentsOf(find(r.Suites, func(s Suite) bool { return s.Name == source.Suite }))
}

// find gives the entry that matches; a valid configuration has what it names.
func find[T any](list []T, match func(T) bool) (found T) {
	if i := slices.IndexFunc(list, match); i >= 0 {
		found = list[i]
	}
	return found
}

func union(all, more []string) []string {
	for _, s := range more {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// ArchiveNames are in the order of the file.
func (c *Config) ArchiveNames() (names []string) {
	for _, a := range c.Archives {
		names = append(names, a.Name)
	}
	return names
}
