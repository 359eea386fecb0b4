package config

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// entries reads a list of tables whose names must not be in taken, nor twice. Without taken they have no names.
func entries[T any](d *decoder, root *table, s section, taken names, read func(*table) T) (list []T) {
	for _, t := range d.many(root, s) {
		list = append(list, read(t))
		if taken != nil {
			d.unique(t, taken)
		}
	}
	return list
}

// unknownKeys reports every key of the table that the section does not have.
func (d *decoder) unknownKeys(t *table, s section) {
	allowed := s.allowed()
	for _, k := range t.keys {
		if slices.Contains(allowed, k) {
			continue
		}
		hint := DidYouMean(k, allowed)
		if hint == "" {
			hint = elsewhere(k)
		}
		d.problem(t.at(k), "unknown key%s; allowed in %s: %s", hint, s.header(), strings.Join(allowed, ", "))
	}
}

// elsewhere helps where a key stands below the wrong header, as one that was added at the end of the file.
func elsewhere(name string) string {
	for _, s := range slices.Concat([]section{topLevel}, sections, []section{suiteSection}) {
		if slices.Contains(s.allowed(), name) {
			return "; it belongs in " + s.header()
		}
	}
	return ""
}

// single is the table of a section that occurs once, or nil where the file has none.
func (d *decoder) single(root *table, s section) *table {
	n := root.nodes[s.name]
	switch {
	case n == nil:
		return nil
	case n.table == nil:
		d.problem(n.place, "must be a table: write [%s] and its keys below", s.name)
		return nil
	}
	d.unknownKeys(n.table, s)
	return n.table
}

// many are the tables of a section that occurs any number of times.
func (d *decoder) many(root *table, s section) []*table {
	n := root.nodes[s.last()]
	if n == nil {
		return nil
	}
	if n.kind != unstable.Array {
		d.problem(n.place, "is a list of tables: write [[%s]], once for each", s.name)
		return nil
	}
	if len(n.items) > maxItems {
		d.problem(n.place, "has more than %d entries", maxItems)
		return nil
	}
	var tables []*table
	for _, item := range n.items {
		if item.table == nil {
			d.problem(item.place, "is a list of tables: write [[%s]], once for each", s.name)
			continue
		}
		d.unknownKeys(item.table, s)
		tables = append(tables, item.table)
	}
	return tables
}

// required reports the keys that are missing. A key that is there with a bad value is reported by who reads it.
func (d *decoder) required(t *table, names ...string) {
	for _, name := range names {
		if t.nodes[name] == nil {
			d.problem(t.at(name), "is required")
		}
	}
}

func (d *decoder) notEmpty(t *table, names ...string) {
	for _, name := range names {
		if n := t.nodes[name]; n != nil && n.kind == unstable.Array && len(n.items) == 0 {
			d.problem(n.place, "must have at least one entry")
		}
	}
}

// names are those that are taken, each with what stands in the way of using it again.
type names map[string]string

func (d *decoder) unique(t *table, taken names) {
	n := t.nodes["name"]
	if n == nil || n.text == "" {
		return
	}
	if why := taken[n.text]; why != "" {
		d.problem(n.place, "%q %s", n.text, why)
	}
	taken[n.text] = "is used twice"
}
