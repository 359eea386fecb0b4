package compare

import (
	"cmp"
	"slices"
	"strings"

	"aptmirror/upstream/debian"
)

// Kind is how a package changed.
type Kind string

const (
	Added      Kind = "added"
	Removed    Kind = "removed"
	Upgraded   Kind = "upgraded"   // the newest version is newer
	Downgraded Kind = "downgraded" // it is older
	Replaced   Kind = "replaced"   // the same version has other bytes
)

// Change is what became of a package. Where a state has several versions, the
// newest is compared with the newest, and others that came or went are Added or
// Removed beside that.
type Change struct {
	Kind             Kind
	Name             string
	Architecture     string // "source" for a source package
	From, To         string // versions; "" where there is none
	FromSize, ToSize int64  // bytes
}

// Source is what became of the packages that are built from one source package.
type Source struct {
	Name     string
	From, To string // its newest version before and after; "" where there is none
	Changes  []Change
}

// Compare tells what changed, by source package in the order of names. It may
// reorder the sets.
func Compare(before, after *Set) []Source {
	before.order()
	after.order()
	changes := map[string][]Change{}
	add := func(source string, c Change) { changes[source] = append(changes[source], c) }
	a, b := before.packages, after.packages
	for len(a) > 0 || len(b) > 0 {
		old, new := groups(a, b)
		a, b = a[len(old):], b[len(new):]
		if !slices.EqualFunc(old, new, pkg.same) {
			compareGroups(old, new, add)
		}
	}
	return bySource(changes, before, after)
}

// groups cuts off all versions of the package that comes first.
func groups(a, b []pkg) (old, new []pkg) {
	switch {
	case len(b) == 0 || len(a) > 0 && a[0].compareGroup(b[0]) < 0:
		return group(a), nil
	case len(a) == 0 || a[0].compareGroup(b[0]) > 0:
		return nil, group(b)
	}
	return group(a), group(b)
}

func group(list []pkg) []pkg {
	n := 1
	for n < len(list) && list[n].compareGroup(list[0]) == 0 {
		n++
	}
	return list[:n]
}

func compareGroups(old, new []pkg, add func(source string, c Change)) {
	var newestOld, newestNew *pkg
	if newestOld, newestNew = newest(old), newest(new); newestOld != nil && newestNew != nil {
		if kind := kindOf(*newestOld, *newestNew); kind != "" {
			add(newestNew.source, Change{kind, newestNew.name, newestNew.architecture, newestOld.version, newestNew.version, newestOld.size, newestNew.size})
		}
	} else {
		newestOld, newestNew = nil, nil // then every version came or went
	}
	for _, p := range old {
		if (newestOld == nil || p.version != newestOld.version) && !has(new, p) {
			add(p.source, Change{Kind: Removed, Name: p.name, Architecture: p.architecture, From: p.version, FromSize: p.size})
		}
	}
	for _, p := range new {
		if (newestNew == nil || p.version != newestNew.version) && !has(old, p) {
			add(p.source, Change{Kind: Added, Name: p.name, Architecture: p.architecture, To: p.version, ToSize: p.size})
		}
	}
}

func newest(list []pkg) (best *pkg) {
	for i := range list {
		if best == nil || debian.CompareVersions(list[i].version, best.version) > 0 {
			best = &list[i]
		}
	}
	return best
}

// kindOf is "" for packages that are the same.
func kindOf(old, new pkg) Kind {
	switch c := debian.CompareVersions(old.version, new.version); {
	case c < 0:
		return Upgraded
	case c > 0:
		return Downgraded
	case old.digest != new.digest || old.version != new.version:
		return Replaced
	}
	return ""
}

func has(list []pkg, p pkg) bool { return slices.ContainsFunc(list, p.same) }

// bySource orders the changes and finds the versions of their sources.
func bySource(changes map[string][]Change, before, after *Set) []Source {
	from, to := newestSources(changes, before), newestSources(changes, after)
	all := make([]Source, 0, len(changes))
	for name, of := range changes {
		slices.SortStableFunc(of, func(a, b Change) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Architecture, b.Architecture), debian.CompareVersions(cmp.Or(a.To, a.From), cmp.Or(b.To, b.From)), strings.Compare(string(a.Kind), string(b.Kind)))
		})
		all = append(all, Source{name, from[name], to[name], of})
	}
	slices.SortFunc(all, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// newestSources gives the newest version of every source that changed.
func newestSources(changes map[string][]Change, s *Set) map[string]string {
	versions := make(map[string]string, len(changes))
	for _, p := range s.packages {
		if changes[p.source] == nil {
			continue
		}
		if best, ok := versions[p.source]; !ok || debian.CompareVersions(p.sourceVersion, best) > 0 {
			versions[p.source] = p.sourceVersion
		}
	}
	return versions
}

// Total counts changes, and the bytes that a client or another site would have
// to fetch for them.
type Total struct {
	Added, Removed, Upgraded, Downgraded, Replaced int
	Bytes                                          int64
}

// Count sums up.
func Count(sources []Source) (t Total) {
	for _, s := range sources {
		for _, c := range s.Changes {
			switch c.Kind {
			case Added:
				t.Added++
			case Removed:
				t.Removed++
			case Upgraded:
				t.Upgraded++
			case Downgraded:
				t.Downgraded++
			case Replaced:
				t.Replaced++
			}
			t.Bytes += c.ToSize
		}
	}
	return t
}
