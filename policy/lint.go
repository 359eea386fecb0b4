package policy

import (
	"context"
	"fmt"
	"time"
)

// Finding is something about the rules that is not as it was meant, in all
// likelihood.
type Finding struct {
	File         string
	Line, Column int // where the rule begins; 0 for the policy as a whole
	Problem      string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Problem)
}

// Linter looks for rules that can never decide, for patterns that match nothing,
// and for the lack of a last rule for everything.
type Linter struct {
	policy   *Policy
	tried    bool
	matches  []bool // of each rule: its pattern matches something
	reached  []bool // and does so before an allow or deny took that
	findings []Finding
}

// NewLinter begins to look at a policy.
func NewLinter(p *Policy) *Linter {
	return &Linter{policy: p, matches: make([]bool, len(p.Rules)), reached: make([]bool, len(p.Rules))}
}

// Lint is what a Linter finds with these sets.
func (p *Policy) Lint(ctx context.Context, now time.Time, sets ...*Set) ([]Finding, error) {
	l := NewLinter(p)
	for _, s := range sets {
		if err := l.Try(ctx, s, now); err != nil {
			return nil, err
		}
	}
	return l.Findings(), nil
}

// Findings says what was found, with the packages of all sets that were tried;
// without any only the text is looked at.
func (l *Linter) Findings() []Finding {
	l.findings = nil
	if len(l.policy.Rules) == 0 {
		l.find(nil, "there are no rules, so that every package is denied")
		return l.findings
	}
	reachable := l.texts()
	if l.tried {
		l.uses(reachable)
	}
	l.last()
	return l.findings
}

func (l *Linter) find(r *Rule, format string, args ...any) {
	f := Finding{File: l.policy.File, Problem: fmt.Sprintf(format, args...)}
	if r != nil {
		f.Line, f.Column = r.Line, r.Column
	}
	l.findings = append(l.findings, f)
}

// texts compares each rule with those above it, and reports which may decide
// something.
func (l *Linter) texts() []bool {
	reachable := make([]bool, len(l.policy.Rules))
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		above := l.covering(i)
		if reachable[i] = above == nil && !r.Pattern.never(); reachable[i] {
			continue
		}
		if above != nil {
			l.find(r, "`%s` is never reached: `%s` in line %d decides everything that it matches", r.Text, above.Text, above.Line)
		} else {
			l.find(r, "`%s` matches nothing, whatever there is", r.Text)
		}
	}
	return reachable
}

// covering is the first rule above the i-th that decides all that it matches.
func (l *Linter) covering(i int) *Rule {
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
func (l *Linter) last() {
	r := &l.policy.Rules[len(l.policy.Rules)-1]
	if (r.Action == Allow || r.Action == Deny) && r.Pattern.tree.everything() {
		return
	}
	for i := range l.policy.Rules {
		if r := &l.policy.Rules[i]; (r.Action == Allow || r.Action == Deny) && r.Pattern.tree.everything() {
			return // what follows is reported as never reached
		}
	}
	l.find(r, "the last rule is not for everything; what no rule decides is denied: end with `allow ?true` or `deny ?true`")
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

// uses says which rules have no effect on the packages that were tried.
func (l *Linter) uses(reachable []bool) {
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		switch {
		case !reachable[i] || r.Pattern.tree.everything():
		case !l.matches[i]:
			l.find(r, "`%s` matches no package that there is", r.Text)
		case !l.reached[i]:
			l.find(r, "`%s` is never reached: rules above it decide all that it matches of the packages that there are", r.Text)
		}
	}
}

// Try notes which patterns match something, and which do before a rule for good
// took it. Like Policy.Decide, it fails where ctx ends or it would take too long.
func (l *Linter) Try(ctx context.Context, s *Set, now time.Time) error {
	l.tried = true
	w := newWork(ctx, maxWork)
	c := newAsked(s, now, w)
	for i := range s.Packages {
		if !w.spend(len(l.policy.Rules)) {
			return fmt.Errorf("looking which rules have an effect: %w", w.err)
		}
		decided := false
		for r := range l.policy.Rules {
			rule := &l.policy.Rules[r]
			if decided && l.matches[r] || !rule.Pattern.m.version(c, int32(i)) {
				continue
			}
			l.matches[r] = true
			l.reached[r] = l.reached[r] || !decided
			decided = decided || rule.Action <= Deny
		}
	}
	return nil
}
