package policy

import (
	"cmp"
	"slices"

	"aptmirror/upstream/debian"
)

// Effect is how a package's standing differs between two decisions.
type Effect uint8

// The effects.
const (
	Added    Effect = iota // not allowed before
	Unheld                 // held before
	Removed                // no longer allowed
	HeldBack               // allowed before, held now
)

var effectNames = [...]string{Added: "added", Unheld: "unheld", Removed: "removed", HeldBack: "held"}

func (e Effect) String() string { return effectNames[e] }

// Change is one version whose standing differs. Before and After are places in
// the packages of the two decisions, -1 where the version is in none of the
// inputs.
type Change struct {
	Effect        Effect
	Package       *Package
	Before, After int
}

// Diff lists the versions that one decision allows and the other does not,
// sorted by name, kind, version and architecture. Copies of a version in several
// inputs count as one, which is allowed if any of them is.
func Diff(before, after *Decision) []Change {
	only := before.differing(after)
	was, is := before.standing(only), after.standing(only)
	var changes []Change
	for id, i := range is {
		if c, ok := compare(before, after, lookup(was, id), i); ok {
			changes = append(changes, c)
		}
	}
	for id, i := range was {
		if _, there := is[id]; !there {
			if c, ok := compare(before, after, i, -1); ok {
				changes = append(changes, c)
			}
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return comparePackages(a.Package, b.Package) })
	return changes
}

func comparePackages(a, b *Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind),
		debian.CompareVersions(a.Version, b.Version), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Architecture, b.Architecture))
}

// versionID names a version wherever it comes from.
type versionID struct {
	name, version, arch string
	kind                Kind
}

func lookup(m map[versionID]int, id versionID) int {
	if i, ok := m[id]; ok {
		return i
	}
	return -1
}

func (p *Package) id() versionID { return versionID{p.Name, p.Version, p.Architecture, p.Kind} }

// differing gives the versions of which a copy is allowed by one decision and
// not by the other, where both are about the same set: all others are the same.
// It is nil for decisions about different sets.
func (d *Decision) differing(other *Decision) map[versionID]bool {
	if d.Set != other.Set {
		return nil
	}
	found := map[versionID]bool{}
	for i := range d.Verdicts {
		if d.Verdicts[i].Allowed() != other.Verdicts[i].Allowed() {
			found[d.Set.Packages[i].id()] = true
		}
	}
	return found
}

// standing gives for each version the place of an allowed copy, or else of the
// first; only for some, unless that is nil.
func (d *Decision) standing(only map[versionID]bool) map[versionID]int {
	if only == nil {
		return d.standingOf(func(versionID) bool { return true }, len(d.Verdicts))
	}
	names := make(map[string]bool, len(only))
	for id := range only {
		names[id.name] = true
	}
	return d.standingOf(func(id versionID) bool { return names[id.name] && only[id] }, len(only))
}

func (d *Decision) standingOf(wanted func(versionID) bool, size int) map[versionID]int {
	found := make(map[versionID]int, size)
	for i := range d.Verdicts {
		id := d.Set.Packages[i].id()
		if !wanted(id) {
			continue
		}
		j, known := found[id]
		if !known || d.Verdicts[i].Allowed() && !d.Verdicts[j].Allowed() {
			found[id] = i
		}
	}
	return found
}

func compare(before, after *Decision, was, is int) (Change, bool) {
	allowedBefore := was >= 0 && before.Verdicts[was].Allowed()
	allowedAfter := is >= 0 && after.Verdicts[is].Allowed()
	if allowedBefore == allowedAfter {
		return Change{}, false
	}
	c := Change{Before: was, After: is}
	if is >= 0 {
		c.Package = &after.Set.Packages[is]
	} else {
		c.Package = &before.Set.Packages[was]
	}
	switch {
	case allowedAfter && was >= 0 && before.Verdicts[was].Reason == Held:
		c.Effect = Unheld
	case allowedAfter:
		c.Effect = Added
	case is >= 0 && after.Verdicts[is].Reason == Held:
		c.Effect = HeldBack
	default:
		c.Effect = Removed
	}
	return c, true
}
