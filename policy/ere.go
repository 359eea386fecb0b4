package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// apt matches with POSIX extended regular expressions as the C library of GNU
// reads them, ignoring case. What Go's package does the same way is written in
// its syntax here; what it cannot do, or reads differently, is translated or
// refused, so that no expression means one thing to apt and another to us.

const (
	// maxRegexBytes is above what lists of some hundred names need.
	maxRegexBytes = 16 << 10
	// maxRepeat is the largest count that Go's package takes; apt's is 32767.
	maxRepeat = 1000
	// maxNesting is how deep groups may stand in one another.
	maxNesting = 50
)

// ere translates one expression. Out is lower case but for brackets, as the text
// is that it is matched against.
type ere struct {
	text  string
	pos   int
	depth int
	out   []byte
}

// compileERE gives a matcher, which wants text in lower case. Errors carry the
// place in text.
func compileERE(text string) (textMatcher, error) {
	if len(text) > maxRegexBytes {
		return nil, wrong(0, "the regular expression is longer than %d bytes", maxRegexBytes)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, wrong(0, "the regular expression is no valid text")
	}
	e := &ere{text: text}
	if err := e.alternatives(); err != nil {
		return nil, err
	}
	if lits := literalsOf(text); lits != nil {
		return lits, nil
	}
	re, err := regexp.Compile("(?s)" + string(e.out))
	if err != nil {
		return nil, wrong(0, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return regexText{re}, nil
}

func (e *ere) peek() byte {
	if e.pos < len(e.text) {
		return e.text[e.pos]
	}
	return 0
}

// alternatives reads up to the end, or to the parenthesis that closes the group.
func (e *ere) alternatives() error {
	if e.depth++; e.depth > maxNesting {
		return wrong(e.pos, "more than %d groups within one another", maxNesting)
	}
	defer func() { e.depth-- }()
	for {
		if err := e.sequence(); err != nil {
			return err
		}
		if e.peek() != '|' {
			return nil
		}
		e.pos++
		e.write("|")
	}
}

func (e *ere) sequence() error {
	for e.pos < len(e.text) && e.peek() != '|' && (e.peek() != ')' || e.depth == 1) {
		if c := e.peek(); c == '^' || c == '$' {
			if err := e.anchor(c); err != nil {
				return err
			}
			continue
		}
		if err := e.repeated(); err != nil {
			return err
		}
	}
	return nil
}

func (e *ere) anchor(c byte) error {
	e.pos++
	e.out = append(e.out, c)
	if strings.IndexByte("*+?{", e.peek()) >= 0 && e.pos < len(e.text) {
		return wrong(e.pos, "%q has nothing before it to repeat", e.peek())
	}
	return nil
}

// repeated reads an atom and the operators that repeat it. Each gets a group of
// its own: x+? would otherwise have another meaning in Go, and x** none.
func (e *ere) repeated() error {
	start := len(e.out)
	if err := e.atom(); err != nil {
		return err
	}
	for e.pos < len(e.text) && strings.IndexByte("*+?{", e.peek()) >= 0 {
		op, err := e.operator()
		if err != nil {
			return err
		}
		e.out = slices.Insert(e.out, start, []byte("(?:")...)
		e.write(")" + op)
	}
	return nil
}

func (e *ere) write(s string) { e.out = append(e.out, s...) }

func (e *ere) operator() (string, error) {
	at := e.pos
	e.pos++
	if e.text[at] != '{' {
		return e.text[at:e.pos], nil
	}
	end := strings.IndexByte(e.text[at:], '}')
	if end < 0 {
		return "", wrong(at, "{ has no closing }")
	}
	e.pos = at + end + 1
	low, high, ranged := strings.Cut(e.text[at+1:at+end], ",")
	if ranged && low == "" {
		low = "0"
	}
	from, err := strconv.ParseUint(low, 10, 16)
	if err != nil || from > maxRepeat {
		return "", wrong(at, "a count of 0 to %d is expected after {", maxRepeat)
	}
	switch {
	case !ranged:
		return fmt.Sprintf("{%d}", from), nil
	case high == "":
		return fmt.Sprintf("{%d,}", from), nil
	}
	to, err := strconv.ParseUint(high, 10, 16)
	if err != nil || to < from || to > maxRepeat {
		return "", wrong(at, "a count of %d to %d is expected after the comma", from, maxRepeat)
	}
	return fmt.Sprintf("{%d,%d}", from, to), nil
}

func (e *ere) atom() error {
	switch c := e.peek(); c {
	case '(':
		return e.group()
	case '[':
		return e.bracket()
	case '\\':
		return e.escape()
	case '.':
		e.pos++
		e.write(".")
		return nil
	case '*', '+', '?', '{':
		return wrong(e.pos, "%q has nothing before it to repeat", c)
	}
	r, n := utf8.DecodeRuneInString(e.text[e.pos:])
	e.pos += n
	e.literal(r)
	return nil
}

// literal writes a character in lower case. Only ASCII is folded: apt leaves the
// rest to the locale.
func (e *ere) literal(r rune) {
	if 'A' <= r && r <= 'Z' {
		r |= 0x20
	}
	e.write(regexp.QuoteMeta(string(r)))
}

func (e *ere) group() error {
	open := e.pos
	e.pos++
	e.write("(?:")
	if err := e.alternatives(); err != nil {
		return err
	}
	if e.peek() != ')' {
		return wrong(open, "( has no closing )")
	}
	e.pos++
	e.write(")")
	return nil
}

// escape reads what a backslash makes of the character behind it. The letters
// are GNU's additions that Go has, too.
func (e *ere) escape() error {
	at := e.pos
	r, n := utf8.DecodeRuneInString(e.text[at+1:])
	if n == 0 {
		return wrong(at, "a backslash at the end")
	}
	e.pos += 1 + n
	switch {
	case '1' <= r && r <= '9':
		return wrong(at, "a reference back to group %c does not work here", r)
	case strings.ContainsRune("wWsSbB", r):
		e.write(`\` + string(r))
	case r == '`':
		e.write(`\A`)
	case r == '\'':
		e.write(`\z`)
	case r == '<' || r == '>':
		return wrong(at, `\%c does not work here; write \b`, r)
	case r == 'd':
		return wrong(at, `apt takes \d for the letter d; for a digit write [0-9]`)
	case '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z':
		return wrong(at, `\%c has no meaning in apt's regular expressions`, r)
	default:
		e.literal(r)
	}
	return nil
}

// bracket reads [...]. A backslash in it is itself, unlike in Go.
func (e *ere) bracket() error {
	open := e.pos
	e.pos++
	e.write("(?i:[")
	if e.peek() == '^' {
		e.pos++
		e.write("^")
	}
	for first := true; first || e.peek() != ']'; first = false {
		if e.pos >= len(e.text) {
			return wrong(open, "[ has no closing ]")
		}
		if err := e.member(); err != nil {
			return err
		}
	}
	e.pos++
	e.write("])")
	return nil
}

var classes = []string{"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"}

// member reads a class, a range or a character between brackets.
func (e *ere) member() error {
	at := e.pos
	for _, class := range classes {
		if strings.HasPrefix(e.text[at:], "[:"+class+":]") {
			e.pos += len(class) + 4
			e.write("[:" + class + ":]")
			return nil
		}
	}
	low, err := e.bracketRune()
	if err != nil {
		return err
	}
	if rest := e.text[e.pos:]; len(rest) < 2 || rest[0] != '-' || rest[1] == ']' {
		e.write(quoteInBrackets(low))
		return nil
	}
	e.pos++
	high, err := e.bracketRune()
	if err != nil {
		return err
	}
	if high < low {
		return wrong(at, "the range %c-%c goes backwards", low, high)
	}
	e.write(quoteInBrackets(low) + "-" + quoteInBrackets(high))
	return nil
}

func (e *ere) bracketRune() (rune, error) {
	rest := e.text[e.pos:]
	if rest == "" {
		return 0, wrong(e.pos, "a range without end")
	}
	if len(rest) > 1 && rest[0] == '[' && strings.IndexByte(":.=", rest[1]) >= 0 {
		return 0, wrong(e.pos, "the class that begins here is unknown")
	}
	r, n := utf8.DecodeRuneInString(rest)
	e.pos += n
	return r, nil
}

func quoteInBrackets(r rune) string {
	if r < utf8.RuneSelf && !isTermChar(byte(r)) || r == '-' {
		return fmt.Sprintf(`\x%02x`, r)
	}
	return string(r)
}
