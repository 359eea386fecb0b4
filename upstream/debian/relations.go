package debian

import (
	"errors"
	"fmt"
	"strings"
)

// maxRelations is the number of packages above which one field is refused, so
// that a short text cannot ask for much memory. The longest fields of Debian
// name about 1,500.
const maxRelations = 20_000

// Relations is the value of a field such as Depends, Conflicts or Provides: all
// of its elements count, and of each element any alternative.
type Relations [][]Relation

// Relation names a package and says which of its versions are meant, and where
// and when the relation counts (Policy 7.1, deb-control(5), deb-src-control(5)).
type Relation struct {
	Name          string
	Qualifier     string     // architecture after the colon, such as "any"; "" without
	Op            Op         // NoOp without a version
	Version       string     // "" without
	Architectures []string   // as in [amd64 !i386], "!" included; nil without
	Profiles      [][]string // one list per <...>, "!" included; nil without
}

// Op is the comparison of a relation.
type Op string

// The comparisons as they are written.
const (
	NoOp         Op = ""
	Earlier      Op = "<<"
	EarlierEqual Op = "<="
	Equal        Op = "="
	LaterEqual   Op = ">="
	Later        Op = ">>"
)

// Matches reports whether the relation means the given version of its package;
// name, architectures and profiles are not looked at.
func (r Relation) Matches(version string) bool {
	c := CompareVersions(version, r.Version)
	switch r.Op {
	case Earlier:
		return c < 0
	case EarlierEqual:
		return c <= 0
	case Equal:
		return c == 0
	case LaterEqual:
		return c >= 0
	case Later:
		return c > 0
	}
	return true
}

// String writes the relation as dpkg does.
func (r Relation) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	if r.Qualifier != "" {
		b.WriteString(":" + r.Qualifier)
	}
	if r.Op != NoOp {
		b.WriteString(" (" + string(r.Op) + " " + r.Version + ")")
	}
	if r.Architectures != nil {
		b.WriteString(" [" + strings.Join(r.Architectures, " ") + "]")
	}
	for _, p := range r.Profiles {
		b.WriteString(" <" + strings.Join(p, " ") + ">")
	}
	return b.String()
}

// String writes the relations in one line, in a form that ParseRelations reads
// back to the same.
func (rs Relations) String() string {
	var b strings.Builder
	for i, alternatives := range rs {
		if i > 0 {
			b.WriteString(", ")
		}
		for j, r := range alternatives {
			if j > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(r.String())
		}
	}
	return b.String()
}

// ParseRelations reads the value of a relation field, which may run over several
// lines. A comma may follow the last element. The old "<" and ">" are read as
// "<=" and ">=", and a version without comparison as "=", as dpkg does.
// Substitution variables are refused: they have no meaning outside of a source
// package. Errors name the column, counted in bytes from 1.
func ParseRelations(s string) (Relations, error) {
	p := relationParser{text: s}
	rs, err := p.relations()
	if err != nil {
		return nil, fmt.Errorf("parsing relations: column %d: %w", p.pos+1, err)
	}
	return rs, nil
}

// relationParser reads text from pos on. Each of its methods reads one thing and
// the blanks after it; after an error pos is where it lies.
type relationParser struct {
	text  string
	pos   int
	count int // relations read
}

func (p *relationParser) relations() (rs Relations, err error) {
	p.blanks()
	if p.pos < len(p.text) {
		rs = make(Relations, 0, min(strings.Count(p.text, ",")+1, maxRelations))
	}
	for p.pos < len(p.text) {
		alternatives, err := p.alternatives()
		if err != nil {
			return nil, err
		}
		rs = append(rs, alternatives)
		if p.pos < len(p.text) && !p.take(",") {
			return nil, fmt.Errorf("%q where a comma or the end is expected", p.text[p.pos])
		}
	}
	return rs, nil
}

func (p *relationParser) alternatives() (list []Relation, err error) {
	for {
		r, err := p.relation()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
		if !p.take("|") {
			return list, nil
		}
	}
}

func (p *relationParser) relation() (r Relation, err error) {
	if p.count++; p.count > maxRelations {
		return r, fmt.Errorf("more than %d packages", maxRelations)
	}
	if r.Name, err = p.checked(nameChar, checkName); err != nil {
		return r, err
	}
	if strings.HasPrefix(p.text[p.pos:], ":") {
		p.pos++
		if r.Qualifier, err = p.checked(archChar, checkArchitecture); err != nil {
			return r, err
		}
	}
	p.blanks()
	if p.take("(") {
		if err = p.version(&r); err != nil {
			return r, err
		}
	}
	if p.take("[") {
		if r.Architectures, err = p.list("]", checkArchitecture); err != nil {
			return r, err
		}
	}
	for p.take("<") {
		profiles, err := p.list(">", checkProfile)
		if err != nil {
			return r, err
		}
		r.Profiles = append(r.Profiles, profiles)
	}
	return r, nil
}

// ops in an order in which none comes after one that it starts with.
var ops = []struct {
	text string
	op   Op
}{{"<<", Earlier}, {"<=", EarlierEqual}, {">>", Later}, {">=", LaterEqual}, {"<", EarlierEqual}, {">", LaterEqual}, {"=", Equal}}

func (p *relationParser) version(r *Relation) (err error) {
	r.Op = Equal
	for _, o := range ops {
		if p.take(o.text) {
			r.Op = o.op
			break
		}
	}
	if r.Version, err = p.checked(versionChar, checkVersion); err != nil {
		return err
	}
	p.blanks()
	if !p.take(")") {
		return errors.New("no closing parenthesis after the version")
	}
	return nil
}

// list reads words up to the closing bracket; each may be negated.
func (p *relationParser) list(end string, check func(string) error) ([]string, error) {
	n := strings.Index(p.text[p.pos:], end)
	if n < 0 {
		return nil, fmt.Errorf("no closing %q", end)
	}
	words := strings.FieldsFunc(p.text[p.pos:p.pos+n], isASCIISpace)
	for _, word := range words {
		if err := check(strings.TrimPrefix(word, "!")); err != nil {
			return nil, err
		}
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("nothing before %q", end)
	}
	p.pos += n
	p.take(end)
	return words, nil
}

// checked reads characters of a kind, and leaves pos at their start where check
// does not like them. The blanks after them are left, too: none may stand
// between a name and its qualifier.
func (p *relationParser) checked(kind uint8, check func(string) error) (string, error) {
	start := p.pos
	for p.pos < len(p.text) && charKinds[p.text[p.pos]]&kind != 0 {
		p.pos++
	}
	word := p.text[start:p.pos]
	if word == "" && strings.HasPrefix(p.text[start:], "$") {
		return "", errors.New("substitution variable")
	}
	if err := check(word); err != nil {
		p.pos = start
		return "", err
	}
	return word, nil
}

func checkProfile(s string) error {
	if checkName(s) != nil {
		return fmt.Errorf("%.100q is no build profile", s)
	}
	return nil
}

// take reads the given text and the blanks after it, if that is what comes next.
func (p *relationParser) take(s string) bool {
	if !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	p.blanks()
	return true
}

func (p *relationParser) blanks() {
	for p.pos < len(p.text) && isASCIISpace(rune(p.text[p.pos])) {
		p.pos++
	}
}
