package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Format writes the file that Parse(c.Path, ...) reads as c again, given that c is valid: every key with a line that
// explains it, paths below the folder of the file relative to it, and what is not set as a comment. c.Path must be
// absolute.
func Format(c *Config) []byte {
	f := &formatter{dir: filepath.Dir(c.Path)}
	f.out.WriteString("# Configuration of aptmirror. Relative paths are relative to the folder of this file.\n\n")
	f.keys(topLevel, values{"state": f.path(c.State)}, true)
	f.section(serveSection, when(c.Serve.Cert != "", f.serveValues(c.Serve)))
	f.section(statusSection, when(c.Status != Status{}, statusValues(c.Status)))
	f.section(cacheSection, when(c.Cache != Cache{}, cacheValues(c.Cache)))
	f.section(clientsSection, when(c.Clients != Clients{}, f.clientsValues(c.Clients)))
	f.section(bundlesSection, when(c.Bundles.isSet(), f.bundlesValues(c.Bundles)))
	f.section(archiveSection, each(c.Archives, f.archiveValues)...)
	f.section(poolSection, each(c.Pools, f.poolValues)...)
	f.section(signingKeySection, each(c.Keys, f.keyValues)...)
	f.section(policySection, each(c.Policies, f.policyValues)...)
	f.repositories(c.Repositories)
	f.section(snapshotSection, each(c.Snapshots, snapshotValues)...)
	f.section(grantSection, each(c.Grants, grantValues)...)
	return []byte(f.out.String())
}

// Excerpt writes tables to be added to a file, without explanations. What an archive lacks to be complete is a comment
// with an example.
func Excerpt(archives []Archive, repositories []Repository) []byte {
	f := &formatter{}
	for _, a := range archives {
		f.hints = nil
		if len(a.Suites) == 0 {
			f.hints = []string{"suites", "components"}
		}
		f.table(archiveSection, f.archiveValues(a), false)
	}
	f.hints = nil
	f.kinds(repositories, false)
	return []byte(strings.TrimPrefix(f.out.String(), "\n"))
}

type formatter struct {
	dir   string   // "": all paths stay absolute
	hints []string // keys that are written as comments where they are not set
	out   strings.Builder
}

// values maps a key to its value in TOML. A missing or empty one is written as a comment with the example.
type values map[string]string

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
		"proxy_mode":   whenTrue(s.ProxyMode),

		"max_connections": formatNumber(s.MaxConnections),
	}
}

func statusValues(s Status) values { return values{"listen": quoteSet(s.Listen)} }

func cacheValues(c Cache) values { return values{"max_size": quoteSet(formatSize(c.MaxSize))} }

func (f *formatter) clientsValues(c Clients) values {
	return values{"ca_cert": f.path(c.CACert), "ca_key": f.path(c.CAKey), "dir": f.path(c.Dir)}
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
		"aliases":       quoteList(a.Aliases),
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

// repositories writes the two kinds in the order of c, each explained at its first, and as a comment the kind that does
// not occur.
func (f *formatter) repositories(repositories []Repository) {
	f.kinds(repositories, true)
	verbatim := func(r Repository) bool { return !r.Built() }
	if !slices.ContainsFunc(repositories, verbatim) {
		f.section(verbatimSection, nil)
	}
	if !slices.ContainsFunc(repositories, Repository.Built) {
		f.section(builtSection, nil)
		f.section(suiteSection, nil)
	}
}

func (f *formatter) kinds(repositories []Repository, explain bool) {
	explained := map[bool]bool{true: !explain, false: !explain}
	for _, r := range repositories {
		s := verbatimSection
		if r.Built() {
			s = builtSection
		}
		f.table(s, f.repositoryValues(r), !explained[r.Built()])
		for i, suite := range r.Suites {
			f.table(suiteSection, suiteValues(suite), i == 0 && !explained[true])
		}
		explained[r.Built()] = true
	}
}

// when gives the values of a table that is there.
func when(set bool, v values) values {
	if !set {
		return nil
	}
	return v
}

// each makes values of a list.
func each[T any](list []T, of func(T) values) (all []values) {
	for _, v := range list {
		all = append(all, of(v))
	}
	return all
}

// table writes one table of several kinds.
func (f *formatter) table(s section, v values, explain bool) {
	if explain {
		fmt.Fprintf(&f.out, "\n# %s", s.about)
	}
	fmt.Fprintf(&f.out, "\n%s\n", s.header())
	f.keys(s, v, explain)
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
		case explain || slices.Contains(f.hints, k.name):
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
	if f.dir == "" {
		return p
	}
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
