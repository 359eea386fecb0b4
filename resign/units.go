package resign

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/policy"
)

// Select tells what the inputs of a recipe offer, and what the policy decides of
// it: for one architecture after the other, and at last for source packages. This
// is what a build does, so that whoever explains a build or tries another policy
// cannot come to other results. The texts of an architecture are in memory until
// visit returns and lets go of them.
func (b *Builder) Select(ctx context.Context, r Recipe, visit func(*Selection) error) error {
	inputs, err := b.load(ctx, &r)
	if err != nil {
		return fmt.Errorf("selecting for repository %s, suite %s: %w", r.Repository, r.Suite, err)
	}
	before, err := b.latest(ctx, r)
	if err != nil {
		return err
	}
	defer collectMore()()
	return b.selectAll(ctx, &r, inputs, b.newCopies(before.fields.Copies), visit)
}

func (b *Builder) selectAll(ctx context.Context, r *Recipe, inputs []*input, c *copies, visit func(*Selection) error) (err error) {
	if r.Components, r.Architectures, err = r.scope(inputs); err != nil {
		return fmt.Errorf("selecting for repository %s, suite %s: %w", r.Repository, r.Suite, err)
	}
	seen := map[string]*catalog.Sightings{}
	u := newUse()
	for _, arch := range sourceLast(r.Architectures) {
		s, err := b.selectOne(ctx, r, inputs, c, arch, seen)
		if err == nil {
			u.settle(s)
			err = visit(s)
		}
		if err != nil {
			return fmt.Errorf("selecting for repository %s, suite %s, architecture %s: %w", r.Repository, r.Suite, arch, err)
		}
	}
	return nil
}

func sourceLast(architectures []string) []string {
	order := slices.DeleteFunc(slices.Clone(architectures), func(a string) bool { return a == "source" })
	if len(order) < len(architectures) {
		order = append(order, "source")
	}
	return order
}

func (b *Builder) selectOne(ctx context.Context, r *Recipe, inputs []*input, c *copies, arch string, seen map[string]*catalog.Sightings) (*Selection, error) {
	s := &Selection{Architecture: arch, Set: &policy.Set{Pools: r.Pools}}
	if arch != "source" {
		s.Set.Architectures = []string{arch}
	}
	c.spare.lend(s)
	rd := &reader{b: b, recipe: r, copies: c, Selection: s, seen: seen}
	for _, in := range inputs {
		if err := rd.readInput(ctx, in); err != nil {
			return nil, err
		}
	}
	var err error
	if s.Decision, err = r.Policy.Decide(ctx, s.Set, b.now()); err != nil {
		return nil, err
	}
	s.exempt()
	return s, nil
}

// exempt takes back what rules decided of inputs that they are not for. Guards
// against confusion count for those, too.
func (s *Selection) exempt() {
	for i, at := range s.places {
		if v := &s.Decision.Verdicts[i]; s.origins[at.origin].input.Exempt && v.Reason < policy.Reserved {
			*v = policy.Verdict{Reason: policy.NoPolicy, Rule: -1, Through: -1}
		}
	}
}

// use is which source packages are needed by what was selected: policies decide
// one architecture at a time, while a source is needed if any of them needs it.
type use struct {
	seed   maphash.Seed
	needed map[uint64]bool // false: there are packages built from it, but none is selected
}

func newUse() *use { return &use{maphash.MakeSeed(), map[uint64]bool{}} }

func (u *use) key(name, version string) uint64 {
	var h maphash.Hash
	h.SetSeed(u.seed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(version)
	return h.Sum64()
}

// settle notes what packages are built from, or lets source packages go the way
// of what was noted. Those that were taken away because of their name stay away.
func (u *use) settle(s *Selection) {
	for i := range s.Set.Packages {
		p, v := &s.Set.Packages[i], &s.Decision.Verdicts[i]
		if p.Kind != policy.Source {
			k := u.key(p.SourceName, p.SourceVersion)
			u.needed[k] = u.needed[k] || v.Allowed()
			continue
		}
		needed, known := u.needed[u.key(p.Name, p.Version)]
		switch {
		case !known || v.Reason >= policy.Reserved:
		case needed:
			*v = policy.Verdict{Reason: policy.Built, Rule: -1, Through: -1}
		default:
			*v = policy.Verdict{Reason: policy.NotBuilt, Rule: -1, Through: -1}
		}
	}
}
