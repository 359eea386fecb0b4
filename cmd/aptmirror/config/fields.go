package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A cleaner checks a value and brings it into the one form that the rest of the program sees. Its error completes the
// sentence "KEY: ...".
type cleaner func(string) (string, error)

// one reads a string. It is "" where the key is missing or was reported.
func (d *decoder) one(t *table, name string, clean cleaner) string {
	n := t.nodes[name]
	if n == nil {
		return ""
	}
	return d.clean(n, clean)
}

// yes reads true or false. It is false where the key is missing or was reported.
func (d *decoder) yes(t *table, name string) bool {
	n := t.nodes[name]
	if n == nil {
		return false
	}
	if n.kind != unstable.Bool {
		d.problem(n.place, "must be true or false, without quotes")
	}
	return n.kind == unstable.Bool && n.text == "true"
}

// list reads a list of different strings.
func (d *decoder) list(t *table, name string, clean cleaner) []string {
	n := t.nodes[name]
	if n == nil {
		return nil
	}
	var values []string
	for _, item := range d.items(n) {
		v := d.clean(item, clean)
		if v != "" && slices.Contains(values, v) {
			d.problem(item.place, "%q is listed twice", item.text)
		}
		values = append(values, v)
	}
	return values
}

// items are the elements of a list, none where it was reported.
func (d *decoder) items(n *node) []*node {
	switch {
	case n.kind != unstable.Array:
		d.problem(n.place, `must be a list of strings, as in ["a", "b"]`)
		return nil
	case len(n.items) > maxItems:
		d.problem(n.place, "has more than %d entries", maxItems)
		return nil
	}
	return n.items
}

func (d *decoder) clean(n *node, clean cleaner) string {
	if n.kind != unstable.String {
		d.problem(n.place, "must be a string in quotes")
		return ""
	}
	v, err := clean(n.text)
	if err != nil {
		d.problem(n.place, "%v", err)
		return ""
	}
	return v
}

// duration reads a duration of at least lowest. It is 0 where the key is missing or was reported.
func (d *decoder) duration(t *table, name string, lowest time.Duration) time.Duration {
	var value time.Duration
	d.one(t, name, func(s string) (_ string, err error) {
		value, err = parseDuration(s)
		switch {
		case err != nil:
			err = fmt.Errorf("%q %w", s, err)
		case value < lowest:
			err = fmt.Errorf("%q is too short: at least %s", s, formatDuration(lowest))
		}
		if err != nil {
			value = 0
		}
		return s, err
	})
	return value
}

// number reads a whole number. It is 0 where the key is missing or was reported.
func (d *decoder) number(t *table, name string, lowest, highest int) int {
	n := t.nodes[name]
	if n == nil {
		return 0
	}
	value, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
	if n.kind != unstable.Integer || err != nil || value < int64(lowest) || value > int64(highest) {
		d.problem(n.place, "must be a whole number from %d to %d, without quotes", lowest, highest)
		return 0
	}
	return int(value)
}
