package resign

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// Selection is what the inputs offer for one architecture, or of source
// packages, and what the policy decided of it. The texts of all packages stay in
// memory as long as it is used.
type Selection struct {
	Architecture string // "source" for source packages
	Set          *policy.Set
	Decision     *policy.Decision
	// LeftOut are packages that nothing was decided about, as often as indexes
	// name them.
	LeftOut []LeftOut

	places  []placed // of Set.Packages
	origins []origin
}

// placed says where a package comes from, beside its facts.
type placed struct {
	origin uint32 // in Selection.origins
	// path is the value of Filename or Directory; empty, and at the end of the
	// stanza, where a source package has none.
	path span
	size int64 // bytes; 0 for source packages
}

// origin is what all packages of one index have in common.
type origin struct {
	input     *input
	component string
	facts     *policy.Input
	// name is the archive or pool that their paths are placed under; "" where
	// they are placed already.
	name string
}

// reader collects what the inputs offer.
type reader struct {
	b      *Builder
	recipe *Recipe
	copies *copies
	*Selection
	seen map[string]*catalog.Sightings // by archive
}

// has says whether the suite takes packages of an architecture and component.
func (r *reader) has(architecture, component string) bool {
	return (architecture == r.Architecture || architecture == "all") && slices.Contains(r.recipe.Components, component)
}

// readInput adds what one input offers.
func (r *reader) readInput(ctx context.Context, in *input) error {
	separate := in.separateAll()
	for _, f := range in.named {
		if !r.wants(f) {
			continue
		}
		text, err := r.copies.text(ctx, r.b, f)
		if err != nil {
			return err
		}
		if err := r.readIndex(ctx, in, f, text, separate); err != nil {
			return fmt.Errorf("reading %s: %w", f.path, err)
		}
	}
	return r.readPool(ctx, in)
}

func (r *reader) wants(f indexFile) bool {
	if f.content == sources {
		return r.has("source", componentOf(f))
	}
	return r.Architecture != "source" && (f.variant == "" || r.has(f.variant, componentOf(f)))
}

func kindOf(c content) policy.Kind {
	return [...]policy.Kind{debs: policy.Deb, udebs: policy.Udeb, sources: policy.Source}[c]
}

func (r *reader) readIndex(ctx context.Context, in *input, f indexFile, text []byte, separate map[string]bool) error {
	o := r.newOrigin(in, componentOf(f))
	sc := deb822.NewBytesScanner(text, deb822.Limits{})
	r.grow(len(text))
	for sc.Scan() {
		if err := r.add(ctx, sc.Stanza(), o, kindOf(f.content), separate); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return sc.Err()
}

// grow makes room for the packages of a text, of which a stanza has at least
// some 600 bytes.
func (r *reader) grow(size int) {
	r.Set.Packages = slices.Grow(r.Set.Packages, size/750)
	r.places = slices.Grow(r.places, size/750)
}

// newOrigin begins a group of packages with common facts.
func (r *reader) newOrigin(in *input, component string) uint32 {
	facts := in.facts
	facts.Component = component
	r.origins = append(r.origins, origin{input: in, component: component, facts: &facts, name: in.origin()})
	return uint32(len(r.origins) - 1)
}

// add takes up one package, unless it is for another architecture.
func (r *reader) add(ctx context.Context, s *deb822.Stanza, o uint32, kind policy.Kind, separate map[string]bool) error {
	var p policy.Package
	if err := p.Read(s, kind); err != nil {
		return err
	}
	if p.Architecture != r.Architecture && p.Architecture != "all" {
		return nil
	}
	if file, why, err := r.origins[o].input.leftOut(s, &p); err != nil {
		return err
	} else if why != "" {
		r.leaveOut(&p, o, file, why)
		return nil
	}
	if separate != nil && p.Architecture == "all" {
		if separate[p.FullName()] {
			return nil
		}
		separate[p.FullName()] = true
	}
	at, err := placeOf(s, kind)
	if err != nil {
		return err
	}
	if at.origin, err = r.settleOrigin(o, &p, at); err != nil {
		return err
	}
	p.Input = r.origins[at.origin].facts
	if err := r.complete(ctx, &p, at); err != nil {
		return err
	}
	r.Set.Packages, r.places = append(r.Set.Packages, p), append(r.places, at)
	return nil
}

// placeOf finds the path and the size of a package.
func placeOf(s *deb822.Stanza, kind policy.Kind) (at placed, err error) {
	field := "Filename"
	if kind == policy.Source {
		field = "Directory"
	}
	f, ok := s.Lookup(field)
	switch {
	case ok:
		at.path = valueSpan(s, f)
	case kind == policy.Source:
		at.path = span{uint32(len(s.Raw)), uint32(len(s.Raw))}
		return at, nil
	default:
		return at, fmt.Errorf("line %d: a package without %s", s.Line, field)
	}
	if kind == policy.Source {
		return at, nil
	}
	size, _ := s.Get("Size")
	at.size, err = strconv.ParseInt(text(size), 10, 64)
	if err != nil || at.size <= 0 {
		return at, fmt.Errorf("line %d: %q is no size of a package", s.Line, size)
	}
	return at, nil
}

// settleOrigin gives packages of another built repository, which come from
// several archives and pools, the origin that their path names.
func (r *reader) settleOrigin(o uint32, p *policy.Package, at placed) (uint32, error) {
	in := r.origins[o].input
	if in.origin() != "" {
		return o, nil
	}
	file, err := debian.CleanPath(strings.TrimSpace(p.Stanza[at.path.from:at.path.to]))
	if err != nil {
		return o, fmt.Errorf("%s: %w", p.FullName(), err)
	}
	name, _, ok := catalog.CutOrigin(file)
	if !ok {
		return o, fmt.Errorf("%s: %s is not where a site repository has a package", p.FullName(), file)
	}
	for i := len(r.origins) - 1; i >= 0; i-- {
		if other := r.origins[i]; other.input == in && other.component == r.origins[o].component && other.facts.Archive == name {
			return uint32(i), nil
		}
	}
	facts := in.facts
	facts.Component, facts.Archive = r.origins[o].component, strings.Clone(name)
	facts.Pool = slices.ContainsFunc(r.recipe.Pools, func(p policy.Pool) bool { return p.Name == name })
	r.origins = append(r.origins, origin{input: in, component: facts.Component, facts: &facts})
	return uint32(len(r.origins) - 1), nil
}

// complete adds what the stanza does not say.
func (r *reader) complete(ctx context.Context, p *policy.Package, at placed) error {
	if !p.Input.Pool {
		s, err := r.sightings(ctx, p.Input.Archive)
		if err != nil {
			return err
		}
		p.FirstSeen, _ = s.First(catalog.SightKey(p.Name, p.Version, p.Architecture, p.Digest))
	}
	if p.Digest != (blob.Digest{}) || p.Kind == policy.Source {
		return nil
	}
	d, err := r.origins[at.origin].input.digestOf(strings.TrimSpace(p.Stanza[at.path.from:at.path.to]))
	if err != nil {
		return fmt.Errorf("%s: %w", p.FullName(), err)
	}
	p.Digest = d
	return nil
}

func (r *reader) sightings(ctx context.Context, archive string) (*catalog.Sightings, error) {
	if s := r.seen[archive]; s != nil {
		return s, nil
	}
	s, err := r.b.Catalog.Sightings(ctx, archive)
	if err == nil {
		r.seen[archive] = s
	}
	return s, err
}

// separateAll is for inputs that have indexes of packages for all architectures:
// what stands there may stand in others too, and counts once. It is nil for others.
func (in *input) separateAll() map[string]bool {
	if slices.ContainsFunc(in.named, func(f indexFile) bool { return f.variant == "all" }) {
		return map[string]bool{}
	}
	return nil
}

// File gives the path of the i-th package, or the folder of a source package, in the
// site repository.
func (s *Selection) File(i int) (string, error) {
	p, at := &s.Set.Packages[i], s.places[i]
	value := strings.TrimSpace(p.Stanza[at.path.from:at.path.to])
	if p.Kind == policy.Source && (value == "" || value == ".") {
		return place(s.origins[at.origin].name, "."), nil
	}
	clean, err := debian.CleanPath(value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.FullName(), err)
	}
	return place(s.origins[at.origin].name, clean), nil
}
