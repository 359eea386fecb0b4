package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Format writes the file that Parse(c.Path, ...) reads as c again, given that c is valid: every key with a line that
// explains it, paths below the folder of the file relative to it, and what is not set as a comment. c.Path must be
// absolute.
func Format(c *Config) []byte {
	f := &formatter{dir: filepath.Dir(c.Path)}
	f.out.WriteString("# Configuration of aptmirror. Relative paths are relative to the folder of this file.\n\n")
	f.keys(topLevel, values{"state": f.path(c.State)}, true)
	f.serve(c.Serve)
	f.cache(c.Cache)
	f.clients(c.Clients)
	f.archives(c.Archives)
	f.repositories(c.Repositories)
	f.grants(c.Grants)
	return []byte(f.out.String())
}

type formatter struct {
	dir string
	out strings.Builder
}

// values maps a key to its value in TOML. A missing or empty one is written as a comment with the example.
type values map[string]string

func (f *formatter) serve(s Serve) {
	if s.Cert == "" {
		f.section(serveSection, nil)
		return
	}
	f.section(serveSection, f.serveValues(s))
}

func (f *formatter) serveValues(s Serve) values {
	return values{
		"listen":       quoteList(s.Listen),
		"public_url":   quoteSet(s.PublicURL),
		"cert":         f.path(s.Cert),
		"key":          f.path(s.Key),
		"client_ca":    f.paths(s.ClientCA),
		"crl":          f.paths(s.CRL),
		"crl_grace":    quote(formatDuration(s.CRLGrace)),
		"crl_required": whenTrue(s.CRLRequired),
		"cn_allowed":   whenTrue(s.CNAllowed),
		"client_auth":  quoteSet(s.ClientAuth),
		"server_ca":    f.path(s.ServerCA),
	}
}

func (f *formatter) cache(c Cache) {
	if c == (Cache{}) {
		f.section(cacheSection, nil)
		return
	}
	f.section(cacheSection, cacheValues(c))
}

func cacheValues(c Cache) values { return values{"max_size": quoteSet(formatSize(c.MaxSize))} }

func (f *formatter) clients(c Clients) {
	if c == (Clients{}) {
		f.section(clientsSection, nil)
		return
	}
	f.section(clientsSection, f.clientsValues(c))
}

func (f *formatter) clientsValues(c Clients) values {
	return values{"ca_cert": f.path(c.CACert), "ca_key": f.path(c.CAKey), "dir": f.path(c.Dir)}
}

func (f *formatter) archives(archives []Archive) {
	var list []values
	for _, a := range archives {
		list = append(list, f.archiveValues(a))
	}
	f.section(archiveSection, list...)
}

func (f *formatter) archiveValues(a Archive) values {
	v := values{
		"name":          quoteSet(a.Name),
		"uris":          quoteAll(a.URIs),
		"suites":        quoteList(a.Suites),
		"components":    quoteList(a.Components),
		"architectures": quoteList(a.Architectures),
		"languages":     quoteAll(a.Languages),
		"signed_by":     f.signers(a.SignedBy),
		"download":      quoteSet(a.Download),
		"installer":     whenTrue(a.Installer),
	}
	if len(a.URIs) > 0 && a.Refresh > 0 {
		v["refresh"] = quote(formatDuration(a.Refresh))
	}
	if a.MaxAge > 0 {
		v["max_age"] = quote(formatDuration(a.MaxAge))
	}
	f.routeValues(v, a)
	return v
}

func (f *formatter) repositories(repositories []Repository) {
	var list []values
	for _, r := range repositories {
		list = append(list, repositoryValues(r))
	}
	f.section(repositorySection, list...)
}

func repositoryValues(r Repository) values {
	return values{"name": quoteSet(r.Name), "archive": quoteSet(r.Archive)}
}

func (f *formatter) grants(grants []Grant) {
	var list []values
	for _, g := range grants {
		list = append(list, grantValues(g))
	}
	f.section(grantSection, list...)
}

func grantValues(g Grant) values {
	return values{"identity": quoteSet(g.Identity), "read": quoteList(g.Read)}
}

// section writes one table for each of the values; the keys are explained in the first one. Without values the whole table
// is written as a comment.
func (f *formatter) section(s section, list ...values) {
	fmt.Fprintf(&f.out, "\n# %s\n", s.about)
	if len(list) == 0 || list[0] == nil {
		fmt.Fprintf(&f.out, "#%s\n", s.header())
		f.keys(s, nil, true)
		return
	}
	for i, v := range list {
		if i > 0 {
			f.out.WriteString("\n")
		}
		fmt.Fprintf(&f.out, "%s\n", s.header())
		f.keys(s, v, i == 0)
	}
}

// keys writes what stands below a header. A comment has a blank after "#", a key that is not set has none, so that
// removing one character sets it.
func (f *formatter) keys(s section, v values, explain bool) {
	for _, k := range s.keys {
		if explain {
			fmt.Fprintf(&f.out, "# %s\n", k.about)
		}
		switch {
		case v[k.name] != "":
			fmt.Fprintf(&f.out, "%s = %s\n", k.name, v[k.name])
		case explain:
			fmt.Fprintf(&f.out, "#%s = %s\n", k.name, k.example)
		}
	}
}

func (f *formatter) path(p string) string {
	if p == "" {
		return ""
	}
	return quote(f.relative(p))
}

func (f *formatter) paths(list []string) string {
	var relative []string
	for _, p := range list {
		relative = append(relative, f.relative(p))
	}
	return quoteList(relative)
}

func (f *formatter) relative(p string) string {
	r, err := filepath.Rel(f.dir, p)
	if err != nil || !filepath.IsLocal(r) {
		return p
	}
	return r
}

// signers keeps a file whose name could be taken for a fingerprint apart from fingerprints.
func (f *formatter) signers(list []string) string {
	var out []string
	for _, s := range list {
		if filepath.IsAbs(s) {
			s = f.relative(s)
			if hexForm.MatchString(strings.ReplaceAll(s, " ", "")) {
				s = "./" + s
			}
		}
		out = append(out, s)
	}
	return quoteList(out)
}

// quoteSet, quoteList are "" for nothing: the key is not set.
func quoteSet(s string) string {
	if s == "" {
		return ""
	}
	return quote(s)
}

func quoteList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return quoteAll(list)
}

// whenTrue is "" for false, which is every default.
func whenTrue(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// quoteAll writes [] for an empty list, for keys where that has a meaning of its own.
func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
