package config

import (
	"fmt"
	"regexp"
)

// Pool is one [[pool]]: the site's own packages.
type Pool struct {
	// Name is unique among pools and archives, since both are the second element of pool/NAME/... addresses.
	Name string
	// Incoming is a drop folder, an absolute path: packages that appear there are taken up. Optional.
	Incoming string
	// Component is where the packages stand in built repositories. Defaults to DefaultComponent.
	Component string
	// SignedBy are keyrings as in [Archive.SignedBy]: an upload counts only with a signature by one of their keys.
	// Empty: uploads need none.
	SignedBy []string
	// Names are patterns of package names, with "*" and "?", that only this pool supplies, whatever archives have.
	Names []string
	// Shadows are patterns of package names of archives that the pool may replace. Others are refused.
	Shadows []string
	// Provides are patterns of names that archives' packages have or provide, and that packages of the pool may
	// provide as well. Others are refused.
	Provides []string
	// MaxSize is the limit in bytes of all that the pool has, and MaxSizeEach that of what one identity has uploaded of
	// it; 0: no limit. Both default to 0.
	MaxSize, MaxSizeEach int64
}

// namePatternForm is a Debian package name with wildcards.
var namePatternForm = regexp.MustCompile(`^[a-z0-9*?][a-z0-9+.*?-]*$`)

func cleanNamePattern(s string) (string, error) {
	if len(s) > maxWord || !namePatternForm.MatchString(s) {
		return "", fmt.Errorf(`%q is not a pattern of package names: letters a-z, digits, "+", "-" and ".", with "*" and "?" for any characters`, s)
	}
	return s, nil
}

func (d *decoder) pool(t *table) Pool {
	p := Pool{
		Name:      d.one(t, "name", cleanName),
		Incoming:  d.one(t, "incoming", d.path),
		Component: d.one(t, "component", CleanComponent),
		SignedBy:  d.list(t, "signed_by", d.signer),
		Names:     d.list(t, "names", cleanNamePattern),
		Shadows:   d.list(t, "shadows", cleanNamePattern),
		Provides:  d.list(t, "provides", cleanNamePattern),
	}
	// cleanSize has parsed them; "" is no limit.
	p.MaxSize, _ = parseSize(d.one(t, "max_size", cleanSize))
	p.MaxSizeEach, _ = parseSize(d.one(t, "max_size_each", cleanSize))
	if p.MaxSize > 0 && p.MaxSizeEach > p.MaxSize {
		d.problem(t.at("max_size_each"), "is more than max_size, which all have together")
	}
	if p.Component == "" {
		p.Component = DefaultComponent
	}
	d.required(t, "name")
	d.notEmpty(t, "signed_by")
	d.checkKeyring(t, p.SignedBy)
	return p
}

func (f *formatter) poolValues(p Pool) values {
	return values{
		"name":      quoteSet(p.Name),
		"incoming":  f.path(p.Incoming),
		"component": quoteSet(p.Component),
		"signed_by": f.signers(p.SignedBy),
		"names":     quoteList(p.Names),
		"shadows":   quoteList(p.Shadows),
		"provides":  quoteList(p.Provides),

		"max_size":      quoteSet(formatSize(p.MaxSize)),
		"max_size_each": quoteSet(formatSize(p.MaxSizeEach)),
	}
}
