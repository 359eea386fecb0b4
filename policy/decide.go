package policy

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Decide settles what becomes of each version of the set at a time: first the
// guards against confusion, then the rules in their order, then what is needed
// by versions that are allowed with dependencies, and last the sources.
//
// keep counts the versions of one name and one Architecture field that its rule
// matches and that no earlier rule decided; copies of a version in several
// inputs count once, and stay or go together.
//
// It fails where ctx ends, and where it would take too long because of what
// packages say about each other.
func (p *Policy) Decide(ctx context.Context, s *Set, now time.Time) (*Decision, error) {
	return p.decideWithin(newWork(ctx, maxWork), s, now)
}

func (p *Policy) decideWithin(w *work, s *Set, now time.Time) (*Decision, error) {
	d := &decider{Decision: Decision{Policy: p, Set: s, Verdicts: make([]Verdict, len(s.Packages))}, now: now, work: w}
	for i := range d.Verdicts {
		d.Verdicts[i] = Verdict{Reason: Undecided, Rule: -1, Through: -1}
	}
	if err := d.settle(d.guard()); err != nil {
		return nil, err
	}
	d.work.at = -1
	if d.sources(); d.work.err != nil {
		return nil, d.ended(-1)
	}
	return &d.Decision, nil
}

// decider makes one decision.
type decider struct {
	Decision
	now  time.Time
	work *work
}

// settle lets the rules decide what is open.
func (d *decider) settle(open []int32) error {
	if d.Policy == nil {
		for _, i := range open {
			d.Verdicts[i].Reason = NoPolicy
		}
		return nil
	}
	for r := range d.Policy.Rules {
		if open = d.apply(int32(r), open); d.work.err != nil {
			return d.ended(int32(r))
		}
	}
	return d.closures()
}

// later notes that verdicts may change at t.
func (d *decider) later(t time.Time) {
	if t.After(d.now) && (d.Next.IsZero() || t.Before(d.Next)) {
		d.Next = t
	}
}

// apply lets a rule decide among the versions that are open, and returns those
// that it leaves open.
func (d *decider) apply(rule int32, open []int32) []int32 {
	r := &d.Policy.Rules[rule]
	d.noteAges(r.Pattern)
	if r.Action == Keep {
		return d.keep(rule, open)
	}
	left := open[:0]
	d.matching(r, open, func(i int32, matches bool) {
		if !matches || !d.decides(r, rule, i) {
			left = append(left, i)
		}
	})
	return left
}

// matching tells of versions whether the pattern of a rule selects them, until
// the work has to end.
func (d *decider) matching(r *Rule, versions []int32, tell func(i int32, matches bool)) {
	c := newAsked(d.Set, d.now, d.work)
	for some := range slices.Chunk(versions, versionsAtOnce) {
		if !d.work.spend(len(some)) {
			return
		}
		for _, i := range some {
			d.work.at = i
			tell(i, r.Pattern.m.version(c, i))
		}
	}
}

// versionsAtOnce are counted together: counting each would take longer than most
// patterns.
const versionsAtOnce = 4096

// decides gives the verdict of a rule that matches, and reports whether there is
// one.
func (d *decider) decides(r *Rule, rule, i int32) bool {
	v := Verdict{Rule: rule, Through: -1}
	switch r.Action {
	case Allow:
		v.Reason = Allowed
	case Deny:
		v.Reason = Denied
	case Hold:
		seen := d.Set.Packages[i].FirstSeen
		if seen.IsZero() || !d.now.Before(seen.Add(r.For)) {
			return false
		}
		v.Reason, v.Until = Held, seen.Add(r.For)
		d.later(v.Until)
	}
	d.Verdicts[i] = v
	return true
}

// noteAges looks for the next time at which a pattern with ?x-age changes its
// answer for any version: it may be asked about one through a relation.
func (d *decider) noteAges(p *Pattern) {
	for _, age := range p.ages {
		for i := range d.Set.Packages {
			if seen := d.Set.Packages[i].FirstSeen; !seen.IsZero() {
				d.later(seen.Add(age))
			}
		}
	}
}

// keep takes away what is older than the newest versions.
func (d *decider) keep(rule int32, open []int32) []int32 {
	r := &d.Policy.Rules[rule]
	selected := map[groupKey][]int32{}
	d.matching(r, open, func(i int32, matches bool) {
		if matches {
			p := &d.Set.Packages[i]
			key := groupKey{p.Kind, p.Name, p.Architecture}
			selected[key] = append(selected[key], i)
		}
	})
	for _, versions := range selected {
		d.supersede(rule, r.Keep, versions)
	}
	return slices.DeleteFunc(open, func(i int32) bool { return d.Verdicts[i].Reason == Superseded })
}

func (d *decider) supersede(rule int32, keep int, versions []int32) {
	if len(versions) <= keep {
		return
	}
	slices.SortFunc(versions, func(i, j int32) int { return cmp.Or(d.Set.newer(i, j), cmp.Compare(i, j)) })
	kept, last := 0, int32(-1)
	for _, i := range versions {
		if last >= 0 && d.Set.newer(last, i) == 0 {
			continue
		}
		if kept == keep {
			d.Verdicts[i] = Verdict{Reason: Superseded, Rule: rule, Through: last}
			continue
		}
		kept, last = kept+1, i
	}
}

// sources settles sources anew: one from which an allowed version is built is
// there, one whose binaries are all taken away is not, and only the others are
// left to the rules.
func (d *decider) sources() {
	type source struct{ name, version string }
	wanted := map[source][]int32{}
	for i := range d.Set.Packages {
		if p := &d.Set.Packages[i]; p.Kind == Source && !d.guarded(int32(i)) {
			wanted[source{p.Name, p.Version}] = append(wanted[source{p.Name, p.Version}], int32(i))
		}
	}
	if len(wanted) == 0 {
		return
	}
	for i := range d.Set.Packages {
		p := &d.Set.Packages[i]
		if p.Kind != Source {
			copies := wanted[source{p.SourceName, p.SourceVersion}]
			if !d.work.spend(len(copies)) {
				return
			}
			for _, src := range copies {
				d.follow(src, int32(i))
			}
		}
	}
}

// follow lets a source go the way of one of its binaries, unless another one has
// shown already that it is needed.
func (d *decider) follow(src, binary int32) {
	v := &d.Verdicts[src]
	switch b := d.Verdicts[binary]; {
	case v.Reason == Built:
	case b.Allowed():
		*v = Verdict{Reason: Built, Rule: b.Rule, Through: binary}
	case v.Reason != NotBuilt:
		*v = Verdict{Reason: NotBuilt, Rule: b.Rule, Through: binary, Until: b.Until}
	}
}
