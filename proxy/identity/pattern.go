package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxPattern bounds one pattern, in bytes; identities are shorter.
const maxPattern = 300

// glob is a pattern with "*", "**" and "?" over printable ASCII.
type glob struct {
	text      string
	separator byte // what "*" and "?" do not stand for; 0 = they stand for everything
}

// everything is the pattern that matches every text.
var everything = glob{text: "**"}

func compile(r Rule) (compiled, error) {
	c := compiled{Rule: r}
	if r.rights() == "" {
		return c, errors.New("it gives no right: read, upload, status or admin is missing")
	}
	if r.Rate < 0 || r.Connections < 0 {
		return c, errors.New("rate and connections cannot be negative")
	}
	var err error
	if c.identity, err = identityPattern(r.Identity); err != nil {
		return c, fmt.Errorf("identity %q: %w", r.Identity, err)
	}
	for _, entry := range r.Read {
		p, err := newReadPattern(entry)
		if err != nil {
			return c, fmt.Errorf("read %q: %w", entry, err)
		}
		c.read = append(c.read, p)
	}
	for _, entry := range r.Upload {
		if err := checkPattern(entry); err != nil {
			return c, fmt.Errorf("upload %q: %w", entry, err)
		}
		c.upload = append(c.upload, glob{text: entry})
	}
	return c, nil
}

func identityPattern(s string) (glob, error) {
	if s == "*" {
		return everything, nil
	}
	if err := checkPattern(s); err != nil {
		return glob{}, err
	}
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case rest == "":
		return glob{}, errors.New(`write dns:NAME, uri:URI, cn:NAME, sha256:FINGERPRINT or "*"`)
	case kind == "dns":
		return dnsPattern(rest)
	case kind == "uri":
		return glob{s, '/'}, nil
	case kind == "cn":
		return glob{text: s}, nil
	case kind == "sha256":
		return fingerprintPattern(rest)
	}
	return glob{}, fmt.Errorf("unknown kind %q, allowed are dns, uri, cn and sha256", kind)
}

// dnsPattern refuses what no DNS identity can contain, because such a rule never matches.
func dnsPattern(name string) (glob, error) {
	name = strings.ToLower(name)
	for _, r := range name {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-.*?", r)) {
			return glob{}, fmt.Errorf("character %q cannot be part of a host name", r)
		}
	}
	return glob{"dns:" + name, '.'}, nil
}

// fingerprintPattern takes the forms of sha256sum and of openssl x509 -fingerprint.
func fingerprintPattern(s string) (glob, error) {
	s = strings.ToLower(strings.ReplaceAll(s, ":", ""))
	if sum, err := hex.DecodeString(s); err != nil || len(sum) != 32 {
		return glob{}, errors.New("a SHA-256 fingerprint has 64 hexadecimal digits and no wildcard")
	}
	return glob{text: "sha256:" + s}, nil
}

func newReadPattern(s string) (readPattern, error) {
	if err := checkPattern(s); err != nil {
		return readPattern{}, err
	}
	repository, suite, both := strings.Cut(s, "/")
	switch {
	case !both:
		return readPattern{glob{text: repository}, everything}, nil
	case repository == "" || suite == "":
		return readPattern{}, errors.New("write REPOSITORY or REPOSITORY/SUITE")
	}
	return readPattern{glob{text: repository}, glob{text: suite}}, nil
}

func checkPattern(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxPattern:
		return fmt.Errorf("%d bytes, at most %d are allowed", len(s), maxPattern)
	case !printable(s):
		return errors.New("only printable ASCII is allowed")
	case strings.Contains(s, "***"):
		return errors.New(`"***" has no meaning, write "*" or "**"`)
	}
	return nil
}

// literal reports whether the pattern matches one text only, itself.
func (g glob) literal() bool { return !strings.ContainsAny(g.text, "*?") }

// match takes time proportional to the product of the lengths at worst: it goes back to
// the last "*" and to the last "**" only.
func (g glob) match(s string) bool {
	p, i := 0, 0
	star, starAt := -1, 0 // place after the last "*" in the pattern, and what it has eaten
	deep, deepAt := -1, 0 // the same for "**"
	for i < len(s) || p < len(g.text) {
		switch {
		case strings.HasPrefix(g.text[p:], "**"):
			p += 2
			deep, deepAt, star = p, i, -1
			continue
		case p < len(g.text) && g.text[p] == '*':
			p++
			star, starAt = p, i
			continue
		case p < len(g.text) && i < len(s) && g.one(g.text[p], s[i]):
			p, i = p+1, i+1
			continue
		case star >= 0 && starAt < len(s) && s[starAt] != g.separator:
			starAt++
			p, i = star, starAt
			continue
		case deep >= 0 && deepAt < len(s):
			deepAt++
			p, i, star = deep, deepAt, -1
			continue
		}
		return false
	}
	return true
}

// one compares one character of a pattern, which is not "*", with one of a text.
func (g glob) one(pattern, c byte) bool {
	return pattern == c || pattern == '?' && c != g.separator
}
