package aptsources

import (
	"errors"
	"fmt"
	"strings"
)

var errQuote = errors.New("a quote or bracket is not closed")

// lines reads the one-line format: TYPE [ OPTION=VALUE... ] URI SUITE [COMPONENT...]
func (r *reader) lines(path, text string) {
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(withoutComment(line))
		if line == "" {
			continue
		}
		e, err := parseLine(line)
		if err != nil {
			r.skip(path, number, "%v", err)
			continue
		}
		r.add(path, number, e)
	}
}

// withoutComment cuts the line at "#", except within brackets, as apt does.
func withoutComment(line string) string {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '#':
			return line[:i]
		case '[':
			i += max(strings.IndexByte(line[i:], ']'), 0)
		}
	}
	return line
}

func parseLine(line string) (entry, error) {
	e := entry{options: map[string]string{}}
	kind, rest, err := nextWord(line)
	if err != nil {
		return e, err
	}
	if strings.HasPrefix(rest, "[") {
		if rest, err = parseOptions(rest[1:], e.options); err != nil {
			return e, err
		}
		delete(e.options, "enabled") // a field of stanzas, which means nothing here
	}
	var words []string
	for rest != "" && len(words) < maxWords+3 { // entry.check reports what is beyond
		var w string
		if w, rest, err = nextWord(rest); err != nil {
			return e, err
		}
		words = append(words, w)
	}
	e.types = []string{kind}
	if len(words) > 0 {
		e.uris = words[:1]
	}
	if len(words) > 1 {
		e.suites, e.components = words[1:2], words[2:]
	}
	return e, nil
}

// parseOptions reads what follows "[" into options and returns what follows "]". The last option may touch the bracket.
func parseOptions(rest string, options map[string]string) (string, error) {
	rest = strings.TrimLeft(rest, blanks)
	for !strings.HasPrefix(rest, "]") {
		word, after, err := nextWord(rest)
		if err != nil || word == "" {
			return "", errors.New("the options in [ ] have no end")
		}
		if end := len(strings.TrimRight(rest[:len(rest)-len(after)], blanks)); rest[end-1] == ']' {
			word, after = strings.TrimSuffix(word, "]"), rest[end-1:]
		}
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" || value == "" {
			return "", fmt.Errorf("option %q is not of the form name=value", word)
		}
		options[name] = value
		rest = after
	}
	return strings.TrimLeft(rest[1:], blanks), nil
}

// blanks are the bytes that C calls space.
const blanks = " \t\n\v\f\r"

// nextWord takes a word off the line and the blanks after it. Blanks within quotes or brackets do not end the word; quotes
// are removed and %41 is decoded, as in apt's ParseQuoteWord.
func nextWord(s string) (word, rest string, err error) {
	end := 0
	for end < len(s) && !strings.ContainsRune(blanks, rune(s[end])) {
		closing := byte('"')
		switch s[end] {
		case '[':
			closing = ']'
			fallthrough
		case '"':
			n := strings.IndexByte(s[end+1:], closing)
			if n < 0 {
				return "", "", errQuote
			}
			end += n + 1
		}
		end++
	}
	return unquote(s[:end]), strings.TrimLeft(s[end:], blanks), nil
}

func unquote(s string) string {
	if !strings.ContainsAny(s, `"%`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(hexValue(s[i+1])<<4 | hexValue(s[i+2]))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Line reads one line of the one-line format, as other programs have it too. number is its place in the file, architecture
// that of a source that names none.
func Line(file string, number int, line, architecture string) ([]Source, []Skipped) {
	r := &reader{native: architecture, architectures: []string{architecture}}
	e, err := parseLine(strings.TrimSpace(withoutComment(line)))
	if err != nil {
		r.skip(file, number, "%v", err)
	} else {
		r.add(file, number, e)
	}
	return r.sources, r.skipped
}
