package policy

import (
	"fmt"
	"strings"
)

// maxDepth is how deep patterns may stand in one another; the parser and the
// matchers are recursive.
const maxDepth = 100

// patternError is a fault in a pattern, at a byte of its text.
type patternError struct {
	at  int
	msg string
}

func (e *patternError) Error() string { return fmt.Sprintf("column %d: %s", e.at+1, e.msg) }

func wrong(at int, format string, args ...any) *patternError {
	return &patternError{at, fmt.Sprintf(format, args...)}
}

// node is a pattern or a word as it was written.
type node struct {
	at       int    // where it begins, in bytes
	term     string // "?name"; "" for a word
	word     string
	args     []*node
	haveArgs bool
	quoted   bool
}

// treeParser reads the grammar of apt-patterns(7), with the precedences that
// apt's own parser has: ! before juxtaposition (and) before |.
type treeParser struct {
	text  string
	pos   int
	depth int
}

// parseTree reads a pattern from the start of text and returns it with the
// place where it ends: what follows is for the caller.
func parseTree(text string) (*node, int, error) {
	p := treeParser{text: text}
	n, err := p.either()
	if err != nil {
		return nil, 0, err
	}
	if n == nil {
		return nil, 0, wrong(p.pos, "a pattern such as ?name(REGEX) or ~nREGEX is expected here%s", p.hint())
	}
	return n, p.pos, nil
}

// hint helps those who write a bare word, which many tools take for a name.
func (p *treeParser) hint() string {
	word := p.text[p.pos:]
	if end := strings.IndexAny(word, " \t(),|"); end >= 0 {
		word = word[:end]
	}
	if word == "" || strings.ContainsAny(word[:1], "?~!|,()\"") {
		return ""
	}
	return fmt.Sprintf("; for a package's name write ?exact-name(%s)", word)
}

func (p *treeParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *treeParser) blanks() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// either reads patterns with | between them. Like the methods below, it returns
// nil where no pattern begins.
func (p *treeParser) either() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, wrong(p.pos, "more than %d patterns within one another", maxDepth)
	}
	defer func() { p.depth-- }()
	first, err := p.all()
	if first == nil || err != nil {
		return nil, err
	}
	list := []*node{first}
	for p.blanks(); p.peek() == '|'; p.blanks() {
		p.pos++
		next, err := p.all()
		if err != nil {
			return nil, err
		}
		if next == nil {
			return nil, wrong(p.pos, "a pattern is expected after |")
		}
		list = append(list, next)
	}
	return joined("?or", list), nil
}

// all reads patterns that stand side by side.
func (p *treeParser) all() (*node, error) {
	var list []*node
	for {
		p.blanks()
		n, err := p.negated()
		if err != nil {
			return nil, err
		}
		if n == nil {
			return joined("?and", list), nil
		}
		list = append(list, n)
	}
}

func joined(term string, list []*node) *node {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &node{at: list[0].at, term: term, args: list, haveArgs: true}
}

func (p *treeParser) negated() (*node, error) {
	if p.peek() != '!' {
		return p.primary()
	}
	at := p.pos
	p.pos++
	n, err := p.primary()
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, wrong(p.pos, "a pattern is expected after !")
	}
	return &node{at: at, term: "?not", args: []*node{n}, haveArgs: true}, nil
}

func (p *treeParser) primary() (*node, error) {
	switch p.peek() {
	case '~':
		return p.short()
	case '?':
		return p.long()
	case '(':
		return p.group()
	}
	return nil, nil
}

func (p *treeParser) group() (*node, error) {
	open := p.pos
	p.pos++
	n, err := p.either()
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, wrong(p.pos, "a pattern is expected after (%s", p.hint())
	}
	p.blanks()
	if p.peek() != ')' {
		return nil, wrong(open, "( has no closing )")
	}
	p.pos++
	return n, nil
}

func isTermChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-'
}

// long reads ?term or ?term(ARGUMENTS).
func (p *treeParser) long() (*node, error) {
	n := &node{at: p.pos}
	p.pos++
	for isTermChar(p.peek()) {
		p.pos++
	}
	if n.term = p.text[n.at:p.pos]; n.term == "?" {
		return nil, wrong(n.at, "a pattern's name is expected after ?")
	}
	after := p.pos
	p.blanks()
	if p.peek() != '(' {
		p.pos = after
		return n, nil
	}
	p.pos++
	n.haveArgs = true
	return n, p.arguments(n)
}

// arguments reads up to the closing parenthesis; a comma may stand before it.
func (p *treeParser) arguments(n *node) error {
	for p.blanks(); p.peek() != ')'; p.blanks() {
		arg, err := p.argument(false)
		if err != nil {
			return err
		}
		n.args = append(n.args, arg)
		p.blanks()
		if p.peek() == ',' {
			p.pos++
		} else if p.peek() != ')' {
			return wrong(p.pos, "a comma or the closing parenthesis of %s is expected here%s", n.term, p.quoting())
		}
	}
	p.pos++
	return nil
}

// quoting says what to do where a regular expression ended too early.
func (p *treeParser) quoting() string {
	if c := p.peek(); c == '|' || c == '(' {
		return fmt.Sprintf("; put a word with %q in double quotes", c)
	}
	return ""
}

// Where words end: within parentheses, and behind a short form such as ~n.
const (
	wordStarts   = "!?~|,() "
	longWordEnd  = "|,()"
	shortWordEnd = wordStarts
)

func (p *treeParser) argument(short bool) (*node, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	if p.pos < len(p.text) && strings.IndexByte(wordStarts, p.text[p.pos]) < 0 {
		return p.bareWord(short), nil
	}
	n, err := p.either()
	if n == nil && err == nil {
		err = wrong(p.pos, "a pattern or a word is expected here")
	}
	return n, err
}

func (p *treeParser) quoted() (*node, error) {
	end := strings.IndexByte(p.text[p.pos+1:], '"')
	if end < 0 {
		return nil, wrong(p.pos, "the quotation mark has no second one")
	}
	n := &node{at: p.pos, word: p.text[p.pos+1 : p.pos+1+end], quoted: true}
	p.pos += end + 2
	return n, nil
}

func (p *treeParser) bareWord(short bool) *node {
	ends := longWordEnd
	if short {
		ends = shortWordEnd
	}
	n := &node{at: p.pos}
	for p.pos < len(p.text) && strings.IndexByte(ends, p.text[p.pos]) < 0 {
		p.pos++
	}
	n.word = p.text[n.at:p.pos]
	return n
}

// short reads ~x, ~xARGUMENT and ~DType:ARGUMENT.
func (p *treeParser) short() (*node, error) {
	at := p.pos
	for _, s := range shortForms {
		if !strings.HasPrefix(p.text[at+1:], s.short) {
			continue
		}
		n := &node{at: at, term: s.term}
		p.pos += 1 + len(s.short)
		if !s.argument {
			return n, nil
		}
		arg, err := p.argument(true)
		if err != nil {
			return nil, err
		}
		n.args, n.haveArgs = []*node{arg}, true
		return n, nil
	}
	return nil, wrong(at, "apt-patterns(7) has no short form like this one")
}
