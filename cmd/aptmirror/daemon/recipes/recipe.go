// Package recipes says what suites are made from, as things are now: of one that
// is built, its inputs and its policy; of any other, what clients see of it. On the
// way it notes when packages were first seen, and makes the package with the keys
// that sign.
package recipes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/policy"
	"aptmirror/resign"
)

// Book says what suites are made from. It is not changed.
type Book struct {
	Cache   *cache.Cache
	Builder *resign.Builder
	InForce func() *inforce.Parts
	Now     func() time.Time
}

// ErrNothingYet is why a suite cannot be made: one of what it is made from has
// not come yet.
var ErrNothingYet = errors.New("nothing has come from there yet")

// Of says what a suite of a built repository is made from, as things are
// now. A ring has none: what it serves was chosen by somebody.
func (b *Book) Of(ctx context.Context, c *config.Config, policies map[string]*policy.Policy, repository string, s config.Suite) (resign.Recipe, error) {
	r := resign.Recipe{
		Repository: repository, Suite: s.Name, Policy: policies[s.Policy],
		Components: s.Components, Architectures: s.Architectures, Pools: poolsOf(c), Languages: []string{}, WithoutContents: !s.Contents,
	}
	for _, from := range s.From {
		in, err := b.inputOf(ctx, from)
		if err != nil {
			return r, fmt.Errorf("making repository %s, suite %s from %s: %w", repository, s.Name, from, err)
		}
		r.From = append(r.From, in)
		r.Languages = append(r.Languages, languagesOf(c, from)...)
	}
	if !s.KeyringPackage {
		return r, nil
	}
	in, err := b.keyringInput(ctx, c, repository, s)
	r.From = append(r.From, in)
	return r, err
}

// poolsOf are the rules against confusion: those of the configuration, and that
// a repository's keyring package comes from nowhere else.
func poolsOf(c *config.Config) (pools []policy.Pool) {
	for _, p := range c.Pools {
		pools = append(pools, policy.Pool{Name: p.Name, Names: p.Names, Shadows: p.Shadows, Provides: p.Provides})
	}
	for _, r := range c.Repositories {
		if r.Built() {
			pools = append(pools, policy.Pool{Name: keyringPool(r.Name), Names: []string{resign.Keyring{Repository: r.Name}.Name()}})
		}
	}
	return pools
}

// languagesOf are those of the archives behind a source.
func languagesOf(c *config.Config, from config.Source) (all []string) {
	switch from.Kind {
	case config.FromArchive:
		for _, a := range c.Archives {
			if a.Name == from.Name {
				all = append(all, a.Languages...)
			}
		}
	case config.FromRepository:
		_, s, _ := inforce.SuiteOf(c, from.Name, from.Suite)
		for _, other := range s.From {
			all = append(all, languagesOf(c, other)...)
		}
	}
	return all
}

// inputOf finds the newest state of a source.
func (b *Book) inputOf(ctx context.Context, from config.Source) (resign.Input, error) {
	in := resign.Input{Name: from.String()}
	switch from.Kind {
	case config.FromPool:
		files, err := b.Cache.Catalog.PoolFiles(ctx, from.Name)
		in.Pool, in.Files = from.Name, files
		return in, err
	case config.FromRepository:
		g, err := b.Current(from.Name, from.Suite)
		in.Generation = &g
		return in, err
	}
	g, err := b.Cache.Catalog.Latest(ctx, from.Name, from.Suite)
	if errors.Is(err, catalog.ErrNotFound) {
		err = ErrNothingYet
	}
	if err == nil {
		err = b.Sight(ctx, g)
	}
	in.Generation = &g
	return in, err
}

// Current gives the generation that clients of a suite see.
func (b *Book) Current(repository, suite string) (catalog.Generation, error) {
	p, err := b.Cache.Catalog.Publication(repository, suite)
	if errors.Is(err, catalog.ErrNotFound) {
		return catalog.Generation{}, ErrNothingYet
	}
	if err != nil {
		return catalog.Generation{}, err
	}
	return b.Cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
}

// OfPublished selects all that clients see of a suite.
func (b *Book) OfPublished(repository, suite string) (resign.Recipe, error) {
	g, err := b.Current(repository, suite)
	if err != nil {
		return resign.Recipe{}, fmt.Errorf("repository %s, suite %s: %w", repository, suite, err)
	}
	from := config.Source{Kind: config.FromArchive, Name: g.Archive, Suite: suite}
	if _, built := g.Builder(); built {
		from.Kind, from.Name = config.FromRepository, repository
	}
	return resign.Recipe{Repository: repository, Suite: suite, From: []resign.Input{{Name: from.String(), Generation: &g}}}, nil
}
