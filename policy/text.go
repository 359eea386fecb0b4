package policy

import (
	"regexp"
	"strings"
)

// textMatcher is a regular expression in the form that answers fastest. It wants
// its text in lower case.
type textMatcher interface {
	matchText(lower string) bool
}

type regexText struct{ re *regexp.Regexp }

func (m regexText) matchText(lower string) bool { return m.re.MatchString(lower) }

// literal is an expression without operators: a text that has to be somewhere,
// at the start, at the end, or to be all.
type literal struct {
	text       string
	start, end bool
}

func (l literal) matchText(s string) bool {
	switch {
	case l.start && l.end:
		return s == l.text
	case l.start:
		return strings.HasPrefix(s, l.text)
	case l.end:
		return strings.HasSuffix(s, l.text)
	}
	return strings.Contains(s, l.text)
}

// names are literals that are all of the text, as ^(a|b|c)$.
type names map[string]struct{}

func (m names) matchText(s string) bool {
	_, ok := m[s]
	return ok
}

// literalsOf recognises expressions that need no regular expression: a plain
// text, anchored or not, and ^(TEXT|TEXT...)$. It is asked only about those that
// are well formed.
func literalsOf(expr string) textMatcher {
	inner, ok := strings.CutPrefix(expr, "^(")
	if inner, closed := strings.CutSuffix(inner, ")$"); ok && closed {
		return alternativeNames(inner)
	}
	l := literal{}
	rest, ok := strings.CutPrefix(expr, "^")
	l.start = ok
	if strings.HasSuffix(rest, "$") && !strings.HasSuffix(rest, `\$`) {
		rest, l.end = rest[:len(rest)-1], true
	}
	if l.text, ok = plainText(rest); !ok {
		return nil
	}
	return l
}

func alternativeNames(inner string) textMatcher {
	m := names{}
	for word := range strings.SplitSeq(inner, "|") {
		text, ok := plainText(word)
		if !ok {
			return nil
		}
		m[text] = struct{}{}
	}
	return m
}

// plainText takes the backslashes out of an expression that has no operators.
func plainText(expr string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		if c == '\\' && i+1 < len(expr) && strings.IndexByte(`.+*?()[]{}|^$\-`, expr[i+1]) >= 0 {
			i++
			b.WriteByte(expr[i])
			continue
		}
		if strings.IndexByte(`.+*?()[]{}|^$\`, c) >= 0 {
			return "", false
		}
		b.WriteByte(lowerByte(c))
	}
	return b.String(), true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// lower folds ASCII only. Nearly all names are in lower case already, and come
// back without a copy.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				b[j] = lowerByte(b[j])
			}
			return string(b)
		}
	}
	return s
}
