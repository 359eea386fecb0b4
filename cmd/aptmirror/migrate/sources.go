package migrate

import (
	"path/filepath"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/cmd/aptmirror/config"
)

// isSources reports whether a file has the name of one of apt's own.
func isSources(path string) bool {
	dir, name := filepath.Split(path)
	return strings.HasSuffix(name, ".sources") || name == "sources.list" || filepath.Base(dir) == "sources.list.d"
}

// Sources reads sources of apt, in either format, as another machine has them.
func Sources(file, text string, m Machine) Result {
	c := &collector{file: file, machine: m}
	sources, skipped := aptsources.Text(file, text, m.Architecture)
	archives, more := aptsources.Archives(sources)
	for _, s := range append(skipped, more...) {
		c.note(s.Line, "%s", s.Reason)
	}
	for _, a := range archives {
		c.source(lineOf(sources, a.URI), a)
	}
	slices.SortStableFunc(c.Notes, func(a, b Remark) int { return a.Line - b.Line })
	return c.Result
}

func (c *collector) source(line int, a aptsources.Archive) {
	out := config.Archive{
		Name: a.Name, URIs: []string{a.URI}, Suites: a.Suites, Components: a.Components, Architectures: a.Architectures,
		Languages: a.Languages, SignedBy: a.SignedBy, Download: config.OnDemand,
	}
	switch {
	case len(a.SignedByKey) > 0:
		out.SignedBy = []string{filepath.Join(keysDir, a.Name+".asc")}
		c.note(line, "archive %s: write the key that stands in Signed-By into %s", a.Name, out.SignedBy[0])
	case !a.HasKeyring() && len(a.SignedBy) > 0:
		path, remark := c.machine.keyring(out)
		out.SignedBy = append([]string{path}, a.SignedBy...)
		c.note(line, "%s", remark)
	default:
		for _, s := range a.SignedBy {
			if filepath.IsAbs(s) && !c.machine.HasKeyring(s) {
				c.note(line, "archive %s: the keyring %s is not on this machine: bring it along", a.Name, s)
			}
		}
	}
	c.add(line, out)
}

// lineOf is that of the first source with an address.
func lineOf(sources []aptsources.Source, uri string) int {
	for _, s := range sources {
		for _, u := range s.URIs {
			if strings.TrimRight(u, "/") == uri {
				return s.Line
			}
		}
	}
	return 0
}
