package policy

import (
	"context"
	"fmt"
	"math"
)

// maxWork is how many steps a decision may take before it fails: versions that
// are looked at, and relations with what could meet them. Debian's main takes
// 1 million when all of it is allowed with dependencies, and so many take a
// processor some seconds. Packages of strangers may name each other by the ten
// thousand, and without a bound a build of them would take days.
const maxWork = 50_000_000

// maxWorkOfOne is how many steps may go to the relations of one field of a
// package; those that are left count as unmet then, and the others of the suite
// go on. The most in Debian's main is 1,500.
const maxWorkOfOne = 50_000

// contextSteps is how many steps are taken before the context is looked at again:
// a few milliseconds.
const contextSteps = 1 << 16

// work counts the steps of a decision until they are too many or its context
// ends. What is asked then goes on to its end quickly, and is not used.
type work struct {
	ctx  context.Context
	most int // steps in all
	left int
	look int // the context is looked at when left falls below
	err  error
	at   int32 // the version that is decided, or whose relations are met
}

func newWork(ctx context.Context, most int) *work {
	return &work{ctx: ctx, left: most, look: most, most: most, at: -1}
}

// unbounded is for patterns alone.
func unbounded() *work { return &work{left: math.MaxInt, at: -1} }

// spend counts steps, and reports whether the work may go on.
func (w *work) spend(steps int) bool {
	if w.left -= steps; w.left >= w.look {
		return true
	}
	return w.mayGoOn()
}

func (w *work) mayGoOn() bool {
	if w.err == nil {
		w.err = context.Cause(w.ctx)
	}
	if w.err == nil && w.left < 0 {
		w.err = errTooMuch{w.most}
	}
	if w.err != nil {
		w.left, w.look = 0, math.MaxInt
		return false
	}
	w.look = max(w.left-contextSteps, 0)
	return true
}

// errTooMuch is the number of steps that were too many.
type errTooMuch struct{ most int }

func (e errTooMuch) Error() string { return fmt.Sprintf("it takes more than %d steps", e.most) }

// ended says where the work ended; rule is -1 outside of rules.
func (d *decider) ended(rule int32) error {
	if _, tooMuch := d.work.err.(errTooMuch); !tooMuch {
		return d.work.err
	}
	where, mend := "", ""
	if rule >= 0 {
		r := &d.Policy.Rules[rule]
		where = fmt.Sprintf(" at %s:%d `%s`", d.Policy.File, r.Line, r.Text)
	}
	if d.work.at >= 0 {
		p := &d.Set.Packages[d.work.at]
		where += fmt.Sprintf(", at %s from %s", p.FullName(), p.Input)
		mend = fmt.Sprintf("; look at its relations and at what they name, and deny it in a rule above, as with `deny ?exact-name(%s)`, or take it away", p.Name)
	}
	return fmt.Errorf("deciding about packages: %w%s%s", d.work.err, where, mend)
}
