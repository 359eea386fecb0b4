package inforce

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/policy"
	"aptmirror/resign"
)

// loadMakings reads the keys and rules that a configuration names. What is
// wrong with some of them is kept.
func loadMakings(c *config.Config) *Parts {
	m := &Parts{Config: c, stamp: Stamps(makingFiles(c)), Policies: map[string]*policy.Policy{}, Keys: map[string][]*resign.Key{}, Faults: map[string]error{}}
	for _, p := range c.Policies {
		var err error
		if m.Policies[p.Name], err = ReadPolicy(c, p); err != nil {
			m.Faults[p.Name] = fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	for _, r := range c.Repositories {
		if !r.Built() {
			continue
		}
		var err error
		if m.Keys[r.Name], err = site.SigningKeys(c, r.SignWith); err != nil {
			m.Faults["repository "+r.Name] = fmt.Errorf("repository %s: %w", r.Name, err)
		}
	}
	return m
}

// Suite gives one suite of a built repository.
func (m *Parts) Suite(repository, suite string) (r config.Repository, s config.Suite, ok bool) {
	return SuiteOf(m.Config, repository, suite)
}

// SuiteOf is Parts.Suite of a configuration that is not in force.
func SuiteOf(c *config.Config, repository, suite string) (r config.Repository, s config.Suite, ok bool) {
	for _, r := range c.Repositories {
		for _, s := range r.Suites {
			if r.Name == repository && s.Name == suite {
				return r, s, true
			}
		}
	}
	return r, s, false
}

// BuiltSuite names a suite that is built here.
type BuiltSuite struct{ Repository, Suite string }

// Order lists all built suites that are not rings, those first that others are
// made from. A configuration has no circles.
func (m *Parts) Order() (list []BuiltSuite) {
	var visit func(r config.Repository, s config.Suite)
	visit = func(r config.Repository, s config.Suite) {
		if b := (BuiltSuite{r.Name, s.Name}); s.Ring() || slices.Contains(list, b) {
			return
		}
		for _, from := range s.From {
			if r, s, ok := m.Suite(from.Name, from.Suite); ok && from.Kind == config.FromRepository {
				visit(r, s)
			}
		}
		list = append(list, BuiltSuite{r.Name, s.Name})
	}
	for _, r := range m.Config.Repositories {
		for _, s := range r.Suites {
			visit(r, s)
		}
	}
	return list
}

// Fault is what keeps it from being taken up while another is in force.
func (m *Parts) Fault() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(m.Faults)) {
		all = append(all, m.Faults[name])
	}
	return errors.Join(all...)
}

// Built names all built repositories.
func (m *Parts) Built() (names []string) {
	for _, r := range m.Config.Repositories {
		if r.Built() {
			names = append(names, r.Name)
		}
	}
	return names
}
