package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rule gives rights to the identities that match a pattern. Patterns are described in the
// package comment.
type Rule struct {
	Identity string
	// Read lists repositories or repository/suite. "*" stands for any characters within each
	// half; a repository without suite means all its suites. Suites may contain slashes.
	Read   []string
	Upload []string // pools, "*" allowed
	Status bool     // the status page and the metrics
	Admin  bool     // administration; includes Status
	// Rate is how much an identity gets, in bytes a second on all its
	// connections together, and Connections how many requests of it are
	// answered at a time. 0: the rule does not say.
	Rate        int64
	Connections int
	Where       string // where the rule stands, for people: "aptmirror.toml:93"; may be empty
}

// Grants is a set of rules. It is immutable and safe for concurrent use.
type Grants struct {
	rules []compiled
	// Places in rules, so that most rules are not tried on every request:
	names        map[string][]int // of those without wildcard, by Identity.Name
	fingerprints map[string][]int // of those for one certificate, by Identity.Fingerprint
	globs        []tailed         // all others
}

type compiled struct {
	Rule
	identity glob
	read     []readPattern
	upload   []glob
}

// tailed is the place of a rule with wildcard, and the end that every match of it has:
// comparing ends first makes rules of other domains almost free.
type tailed struct {
	rule int
	tail string
}

// readPattern is one entry of Rule.Read.
type readPattern struct{ repository, suite glob }

// maxRules bounds the configuration; every rule with a wildcard is tried on every request.
const maxRules = 10_000

// NewGrants compiles rules. Errors name the rule by Where and its place in the list.
func NewGrants(rules []Rule) (*Grants, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("reading grants: %d rules, at most %d are allowed", len(rules), maxRules)
	}
	g := &Grants{names: map[string][]int{}, fingerprints: map[string][]int{}}
	for i, rule := range rules {
		c, err := compile(rule)
		if err != nil {
			return nil, fmt.Errorf("reading grant %s: %w", place(rule, i), err)
		}
		g.rules = append(g.rules, c)
		g.file(c.identity, i)
	}
	return g, nil
}

// file puts rule i where For looks for it.
func (g *Grants) file(identity glob, i int) {
	if !identity.literal() {
		g.globs = append(g.globs, tailed{i, identity.text[strings.LastIndexAny(identity.text, "*?")+1:]})
	} else if sum, ok := strings.CutPrefix(identity.text, "sha256:"); ok {
		g.fingerprints[sum] = append(g.fingerprints[sum], i)
	} else {
		g.names[identity.text] = append(g.names[identity.text], i)
	}
}

// Len is the number of rules.
func (g *Grants) Len() int { return len(g.rules) }

// For returns what an identity may do: the union of all rules that match it, which is
// nothing where none does.
func (g *Grants) For(id Identity) Grant {
	if id.Name == "" {
		return Grant{} // not even "*" means nobody
	}
	matched := slices.Concat(g.names[id.Name], g.fingerprints[id.Fingerprint])
	for _, t := range g.globs {
		if strings.HasSuffix(id.Name, t.tail) && g.rules[t.rule].identity.match(id.Name) {
			matched = append(matched, t.rule)
		}
	}
	slices.Sort(matched)
	return Grant{Identity: id, grants: g, matched: matched}
}

// Grant is what one identity may do. The zero value allows nothing.
type Grant struct {
	Identity Identity

	grants  *Grants
	matched []int // ascending
}

// MayRead reports whether the suite of a repository may be read. suite "" asks whether
// every suite may, as for something that belongs to none.
func (g Grant) MayRead(repository, suite string) bool {
	return g.any(func(c *compiled) bool {
		return slices.ContainsFunc(c.read, func(p readPattern) bool {
			return p.repository.match(repository) && p.suite.match(suite)
		})
	})
}

// MayReadSome reports whether at least a part of a repository may be read. It is for
// lists and for telling "not yours" from "does not exist", never for content.
func (g Grant) MayReadSome(repository string) bool {
	return g.any(func(c *compiled) bool {
		return slices.ContainsFunc(c.read, func(p readPattern) bool { return p.repository.match(repository) })
	})
}

// Repositories returns those of the given repositories of which at least a part may be read.
func (g Grant) Repositories(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !g.MayReadSome(name) })
}

// MayUpload reports whether packages may be put into a pool.
func (g Grant) MayUpload(pool string) bool {
	return g.any(func(c *compiled) bool {
		return slices.ContainsFunc(c.upload, func(p glob) bool { return p.match(pool) })
	})
}

// MayStatus reports whether the status page and the metrics may be read.
func (g Grant) MayStatus() bool {
	return g.any(func(c *compiled) bool { return c.Status || c.Admin })
}

// MayAdmin reports whether administration is allowed.
func (g Grant) MayAdmin() bool {
	return g.any(func(c *compiled) bool { return c.Admin })
}

// Rate is how much the identity gets, in bytes a second: the highest of the rules that
// say it, 0 (no limit) where none does.
func (g Grant) Rate() int64 {
	var rate int64
	for _, i := range g.matched {
		rate = max(rate, g.grants.rules[i].Rate)
	}
	return rate
}

// Connections is how many requests of the identity are answered at a time: the highest of
// the rules that say it, 0 (no limit) where none does.
func (g Grant) Connections() int {
	n := 0
	for _, i := range g.matched {
		n = max(n, g.grants.rules[i].Connections)
	}
	return n
}

// Rules returns the rules that the grant comes from, in their order.
func (g Grant) Rules() []Rule {
	var rules []Rule
	for _, i := range g.matched {
		rules = append(rules, g.grants.rules[i].Rule)
	}
	return rules
}

// Empty reports whether no rule names this identity at all.
func (g Grant) Empty() bool { return len(g.matched) == 0 }

// Refusal is the answer to an identity that may not do what it asked for: what is a verb
// with its object, "read site/stable".
func (g Grant) Refusal(what string) *RefusedError {
	return refuse(NotAuthorised, "%s may not %s, ask your administrator for a grant", g.Identity.Name, what)
}

// String prints the grant with the rules it comes from, one line:
//
//	dns:a.example.org: read debian, site/stable (aptmirror.toml:93); status (rule 2)
func (g Grant) String() string {
	if g.Empty() {
		return cmp.Or(g.Identity.Name, "nobody") + ": nothing (no rule matches)"
	}
	var parts []string
	for _, i := range g.matched {
		rule := g.grants.rules[i].Rule
		parts = append(parts, fmt.Sprintf("%s%s (%s)", rule.rights(), rule.limits(), place(rule, i)))
	}
	return g.Identity.Name + ": " + strings.Join(parts, "; ")
}

func (g Grant) any(allows func(*compiled) bool) bool {
	for _, i := range g.matched {
		if allows(&g.grants.rules[i]) {
			return true
		}
	}
	return false
}

func (r *Rule) rights() string {
	var rights []string
	if len(r.Read) > 0 {
		rights = append(rights, "read "+strings.Join(r.Read, ", "))
	}
	if len(r.Upload) > 0 {
		rights = append(rights, "upload "+strings.Join(r.Upload, ", "))
	}
	if r.Status {
		rights = append(rights, "status")
	}
	if r.Admin {
		rights = append(rights, "admin")
	}
	return strings.Join(rights, ", ")
}

// limits names what bounds the rights, in words that follow them.
func (r *Rule) limits() string {
	text := ""
	if r.Rate > 0 {
		text += fmt.Sprintf(", at %d bytes a second", r.Rate)
	}
	if r.Connections > 0 {
		text += fmt.Sprintf(", %d requests at a time", r.Connections)
	}
	return text
}

// place names a rule for people.
func place(r Rule, index int) string {
	return cmp.Or(r.Where, fmt.Sprintf("rule %d", index+1))
}
