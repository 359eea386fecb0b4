package daemon

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/policy"
	"aptmirror/resign"
)

// errNothingYet is why a suite cannot be made: one of what it is made from has
// not come yet.
var errNothingYet = errors.New("nothing has come from there yet")

// recipeOf says what a suite of a built repository is made from, as things are
// now. A ring has none: what it serves was chosen by somebody.
func (d *Daemon) recipeOf(ctx context.Context, c *config.Config, policies map[string]*policy.Policy, repository string, s config.Suite) (resign.Recipe, error) {
	r := resign.Recipe{
		Repository: repository, Suite: s.Name, Policy: policies[s.Policy],
		Components: s.Components, Architectures: s.Architectures, Pools: poolsOf(c), Languages: []string{}, WithoutContents: !s.Contents,
	}
	for _, from := range s.From {
		in, err := d.inputOf(ctx, from)
		if err != nil {
			return r, fmt.Errorf("making repository %s, suite %s from %s: %w", repository, s.Name, from, err)
		}
		r.From = append(r.From, in)
		r.Languages = append(r.Languages, languagesOf(c, from)...)
	}
	if !s.KeyringPackage {
		return r, nil
	}
	in, err := d.keyringInput(ctx, c, repository, s)
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
func (d *Daemon) inputOf(ctx context.Context, from config.Source) (resign.Input, error) {
	in := resign.Input{Name: from.String()}
	switch from.Kind {
	case config.FromPool:
		files, err := d.cache.Catalog.PoolFiles(ctx, from.Name)
		in.Pool, in.Files = from.Name, files
		return in, err
	case config.FromRepository:
		g, err := d.current(from.Name, from.Suite)
		in.Generation = &g
		return in, err
	}
	g, err := d.cache.Catalog.Latest(ctx, from.Name, from.Suite)
	if errors.Is(err, catalog.ErrNotFound) {
		err = errNothingYet
	}
	if err == nil {
		err = d.sight(ctx, g)
	}
	in.Generation = &g
	return in, err
}

// current gives the generation that clients of a suite see.
func (d *Daemon) current(repository, suite string) (catalog.Generation, error) {
	p, err := d.cache.Catalog.Publication(repository, suite)
	if errors.Is(err, catalog.ErrNotFound) {
		return catalog.Generation{}, errNothingYet
	}
	if err != nil {
		return catalog.Generation{}, err
	}
	return d.cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
}
