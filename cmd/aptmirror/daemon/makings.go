package daemon

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
func loadMakings(c *config.Config) *inForce {
	m := &inForce{config: c, stamp: stamps(makingFiles(c)), policies: map[string]*policy.Policy{}, keys: map[string][]*resign.Key{}, faults: map[string]error{}}
	for _, p := range c.Policies {
		var err error
		if m.policies[p.Name], err = readPolicy(c, p); err != nil {
			m.faults[p.Name] = fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	for _, r := range c.Repositories {
		if !r.Built() {
			continue
		}
		var err error
		if m.keys[r.Name], err = site.SigningKeys(c, r.SignWith); err != nil {
			m.faults["repository "+r.Name] = fmt.Errorf("repository %s: %w", r.Name, err)
		}
	}
	return m
}

// makingFiles are those that say what is built and how it is signed.
func makingFiles(c *config.Config) (files []string) {
	for _, p := range c.Policies {
		if p.File != "" {
			files = append(files, p.File)
		}
	}
	for _, r := range c.Repositories {
		for _, entry := range r.SignWith {
			k := c.KeyOf(entry)
			for _, f := range []string{k.Private, k.Public} {
				if f != "" && !slices.Contains(files, f) {
					files = append(files, f)
				}
			}
		}
	}
	return files
}

// suite gives one suite of a built repository.
func (m *inForce) suite(repository, suite string) (r config.Repository, s config.Suite, ok bool) {
	return suiteOf(m.config, repository, suite)
}

func suiteOf(c *config.Config, repository, suite string) (r config.Repository, s config.Suite, ok bool) {
	for _, r := range c.Repositories {
		for _, s := range r.Suites {
			if r.Name == repository && s.Name == suite {
				return r, s, true
			}
		}
	}
	return r, s, false
}

// builtSuiteKey names a suite that is built here.
type builtSuiteKey struct{ repository, suite string }

// order lists all built suites that are not rings, those first that others are
// made from. A configuration has no circles.
func (m *inForce) order() (list []builtSuiteKey) {
	var visit func(r config.Repository, s config.Suite)
	visit = func(r config.Repository, s config.Suite) {
		if b := (builtSuiteKey{r.Name, s.Name}); s.Ring() || slices.Contains(list, b) {
			return
		}
		for _, from := range s.From {
			if r, s, ok := m.suite(from.Name, from.Suite); ok && from.Kind == config.FromRepository {
				visit(r, s)
			}
		}
		list = append(list, builtSuiteKey{r.Name, s.Name})
	}
	for _, r := range m.config.Repositories {
		for _, s := range r.Suites {
			visit(r, s)
		}
	}
	return list
}

// fault is what keeps it from being taken up while another is in force.
func (m *inForce) fault() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(m.faults)) {
		all = append(all, m.faults[name])
	}
	return errors.Join(all...)
}
