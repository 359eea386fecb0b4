package site

import (
	"fmt"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
)

// Narrow writes the configuration again with only the suites that keep says,
// and without archives and verbatim repositories that have none left.
func Narrow(c *config.Config, keep func(archive, suite string) bool) (*config.Config, error) {
	next := *c
	next.Archives, next.Repositories = nil, nil
	for _, a := range c.Archives {
		a.Suites = slices.DeleteFunc(slices.Clone(a.Suites), func(s string) bool { return !keep(a.Name, s) })
		if len(a.Suites) == 0 {
			continue
		}
		next.Archives = append(next.Archives, a)
		for _, r := range c.Repositories {
			if r.Archive == a.Name {
				next.Repositories = append(next.Repositories, r)
			}
		}
	}
	next.Repositories = slices.Concat(next.Repositories, builtOf(c))
	if err := pki.WritePublic(c.Path, config.Format(&next)); err != nil {
		return nil, fmt.Errorf("writing %s again: %w", c.Path, err)
	}
	return config.Load(c.Path)
}

func builtOf(c *config.Config) []config.Repository {
	return slices.DeleteFunc(slices.Clone(c.Repositories), func(r config.Repository) bool { return !r.Built() })
}
