package resign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/debian"
)

// input is an Input as it was found in the store.
type input struct {
	Input
	facts policy.Input // without Component; Archive is "" where it depends on the package
	table *catalog.Table
	named []indexFile // Packages and Sources
	other []indexFile // translations and contents
}

// load looks at the inputs of a recipe; it reads no index.
func (b *Builder) load(ctx context.Context, r *Recipe) ([]*input, error) {
	var inputs []*input
	for _, in := range r.From {
		loaded := &input{Input: in, facts: policy.Input{Name: in.Name, Archive: in.origin(), Pool: in.Generation == nil}}
		if in.Generation != nil {
			if err := b.loadGeneration(ctx, loaded, r); err != nil {
				return nil, fmt.Errorf("reading %s: %w", in.Name, err)
			}
		}
		inputs = append(inputs, loaded)
	}
	return inputs, nil
}

func (b *Builder) loadGeneration(ctx context.Context, in *input, r *Recipe) (err error) {
	g := in.Generation
	if in.table, err = b.Catalog.Table(ctx, *g); err != nil {
		return err
	}
	in.named = namedIndexes(g, in.table)
	in.other = pick(r.wanted(otherIndexes(g, in.table)), b.has)
	in.facts.Suite, in.facts.Origin, in.facts.Label = g.Suite, g.Origin, g.Label
	if len(g.Signers) > 0 {
		in.facts.Signer = g.Signers[0].Fingerprint
	}
	if g.Release == (blob.Digest{}) {
		return nil
	}
	text, err := b.Blobs.ReadAll(ctx, g.Release, maxRelease)
	if err != nil {
		return err
	}
	release, err := debian.ParseRelease(text)
	if err != nil {
		return err
	}
	in.facts.Suite, in.facts.Codename = release.Suite, release.Codename
	return nil
}

// maxRelease bounds a Release in bytes; none larger is ever taken in.
const maxRelease = 10 << 20

func (b *Builder) has(d blob.Digest) bool {
	_, err := b.Blobs.Stat(d)
	return err == nil
}

// wanted leaves out what the recipe does not ask for.
func (r *Recipe) wanted(all []indexFile) []indexFile {
	return slices.DeleteFunc(all, func(f indexFile) bool {
		if f.content == contents {
			return r.WithoutContents
		}
		return r.Languages != nil && !slices.Contains(r.Languages, f.variant)
	})
}

// digestOf gives the SHA-256 of a file of which the index has another digest
// alone; the generation has it.
func (in *input) digestOf(file string) (blob.Digest, error) {
	clean, err := debian.CleanPath(file)
	if err != nil {
		return blob.Digest{}, err
	}
	if in.table != nil {
		if e, ok := in.table.Find(clean); ok {
			return e.Digest, nil
		}
	}
	return blob.Digest{}, fmt.Errorf("%s has no SHA-256, in its index or in the generation", clean)
}

// poolIdentity is what decides the part of a pool, with the contents of its
// packages or without.
func (in *input) poolIdentity(contents bool) []string {
	var lines []string
	if contents {
		lines = append(lines, "contents")
	}
	for _, f := range in.Files {
		lines = append(lines, strings.Join([]string{f.Path, string(f.Kind), f.Component, f.Digest.String(), f.Stanza.String(), f.Package, f.Version, f.Architecture}, " "))
	}
	return lines
}

// offers gives components and architectures that the inputs have, without "all";
// "source" is among them where there are sources.
func offers(inputs []*input) (components, architectures []string) {
	for _, in := range inputs {
		for _, f := range in.named {
			components = append(components, componentOf(f))
			switch {
			case f.content == sources:
				architectures = append(architectures, "source")
			case f.variant != "" && f.variant != "all":
				architectures = append(architectures, f.variant)
			}
		}
		for _, f := range in.Files {
			components = append(components, f.Component)
			switch {
			case f.Kind == catalog.PoolSource:
				architectures = append(architectures, "source")
			case f.Architecture != "" && f.Architecture != "all":
				architectures = append(architectures, f.Architecture)
			}
		}
	}
	slices.Sort(components)
	slices.Sort(architectures)
	return slices.Compact(components), slices.Compact(architectures)
}

// flatComponent is where packages of flat archives go, which have no components.
const flatComponent = "main"

func componentOf(f indexFile) string {
	if f.component == "" {
		return flatComponent
	}
	return f.component
}

var errNoArchitecture = errors.New("its inputs do not say for which architectures it is: set architectures")

// scope settles components and architectures of the suite. A pool of packages
// for all architectures says neither.
func (r *Recipe) scope(inputs []*input) (components, architectures []string, err error) {
	components, architectures = offers(inputs)
	if len(r.Components) > 0 {
		components = slices.Clone(r.Components)
	}
	if len(r.Architectures) > 0 {
		architectures = slices.DeleteFunc(slices.Clone(r.Architectures), func(a string) bool { return a == "all" })
	}
	if !slices.ContainsFunc(architectures, func(a string) bool { return a != "source" }) && len(inputs) > 0 {
		return nil, nil, errNoArchitecture
	}
	if len(components) == 0 {
		components = []string{flatComponent}
	}
	slices.Sort(components)
	slices.Sort(architectures)
	return components, architectures, nil
}
