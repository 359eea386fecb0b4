package policy

import (
	"fmt"
	"time"
)

// Finding is something about the rules that is not as it was meant, in all
// likelihood.
type Finding struct {
	File    string
	Line    int // 0 for the policy as a whole
	Problem string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Problem)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Problem)
}

// Lint looks for rules that can never decide, for patterns that match nothing in
// any of the sets, and for the lack of a last rule for everything. Without sets
// only the text is looked at.
func (p *Policy) Lint(now time.Time, sets ...*Set) []Finding {
	l := &linter{policy: p}
	if len(p.Rules) == 0 {
		l.find(0, "there are no rules, so that every package is denied")
		return l.findings
	}
	reachable := l.texts()
	if len(sets) > 0 {
		l.uses(now, sets, reachable)
	}
	l.last()
	return l.findings
}

type linter struct {
	policy   *Policy
	findings []Finding
}

func (l *linter) find(line int, format string, args ...any) {
	l.findings = append(l.findings, Finding{l.policy.File, line, fmt.Sprintf(format, args...)})
}

// texts compares each rule with those above it, and reports which may decide
// something.
func (l *linter) texts() []bool {
	reachable := make([]bool, len(l.policy.Rules))
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		above := l.covering(i)
		if reachable[i] = above == nil && !r.Pattern.never(); reachable[i] {
			continue
		}
		if above != nil {
			l.find(r.Line, "`%s` is never reached: `%s` in line %d decides everything that it matches", r.Text, above.Text, above.Line)
		} else {
			l.find(r.Line, "`%s` matches nothing, whatever there is", r.Text)
		}
	}
	return reachable
}

// covering is the first rule above the i-th that decides all that it matches.
func (l *linter) covering(i int) *Rule {
	for j := range i {
		above := &l.policy.Rules[j]
		if above.Action != Allow && above.Action != Deny {
			continue
		}
		if covers(above.Pattern.tree, l.policy.Rules[i].Pattern.tree) {
			return above
		}
	}
	return nil
}

// last wants a rule for everything at the end, so that what becomes of the rest
// stands in the text.
func (l *linter) last() {
	r := &l.policy.Rules[len(l.policy.Rules)-1]
	if (r.Action == Allow || r.Action == Deny) && r.Pattern.tree.everything() {
		return
	}
	for i := range l.policy.Rules {
		if r := &l.policy.Rules[i]; (r.Action == Allow || r.Action == Deny) && r.Pattern.tree.everything() {
			return // what follows is reported as never reached
		}
	}
	l.find(r.Line, "the last rule is not for everything; what no rule decides is denied: end with `allow ?true` or `deny ?true`")
}

// everything reports whether the pattern selects all versions, as far as its
// form shows.
func (n *node) everything() bool {
	switch n.term {
	case "?true":
		return true
	case "?not":
		return n.args[0].nothing()
	case "?and", "?narrow", "?any-version", "?all-versions":
		return every(n.args, (*node).everything)
	case "?or":
		return some(n.args, (*node).everything)
	}
	return false
}

func (n *node) nothing() bool {
	switch n.term {
	case "?false":
		return true
	case "?not":
		return n.args[0].everything()
	case "?and", "?narrow", "?any-version", "?all-versions":
		return some(n.args, (*node).nothing)
	case "?or":
		return every(n.args, (*node).nothing)
	}
	return false
}

func (p *Pattern) never() bool { return p.tree.nothing() }

func every(list []*node, holds func(*node) bool) bool {
	for _, n := range list {
		if !holds(n) {
			return false
		}
	}
	return true
}

func some(list []*node, holds func(*node) bool) bool {
	for _, n := range list {
		if holds(n) {
			return true
		}
	}
	return false
}

// maxCompared bounds the effort of comparing two patterns. Beyond it they count
// as unlike.
const maxCompared = 10_000

// covers reports whether a selects all that b does, as far as their forms show.
func covers(a, b *node) bool {
	steps := maxCompared
	return coversWithin(a, b, &steps)
}

func coversWithin(a, b *node, steps *int) bool {
	if *steps--; *steps < 0 {
		return false
	}
	covers := func(a, b *node) bool { return coversWithin(a, b, steps) }
	switch {
	case a.everything() || b.nothing() || same(a, b):
		return true
	case b.term == "?or" && len(b.args) > 0:
		return every(b.args, func(one *node) bool { return covers(a, one) })
	case a.term == "?and":
		return every(a.args, func(one *node) bool { return covers(one, b) })
	}
	return a.term == "?or" && some(a.args, func(one *node) bool { return covers(one, b) }) ||
		(b.term == "?and" || b.term == "?narrow") && some(b.args, func(one *node) bool { return covers(a, one) })
}

func same(a, b *node) bool {
	if a.term != b.term || a.word != b.word || len(a.args) != len(b.args) {
		return false
	}
	for i := range a.args {
		if !same(a.args[i], b.args[i]) {
			return false
		}
	}
	return true
}

// uses tries the rules on packages.
func (l *linter) uses(now time.Time, sets []*Set, reachable []bool) {
	matches, reached := make([]bool, len(l.policy.Rules)), make([]bool, len(l.policy.Rules))
	for _, s := range sets {
		l.try(s, now, matches, reached)
	}
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		switch {
		case !reachable[i] || r.Pattern.tree.everything():
		case !matches[i]:
			l.find(r.Line, "`%s` matches no package that there is", r.Text)
		case !reached[i]:
			l.find(r.Line, "`%s` is never reached: rules above it decide all that it matches of the packages that there are", r.Text)
		}
	}
}

// try notes which patterns match something, and which do before a rule for good
// took it.
func (l *linter) try(s *Set, now time.Time, matches, reached []bool) {
	c := &asked{s, now}
	for i := range s.Packages {
		decided := false
		for r := range l.policy.Rules {
			rule := &l.policy.Rules[r]
			if decided && matches[r] || !rule.Pattern.m.version(c, int32(i)) {
				continue
			}
			matches[r] = true
			reached[r] = reached[r] || !decided
			decided = decided || rule.Action <= Deny
		}
	}
}
