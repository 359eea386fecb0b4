package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxRules is the size in bytes of the rules of a policy that stand in the file.
const maxRules = 256 << 10

// Policy is one [[policy]]: rules that decide which packages a suite has. Its rules are in Rules or in File.
type Policy struct {
	// Name is unique among the policies.
	Name string
	// Rules are the rules as they stand in the configuration.
	Rules string
	// Line is that of the configuration where Rules begin, so that what is wrong with them can be found. 0 where File is
	// set. Format and Changed pass over it.
	Line int
	// File is the absolute path of the rules.
	File string
}

func (d *decoder) policy(t *table) Policy {
	p := Policy{Name: d.one(t, "name", cleanName), Rules: d.one(t, "rules", cleanRules), File: d.one(t, "file", d.path)}
	if n := t.nodes["rules"]; n != nil {
		p.Line = n.textLine
	}
	d.required(t, "name")
	switch rules, file := t.nodes["rules"] != nil, t.nodes["file"] != nil; {
	case rules && file:
		d.problem(t.at("file"), "leave it out, or rules: the rules stand in one place")
	case !rules && !file:
		d.problem(t.at("rules"), "is required; leave it out only where the key file says where the rules are")
	}
	return p
}

func cleanRules(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("is empty: write rules, such as allow ?true")
	case len(s) > maxRules:
		return "", fmt.Errorf("is longer than %d bytes: move the rules to a file and name it with the key file", maxRules)
	}
	return s, nil
}

func (f *formatter) policyValues(p Policy) values {
	v := values{"name": quoteSet(p.Name), "file": f.path(p.File)}
	if p.Rules != "" {
		v["rules"] = quoteText(p.Rules)
	}
	return v
}

// quoteText writes text of several lines as it is, where TOML has a way to do so.
func quoteText(s string) string {
	odd := func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }
	if !strings.Contains(s, "\n") || strings.Contains(s, "'''") || strings.HasSuffix(s, "'") || strings.ContainsFunc(s, odd) {
		return quote(s)
	}
	return "'''\n" + s + "'''"
}
