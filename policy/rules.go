package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a rules text, far above what people write. What exceeds them is
// refused.
const (
	maxRulesBytes = 4 << 20
	maxRuleBytes  = 64 << 10
	maxRules      = 10_000
	maxErrors     = 20 // faults reported at once
	maxKeep       = 1_000_000
)

// Policy is a list of rules. For each version, the first rule that matches and
// decides is what counts; a version that no rule decides is denied. A nil Policy
// allows everything.
type Policy struct {
	Name  string // in the configuration
	File  string // where the rules stand
	Rules []Rule
}

// Action is what a rule does.
type Action uint8

// The actions. Allow and Deny decide every version that the rule matches. Hold
// decides those that are too young, and Keep those of which there are enough
// newer ones: both only ever take away, and leave the rest to later rules.
const (
	Allow Action = iota
	Deny
	Hold
	Keep
)

var actionNames = [...]string{Allow: "allow", Deny: "deny", Hold: "hold", Keep: "keep"}

func (a Action) String() string { return actionNames[a] }

// Rule is one line of a policy.
type Rule struct {
	Action  Action
	For     time.Duration // of Hold: since a version was first seen
	Keep    int           // of Keep: how many versions of each package stay
	Pattern *Pattern

	// Of Allow: what the matching versions depend on is allowed with them, and
	// what they recommend.
	Dependencies, Recommends bool

	Line    int    // in the file
	Column  int    // where the rule begins
	Text    string // as written, without comment
	Comment string // beside the rule, or else in the lines above it
}

// SyntaxError is a fault in a rules text.
type SyntaxError struct {
	File         string
	Line, Column int    // from 1; columns count bytes
	Msg          string // what is wrong, and what is right
	Text         string // the line
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Caret gives the line with a mark below the fault, in two lines.
func (e *SyntaxError) Caret() string {
	before := e.Text[:min(max(e.Column-1, 0), len(e.Text))]
	blanks := make([]byte, 0, len(before))
	for _, r := range before {
		if r == '\t' {
			blanks = append(blanks, '\t')
		} else {
			blanks = append(blanks, ' ')
		}
	}
	return e.Text + "\n" + string(blanks) + "^"
}

// Parse reads rules. Name is the policy's; file and line say where the text
// begins, for errors and explanations. What is returned with an error joins a
// *SyntaxError for each line that is wrong.
func Parse(name, file string, line int, rules string) (*Policy, error) {
	p := rulesParser{policy: &Policy{Name: name, File: file}, line: line}
	if len(rules) > maxRulesBytes {
		return nil, errors.Join(p.wrong(1, "", "the rules have more than %d bytes", maxRulesBytes))
	}
	for text := range strings.Lines(rules) {
		p.parseLine(strings.TrimRight(text, "\r\n"))
		p.line++
		if len(p.errs) >= maxErrors {
			break
		}
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.policy, nil
}

type rulesParser struct {
	policy *Policy
	line   int
	above  []string // comment lines directly above
	errs   []error
}

func (p *rulesParser) wrong(column int, text, format string, args ...any) error {
	return &SyntaxError{p.policy.File, p.line, column, fmt.Sprintf(format, args...), text}
}

func (p *rulesParser) parseLine(text string) {
	rule, comment, hasComment := cutComment(text)
	switch {
	case strings.TrimSpace(rule) == "" && hasComment:
		p.above = append(p.above, comment)
		return
	case strings.TrimSpace(rule) == "":
		p.above = nil
		return
	}
	if !hasComment || comment == "" {
		comment = strings.Join(p.above, " ")
	}
	p.above = nil
	if err := p.checkLine(text); err != nil {
		p.errs = append(p.errs, err)
		return
	}
	r, err := parseRule(rule)
	var fault *patternError
	if errors.As(err, &fault) {
		p.errs = append(p.errs, p.wrong(fault.at+1, text, "%s", fault.msg))
		return
	}
	r.Line, r.Text, r.Comment = p.line, strings.TrimSpace(rule), comment
	r.Column = strings.Index(rule, r.Text) + 1
	p.policy.Rules = append(p.policy.Rules, r)
}

func (p *rulesParser) checkLine(text string) error {
	if len(text) > maxRuleBytes {
		return p.wrong(1, "", "the line has more than %d bytes", maxRuleBytes)
	}
	if len(p.policy.Rules) >= maxRules {
		return p.wrong(1, "", "there are more than %d rules", maxRules)
	}
	if !utf8.ValidString(text) {
		return p.wrong(1, "", "the line is not in UTF-8")
	}
	if i := strings.IndexFunc(text, isControl); i >= 0 {
		return p.wrong(i+1, "", "a control character")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// cutComment cuts at a # that begins the line or follows a blank, outside of
// double quotes.
func cutComment(text string) (rule, comment string, ok bool) {
	quoted := false
	for i := range len(text) {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '#':
			if !quoted && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
				return text[:i], strings.TrimSpace(strings.TrimLeft(text[i:], "#")), true
			}
		}
	}
	return text, "", false
}

// ruleScanner reads the words of one rule.
type ruleScanner struct {
	text string
	pos  int
}

func (s *ruleScanner) blanks() {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

// word reads up to the next blank, and gives the place where the word begins.
func (s *ruleScanner) word() (string, int) {
	s.blanks()
	at := s.pos
	for s.pos < len(s.text) && s.text[s.pos] != ' ' && s.text[s.pos] != '\t' {
		s.pos++
	}
	return s.text[at:s.pos], at
}

// parseRule reads a line without its comment. All errors are *patternError.
func parseRule(text string) (Rule, error) {
	s := &ruleScanner{text: text}
	r, err := s.action()
	if err != nil {
		return r, err
	}
	s.blanks()
	pattern, end, err := parsePattern(s.text[s.pos:])
	if err != nil {
		return r, shifted(err, s.pos)
	}
	r.Pattern = pattern
	s.pos += end
	return r, s.with(&r)
}

// shifted moves an error in a part of the text to its place in the whole.
func shifted(err error, by int) error {
	var fault *patternError
	if errors.As(err, &fault) {
		return &patternError{fault.at + by, fault.msg}
	}
	return err
}

func (s *ruleScanner) action() (r Rule, err error) {
	word, at := s.word()
	switch word {
	case "allow":
		r.Action = Allow
	case "deny":
		r.Action = Deny
	case "hold":
		r.Action = Hold
		word, at := s.word()
		if r.For, err = parseDuration(word); err != nil {
			return r, wrong(at, "after hold: %v", err)
		}
	case "keep":
		r.Action = Keep
		word, at := s.word()
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil || n == 0 || n > maxKeep {
			return r, wrong(at, "after keep: %q is no number of versions, 1 or more", word)
		}
		r.Keep = int(n)
	default:
		return r, wrong(at, "a rule begins with allow, deny, hold DURATION or keep NUMBER, not with %.40q", word)
	}
	return r, nil
}

// with reads what may follow the pattern.
func (s *ruleScanner) with(r *Rule) error {
	word, at := s.word()
	if word == "" {
		return nil
	}
	dependencies, _ := s.word()
	if word != "with" || dependencies != "dependencies" {
		return wrong(at, "%.40q is neither a pattern nor `with dependencies`%s", word, (&treeParser{text: word}).hint())
	}
	if r.Action != Allow {
		return wrong(at, "only allow can be `with dependencies`")
	}
	r.Dependencies = true
	if word, at = s.word(); word == "" {
		return nil
	}
	if recommends, _ := s.word(); word != "and" || recommends != "recommends" {
		return wrong(at, "after `with dependencies` can stand `and recommends`, and nothing else")
	}
	r.Recommends = true
	if word, at = s.word(); word != "" {
		return wrong(at, "the end of the rule is expected here, not %.40q", word)
	}
	return nil
}
