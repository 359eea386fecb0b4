package policy

import (
	"fmt"
	"strings"

	"aptmirror/upstream/debian"
)

// Unmet is a relation that nothing meets which the rules leave.
type Unmet struct {
	Package      int32  // place in Set.Packages
	Architecture string // of the machines on which it is unmet
	Rule         int32  // the rule with dependencies, in Policy.Rules
	Field        string // Depends, Pre-Depends or Recommends
	Relation     string // with its alternatives
	Why          string
}

// String says it for people, without the package.
func (u Unmet) String() string {
	return fmt.Sprintf("%s: %s: %s", u.Field, u.Relation, u.Why)
}

const (
	// maxNamed bounds how many versions and alternatives an explanation names.
	maxNamed = 3
	// maxUnmet bounds how many relations a decision reports as unmet; a package
	// may have thousands that nothing meets.
	maxUnmet = 10_000
	// maxRelation is how many bytes of an unmet relation are told.
	maxRelation = 500
)

func (c *closure) unmet(n placed, field string, alternatives []debian.Relation) {
	var why []string
	for _, r := range alternatives {
		if len(why) == maxNamed {
			why = append(why, fmt.Sprintf("and %d more", len(alternatives)-maxNamed))
			break
		}
		why = append(why, c.lacking(r, c.Set.Packages[n.version].Kind, c.Set.architectureOf(r, n.arch)))
	}
	c.report(n, field, alternatives, strings.Join(why, "; "))
}

func (c *closure) report(n placed, field string, alternatives []debian.Relation, why string) {
	if len(c.Unmet) < maxUnmet {
		c.Unmet = append(c.Unmet, Unmet{
			Package: n.version, Architecture: n.arch, Rule: c.rule, Field: field,
			Relation: shortened(debian.Relations{alternatives}.String()), Why: why,
		})
	}
}

func shortened(relation string) string {
	if len(relation) <= maxRelation {
		return relation
	}
	return strings.ToValidUTF8(relation[:maxRelation], "") + "..."
}

// lacking says why one alternative cannot be met.
func (c *closure) lacking(r debian.Relation, kind Kind, arch string) string {
	if meeting := c.meeting(r, kind, arch); len(meeting) > 0 {
		return c.list(meeting, func(i int32) string {
			return c.Set.Packages[i].FullName() + " is " + c.Explain(int(i))
		})
	}
	if named := c.named(r, kind, arch); len(named) > 0 {
		return "there is only " + c.list(named, func(i int32) string { return c.Set.Packages[i].FullName() })
	}
	return fmt.Sprintf("no package is or provides %s for %s", r.Name, arch)
}

func (c *closure) list(found []provider, describe func(int32) string) string {
	var names []string
	for _, o := range found[:min(len(found), maxNamed)] {
		names = append(names, describe(o.version))
	}
	if more := len(found) - maxNamed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
