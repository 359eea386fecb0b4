package explain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/policy"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// differ compares one architecture after the other with what clients see.
type differ struct {
	now    func() time.Time
	out    *admin.PolicyDiff
	seen   map[string]*policy.Set // by architecture, without those that were compared
	before *policy.Policy         // in force, nil where that is unknown
	told   map[string]bool        // packages for all architectures, which are in each
}

// seen gives what clients see of a suite, nil where nothing is published.
func (e *Explainer) seen(ctx context.Context, s inforce.BuiltSuite) (map[string]*policy.Set, error) {
	recipe, err := e.Recipes.OfPublished(s.Repository, s.Suite)
	if errors.Is(err, recipes.ErrNothingYet) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]*policy.Set{}
	err = e.Builder.Select(ctx, recipe, func(s *resign.Selection) error {
		all[s.Architecture] = named(s.Set)
		return ctx.Err()
	})
	return all, err
}

// named copies what names the packages: the texts of a selection are used again.
func named(s *policy.Set) *policy.Set {
	out := &policy.Set{Packages: make([]policy.Package, 0, len(s.Packages))}
	for i := range s.Packages {
		p := &s.Packages[i]
		out.Packages = append(out.Packages, policy.Package{
			Name: strings.Clone(p.Name), Version: strings.Clone(p.Version), Architecture: strings.Clone(p.Architecture), Kind: p.Kind, Input: p.Input,
		})
	}
	return out
}

func (w *differ) compare(ctx context.Context, s *resign.Selection) error {
	after := s.Decision
	for _, v := range after.Verdicts {
		if v.Allowed() {
			w.out.Packages++
		}
	}
	was := w.seen[s.Architecture]
	if was == nil {
		was = &policy.Set{}
	}
	delete(w.seen, s.Architecture)
	before, err := (*policy.Policy)(nil).Decide(ctx, was, w.now())
	if err != nil {
		return err
	}
	changes := policy.Diff(before, after)
	var inForce *policy.Decision
	if w.before != nil && slices.ContainsFunc(changes, func(c policy.Change) bool { return c.Effect == policy.Added }) {
		if inForce, err = w.before.Decide(ctx, s.Set, w.now()); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if c.Effect == policy.Added && inForce != nil && inForce.Verdicts[c.After].Reason == policy.Held {
			c.Effect = policy.Unheld
		}
		w.tell(c, after)
	}
	return ctx.Err()
}

// gone tells of architectures that there would be no more.
func (w *differ) gone(ctx context.Context) error {
	for _, was := range w.seen {
		before, err := (*policy.Policy)(nil).Decide(ctx, was, w.now())
		if err != nil {
			return err
		}
		nothing := &policy.Decision{Set: &policy.Set{}}
		for _, c := range policy.Diff(before, nothing) {
			w.tell(c, nothing)
		}
	}
	return nil
}

func (w *differ) tell(c policy.Change, after *policy.Decision) {
	if c.Package.Architecture == "all" {
		if w.told[c.Package.FullName()] {
			return
		}
		w.told[strings.Clone(c.Package.FullName())] = true
	}
	change := admin.PolicyChange{
		Effect: c.Effect.String(), Package: strings.Clone(c.Package.Name), Version: strings.Clone(c.Package.Version),
		Architecture: strings.Clone(c.Package.Architecture), Kind: c.Package.Kind.String(), Why: "nothing offers it any more",
	}
	if c.After >= 0 {
		change.From, change.Why = c.Package.Input.String(), after.Explain(c.After)
		change.Rule = ruleOf(after, after.Verdicts[c.After])
	}
	switch w.out.Changes = append(w.out.Changes, change); c.Effect {
	case policy.Added:
		w.out.Added++
	case policy.Unheld:
		w.out.Added++
		w.out.Unheld++
	case policy.HeldBack:
		w.out.Removed++
		w.out.Held++
	default:
		w.out.Removed++
	}
}
