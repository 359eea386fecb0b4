package policy

import (
	"fmt"
	"strings"
	"time"
)

// Reason says what settled a verdict.
type Reason uint8

// The reasons, those that take a version away last.
const (
	NoPolicy         Reason = iota // the suite has none: everything is allowed
	Allowed                        // an allow rule
	Needed                         // a version that is allowed `with dependencies` needs it: Through
	Essential                      // essential to every system, beside an allow `with dependencies`
	Built                          // a source from which the selected version Through is built
	Denied                         // a deny rule
	Undecided                      // no rule decided
	Held                           // a hold rule, until Until
	Superseded                     // a keep rule; Through is the oldest version that stays
	NotBuilt                       // a source whose binaries, such as Through, are all taken away
	Reserved                       // the name is reserved for a pool, and this is from elsewhere
	Shadowing                      // a pool's package that has the name of an archive's, Through
	Shadowed                       // an archive's package that a pool's, Through, replaces
	ProvidesReserved               // it provides a name that is reserved for a pool, and this is from elsewhere
	Providing                      // a pool's package that provides a name of an archive's, Through
	Imposing                       // a pool's package that every machine would install by itself
)

// Verdict is what became of one version in one input.
type Verdict struct {
	Reason Reason
	// Rule is the place of the rule that decided in Policy.Rules, -1 without one.
	Rule int32
	// Through is the place in Set.Packages of the other version that the reason
	// speaks of, -1 without one.
	Through int32
	// Until is when a hold ends; zero for other reasons.
	Until time.Time
}

// Allowed reports whether the version is in the built suite.
func (v Verdict) Allowed() bool { return v.Reason <= Built }

// Decision is what became of all versions of a set.
type Decision struct {
	Policy *Policy // nil without one
	Set    *Set
	// Verdicts has one for each of Set.Packages, in the same order.
	Verdicts []Verdict
	// Next is the earliest time at which a verdict may change by itself, zero
	// for never.
	Next time.Time
	// Unmet are relations that no version can meet, of versions that are allowed
	// `with dependencies` or needed by those; the first maxUnmet of them.
	Unmet []Unmet
}

// Rule gives the rule behind a verdict, nil without one.
func (d *Decision) Rule(v Verdict) *Rule {
	if v.Rule < 0 || d.Policy == nil {
		return nil
	}
	return &d.Policy.Rules[v.Rule]
}

// Explain says in one line what became of the i-th package and why: with the
// rule, its place, and its comment.
func (d *Decision) Explain(i int) string {
	v := d.Verdicts[i]
	text := d.reason(i)
	if r := d.Rule(v); r != nil {
		text += fmt.Sprintf(": %s:%d `%s`", d.Policy.File, r.Line, r.Text)
		if r.Comment != "" {
			text += " (" + r.Comment + ")"
		}
	}
	return text
}

func (d *Decision) reason(i int) string {
	switch v := d.Verdicts[i]; v.Reason {
	case NoPolicy:
		return "allowed, the suite has no policy"
	case Allowed:
		return "allowed"
	case Needed:
		return "allowed, needed by " + d.through(v, "another package")
	case Essential:
		return "allowed, essential to what is allowed with dependencies"
	case Built:
		return "allowed, " + d.through(v, "an allowed package") + " is built from it"
	case Denied:
		return "denied"
	case Undecided:
		return "denied, no rule of the policy " + d.Policy.Name + " decides it"
	case Held:
		return "held until " + v.Until.UTC().Format("2006-01-02 15:04 UTC")
	case Superseded:
		return "superseded, the oldest version that stays is " + d.through(v, "another")
	case NotBuilt:
		return "denied, none of the packages built from it is allowed" + d.suchAs(v)
	}
	return d.confusion(i)
}

func (d *Decision) confusion(i int) string {
	v := d.Verdicts[i]
	switch v.Reason {
	case Reserved:
		return "refused, its name is reserved for another pool"
	case Shadowing:
		return "refused, it would shadow " + d.through(v, "an archive's package") + "; name it in `shadows` of the pool to replace that"
	case Shadowed:
		return "refused, " + d.through(v, "a pool's package") + " replaces it"
	case ProvidesReserved:
		return "refused, it provides " + d.stolen(i) + ", which is reserved for another pool"
	case Providing:
		return "refused, it provides " + d.stolen(i) + " in the place of " + d.through(v, "an archive's package") + "; name that in `provides` of the pool to allow it"
	case Imposing:
		return "refused, it is essential, so that every machine would install it; name it in `shadows` of the pool to allow that"
	}
	return fmt.Sprintf("reason %d", v.Reason)
}

func (d *Decision) suchAs(v Verdict) string {
	if v.Through < 0 {
		return ""
	}
	return ", such as " + d.through(v, "")
}

// through names the other version, and where it is from; without one, as where
// it is for an architecture that was decided separately, it says what it is.
func (d *Decision) through(v Verdict, what string) string {
	if v.Through < 0 {
		return what
	}
	p := &d.Set.Packages[v.Through]
	return p.FullName() + " from " + p.Input.String()
}

// String is the name of the reason, as it stands in JSON.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

var reasonNames = strings.Fields(`no-policy allowed needed essential built
	denied undecided held superseded not-built reserved shadowing shadowed
	provides-reserved providing imposing`)
