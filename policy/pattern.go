package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xrash/smetrics"
)

// Pattern selects packages or versions, as apt-patterns(7) has it.
type Pattern struct {
	text string
	m    matcher
	tree *node
	ages []time.Duration // where ?x-age changes its answer
}

// ParsePattern reads a pattern that is all of text. Errors name the column.
func ParsePattern(text string) (*Pattern, error) {
	p, end, err := parsePattern(text)
	if err != nil {
		return nil, fmt.Errorf("reading the pattern %.200q: %w", text, err)
	}
	if rest := strings.Trim(text[end:], " \t\r\n"); rest != "" {
		return nil, fmt.Errorf("reading the pattern %.200q: %w", text, wrong(end, "the end is expected here"))
	}
	return p, nil
}

// parsePattern reads a pattern from the start of text and says where it ends.
func parsePattern(text string) (*Pattern, int, error) {
	tree, end, err := parseTree(text)
	if err != nil {
		return nil, 0, err
	}
	c := compiler{}
	m, err := c.pattern(tree)
	if err != nil {
		return nil, 0, err
	}
	return &Pattern{strings.TrimRight(text[:end], " \t\r"), m, tree, c.ages}, end, nil
}

// String gives the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Versions gives the places in s.Packages of the versions that the pattern
// selects, as rules do: those for which it holds as apt has it within
// ?any-version. apt takes a version that several inputs have for one, and each
// copy is by itself here. Time is needed for ?x-age alone.
func (p *Pattern) Versions(s *Set, now time.Time) []int {
	var found []int
	c := newAsked(s, now, unbounded())
	for i := range s.Packages {
		if p.m.version(c, int32(i)) {
			found = append(found, i)
		}
	}
	return found
}

// Packages gives the names of the .deb packages of one architecture that the
// pattern selects as `apt list` does, sorted.
func (p *Pattern) Packages(s *Set, architecture string, now time.Time) []string {
	var found []string
	c := newAsked(s, now, unbounded())
	for key, g := range s.allGroups() {
		if key.kind == Deb && key.arch == architecture && p.m.pkg(c, Deb, g) {
			found = append(found, key.name)
		}
	}
	slices.Sort(found)
	return found
}

// asked is what matchers are asked about, and what one of them found already:
// relations lead to the same packages again and again.
type asked struct {
	set  *Set
	now  time.Time
	work *work

	versions map[*relation][]answer
	targets  map[*relation]map[groupKey]bool
	packages map[*reverse]map[groupKey]bool
}

func newAsked(s *Set, now time.Time, w *work) *asked {
	return &asked{
		set: s, now: now, work: w,
		versions: map[*relation][]answer{}, targets: map[*relation]map[groupKey]bool{}, packages: map[*reverse]map[groupKey]bool{},
	}
}

// answer is what a pattern says of a version.
type answer uint8

const (
	unasked answer = iota
	no
	yes
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// matcher is a compiled pattern. As in apt, it can be asked about one version,
// or about a package; many patterns select a package if they select any of its
// versions.
type matcher interface {
	version(c *asked, i int32) bool
	pkg(c *asked, kind Kind, g *group) bool
}

// compiler turns trees into matchers.
type compiler struct {
	ages []time.Duration
}

// form is how a pattern of some name is written and made.
type form struct {
	min, max int // number of arguments; max -1 for any number
	make     func(c *compiler, n *node) (matcher, error)
}

// pattern compiles a node that has to be a pattern.
func (c *compiler) pattern(n *node) (matcher, error) {
	if n.term == "" {
		return nil, wrong(n.at, "a pattern is expected here, %q is a word; for a package's name write ?exact-name(%s)", n.word, n.word)
	}
	if what, ok := installedOnly[n.term]; ok {
		return nil, wrong(n.at, "%s asks %s, and a repository is no installed system", n.term, what)
	}
	f, ok := forms[n.term]
	if !ok {
		return nil, wrong(n.at, "there is no pattern %s%s", n.term, didYouMean(n.term))
	}
	if err := f.check(n); err != nil {
		return nil, err
	}
	return f.make(c, n)
}

func (f form) check(n *node) error {
	switch {
	case f.max == 0 && n.haveArgs:
		return wrong(n.at, "%s has no arguments", n.term)
	case f.max != 0 && !n.haveArgs:
		return wrong(n.at, "%s needs its argument in parentheses", n.term)
	case len(n.args) < f.min || f.max >= 0 && len(n.args) > f.max:
		return wrong(n.at, "%s has %d arguments, and takes %s", n.term, len(n.args), f.count())
	}
	return nil
}

func (f form) count() string {
	switch {
	case f.max < 0:
		return fmt.Sprintf("%d or more", f.min)
	case f.min == f.max:
		return fmt.Sprint(f.min)
	}
	return fmt.Sprintf("%d to %d", f.min, f.max)
}

// word gives an argument that has to be a word.
func (c *compiler) word(n *node) (string, error) {
	if n.term != "" {
		return "", wrong(n.at, "a word is expected here, %s is a pattern", n.term)
	}
	return n.word, nil
}

func (c *compiler) patterns(list []*node) ([]matcher, error) {
	made := make([]matcher, 0, len(list))
	for _, n := range list {
		m, err := c.pattern(n)
		if err != nil {
			return nil, err
		}
		made = append(made, m)
	}
	return made, nil
}

// text compiles an argument that has to be a regular expression.
func (c *compiler) text(n *node) (textMatcher, error) {
	word, err := c.word(n)
	if err != nil {
		return nil, err
	}
	m, err := compileERE(word)
	if err != nil {
		var fault *patternError
		if errors.As(err, &fault) {
			return nil, wrong(n.wordAt()+fault.at, "in the regular expression %.100q: %s", word, fault.msg)
		}
		return nil, wrong(n.at, "%v", err)
	}
	return m, nil
}

// wordAt is where the text of a word begins, after a quotation mark.
func (n *node) wordAt() int {
	if n.quoted {
		return n.at + 1
	}
	return n.at
}

// maxTermBytes is the length above which a name is not compared with those that
// exist.
const maxTermBytes = 50

// didYouMean names the pattern that a misspelt one is nearest to.
func didYouMean(term string) string {
	best, distance := "", 3
	if len(term) > maxTermBytes {
		return ""
	}
	for _, known := range slices.Sorted(maps.Keys(forms)) {
		if d := smetrics.WagnerFischer(term, known, 1, 1, 1); d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return "; README.md of the policy package and apt-patterns(7) list them"
	}
	return "; did you mean " + best + "?"
}
