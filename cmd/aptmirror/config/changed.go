package config

import (
	"fmt"
	"slices"
	"strings"
)

// Changed names the keys whose values differ between two configurations, in the order of the file: "state", "serve.crl",
// "archive.debian.suites". A table that only one of them has is named without its keys, and grants, which have no names,
// are named as a whole.
func Changed(old, new *Config) []string {
	before, after := flat(old), flat(new)
	was, is := before.byName(), after.byName()
	var names []string
	for _, k := range append(before, after...) {
		if was[k.name] == is[k.name] || slices.Contains(names, k.name) {
			continue
		}
		if !slices.ContainsFunc(names, func(table string) bool { return strings.HasPrefix(k.name, table+".") }) {
			names = append(names, k.name)
		}
	}
	return names
}

// settings are keys with their tables and what is set, a table itself before its keys.
type settings []setting

type setting struct{ name, value string }

func (s settings) byName() map[string]string {
	m := make(map[string]string, len(s))
	for _, k := range s {
		m[k.name] = k.value
	}
	return m
}

func flat(c *Config) settings {
	var f formatter // without a folder, paths stay absolute
	s := settings{{"state", c.State}}
	if c.Serve.Cert != "" {
		s = s.add("serve", serveSection, f.serveValues(c.Serve))
	}
	if c.Cache != (Cache{}) {
		s = s.add("cache", cacheSection, cacheValues(c.Cache))
	}
	if c.Clients != (Clients{}) {
		s = s.add("clients", clientsSection, f.clientsValues(c.Clients))
	}
	if c.Status != (Status{}) {
		s = s.add("status", statusSection, statusValues(c.Status))
	}
	if c.Bundles.isSet() {
		s = s.add("bundles", bundlesSection, f.bundlesValues(c.Bundles))
	}
	s = append(s, f.flatLists(c)...)
	grants := ""
	for _, g := range c.Grants {
		grants += fmt.Sprintln(grantValues(g))
	}
	return append(s, setting{"grant", grants})
}

func (f *formatter) flatLists(c *Config) (s settings) {
	for _, a := range c.Archives {
		s = s.add("archive."+a.Name, archiveSection, f.archiveValues(a))
	}
	for _, p := range c.Pools {
		s = s.add("pool."+p.Name, poolSection, f.poolValues(p))
	}
	for _, k := range c.Keys {
		s = s.add("key."+k.Name, signingKeySection, f.keyValues(k))
	}
	for _, p := range c.Policies {
		s = s.add("policy."+p.Name, policySection, f.policyValues(p))
	}
	for _, r := range c.Repositories {
		s = s.add("repository."+r.Name, repositorySection, f.repositoryValues(r))
		for _, suite := range r.Suites {
			s = s.add("repository."+r.Name+".suite."+suite.Name, suiteSection, suiteValues(suite))
		}
	}
	for _, p := range c.Snapshots {
		s = s.add("snapshot."+p.Name, snapshotSection, snapshotValues(p))
	}
	return s
}

func (s settings) add(name string, in section, v values) settings {
	s = append(s, setting{name, "is there"})
	for _, k := range in.keys {
		s = append(s, setting{name + "." + k.name, v[k.name]})
	}
	return s
}
