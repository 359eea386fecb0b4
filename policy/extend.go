package policy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"aptmirror/upstream/debian"
)

// inRange makes patterns that compare a version as Depends does. Several
// comparisons have to hold together.
func inRange(get func(p *Package) string) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		var list []debian.Relation
		for _, arg := range n.args {
			word, err := c.word(arg)
			if err != nil {
				return nil, err
			}
			r, err := parseComparison(word)
			if err != nil {
				return nil, wrong(arg.wordAt(), "%v", err)
			}
			list = append(list, r)
		}
		return fact(func(p *Package) bool {
			version := get(p)
			for _, r := range list {
				if !r.Matches(version) {
					return false
				}
			}
			return true
		}), nil
	}
}

func parseComparison(word string) (debian.Relation, error) {
	for _, op := range ops {
		rest, ok := strings.CutPrefix(word, string(op))
		if !ok {
			continue
		}
		version := strings.TrimSpace(rest)
		if _, err := debian.ParseVersion(version); err != nil {
			return debian.Relation{}, err
		}
		return debian.Relation{Op: op, Version: version}, nil
	}
	return debian.Relation{}, fmt.Errorf("%q does not begin with a comparison: one of << <= = >= >>, as in Depends", word)
}

// makeConfigured makes ?x-archive and ?x-pool: the name in the configuration, in
// which * stands for anything.
func makeConfigured(pool bool) func(*compiler, *node) (matcher, error) {
	return func(c *compiler, n *node) (matcher, error) {
		word, err := c.word(n.args[0])
		if err != nil {
			return nil, err
		}
		if _, err := path.Match(word, ""); err != nil {
			return nil, wrong(n.args[0].wordAt(), "%q is neither a name nor a name with *", word)
		}
		return fact(func(p *Package) bool {
			ok, err := path.Match(word, p.Input.Archive)
			return p.Input.Pool == pool && ok && err == nil
		}), nil
	}
}

func makeKind(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	if err != nil {
		return nil, err
	}
	kind := slices.Index(kindNames[:], word)
	if kind < 0 {
		return nil, wrong(n.args[0].wordAt(), "%q is no kind; there are %s", word, strings.Join(kindNames[:], ", "))
	}
	return fact(func(p *Package) bool { return p.Kind == Kind(kind) }), nil
}

// age selects versions by the time since they were first seen. Those that were
// there when their archive was first seen are of any age.
type age struct {
	limit   time.Duration
	younger bool
}

func (m age) version(c *asked, i int32) bool {
	p := &c.set.Packages[i]
	return m.younger == (!p.FirstSeen.IsZero() && c.now.Before(p.FirstSeen.Add(m.limit)))
}

func (m age) pkg(c *asked, kind Kind, g *group) bool { return anyVersion{m}.pkg(c, kind, g) }

func makeAge(c *compiler, n *node) (matcher, error) {
	word, err := c.word(n.args[0])
	if err != nil {
		return nil, err
	}
	rest, younger := strings.CutPrefix(word, "<")
	if !younger {
		var ok bool
		if rest, ok = strings.CutPrefix(word, ">="); !ok {
			return nil, wrong(n.args[0].wordAt(), "%q is neither < nor >= with a duration, as in >= 7d", word)
		}
	}
	limit, err := parseDuration(strings.TrimSpace(rest))
	if err != nil {
		return nil, wrong(n.args[0].wordAt(), "%v", err)
	}
	c.ages = append(c.ages, limit)
	return age{limit, younger}, nil
}

// maxHold keeps sums of times well within their range.
const maxHold = 10 * 365 * 24 * time.Hour

// parseDuration reads a number and a unit, as the configuration has them.
func parseDuration(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if s == "" {
		return 0, fmt.Errorf("a duration such as 7d is expected")
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	unit := units[s[len(s)-1]]
	if err != nil || unit == 0 || n == 0 {
		return 0, fmt.Errorf("%q is no duration: a number and one of m, h, d, w, such as 7d", s)
	}
	if n > uint64(maxHold/unit) {
		return 0, fmt.Errorf("%q is longer than ten years", s)
	}
	return time.Duration(n) * unit, nil
}
