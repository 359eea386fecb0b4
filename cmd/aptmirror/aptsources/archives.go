package aptsources

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
)

const (
	// maxCells is the number of different suites, over all archives, beyond which entries are skipped: lists multiply.
	maxCells = 10000
	// maxName is the length in bytes of a name that the configuration allows.
	maxName = 64
)

// Archive is what a machine uses of one upstream, in values that the configuration takes.
type Archive struct {
	// Name is unique: the last element of the URI's path, or without a path, the label of the host left of its domain. That
	// of a PPA of Ubuntu's is its owner's and its own; where several would be called the same, suites tell them apart.
	Name string
	// URI is http or https, without a slash at the end.
	URI string
	// Suites and Components belong together: an archive has every component in every suite.
	Suites, Components []string
	// Architectures ends in "source" where source packages are used.
	Architectures []string
	Languages     []string
	// SignedBy and SignedByKey are as in Source.
	SignedBy    []string
	SignedByKey []byte
}

// HasKeyring reports whether the archive names a key or a keyring. Otherwise TrustedKeyrings apply, or those keys of them
// whose fingerprints SignedBy has.
func (a Archive) HasKeyring() bool {
	return len(a.SignedByKey) > 0 || slices.ContainsFunc(a.SignedBy, filepath.IsAbs)
}

// Archives merges sources into archives, in their order. Suites of one URI are in one archive where keyring, components,
// architectures and languages agree. Several entries for one suite add up, also for source packages: where the entries
// for deb and deb-src differ in their components, the archive has both kinds of all components.
//
// What cannot be mirrored is skipped with a reason: other URIs than http and https, archives whose signatures are not to
// be checked, values that the configuration does not allow. Disabled sources are left out silently.
func Archives(sources []Source) ([]Archive, []Skipped) {
	m := &merger{index: map[string]*cell{}}
	for _, s := range sources {
		if s.Enabled {
			m.source(s)
		}
	}
	archives := m.group()
	nameAll(archives)
	return archives, m.skipped
}

// cell is what the sources say about one suite of one URI under one keyring.
type cell struct {
	Archive        // with one suite
	keyring string // SignedBy and SignedByKey, to compare
	source  bool
}

type merger struct {
	cells   []*cell
	index   map[string]*cell
	skipped []Skipped
}

func (m *merger) skip(s Source, reason error) {
	skipped := Skipped{s.File, s.Line, reason.Error()}
	if !slices.Contains(m.skipped, skipped) {
		m.skipped = append(m.skipped, skipped)
	}
}

func (m *merger) source(s Source) {
	switch s.Trusted {
	case "yes":
		m.skip(s, errors.New("trusted=yes: signatures are always checked here; remove the option and name the keyring with Signed-By"))
		return
	case "no":
		m.skip(s, errors.New("trusted=no: the archive is not to be trusted, whatever its signature"))
		return
	}
	s, ok := m.cleanLists(s)
	if !ok {
		return
	}
	for _, u := range s.URIs {
		uri, err := cleanURI(u)
		if err != nil {
			m.skip(s, err)
			continue
		}
		for _, suite := range s.Suites {
			m.suite(s, uri, suite)
		}
	}
}

// cleanLists drops single values that the configuration does not allow; ok is false where nothing is left.
func (m *merger) cleanLists(s Source) (cleaned Source, ok bool) {
	flat := len(s.Components) == 0
	clean := func(values []string, allow func(string) (string, error)) []string {
		var out []string
		for _, v := range values {
			c, err := allow(v)
			if err != nil {
				m.skip(s, err)
			} else if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
		return out
	}
	s.Components = clean(s.Components, config.CleanComponent)
	s.Suites = clean(s.Suites, config.CleanSuite)
	s.Languages = clean(s.Languages, config.CleanLanguage)
	s.Architectures = clean(s.Architectures, config.CleanArchitecture)
	if !slices.Contains(s.Types, "deb") {
		s.Architectures, s.Languages = nil, nil
	} else if len(s.Architectures) == 0 {
		m.skip(s, errors.New("no architecture is left to mirror"))
	}
	usable := len(s.Architectures) > 0 || slices.Contains(s.Types, "deb-src")
	return s, usable && (flat || len(s.Components) > 0)
}

func (m *merger) suite(s Source, uri, suite string) {
	keyring := strings.Join(s.SignedBy, ",") + "\n" + string(s.SignedByKey)
	key := uri + " " + suite + " " + keyring
	c := m.index[key]
	if c == nil {
		if len(m.cells) == maxCells {
			m.skip(s, fmt.Errorf("more than %d suites in all sources", maxCells))
			return
		}
		c = &cell{keyring: keyring}
		c.URI, c.Suites, c.SignedBy, c.SignedByKey = uri, []string{suite}, s.SignedBy, s.SignedByKey
		m.cells, m.index[key] = append(m.cells, c), c
	}
	c.Components = union(c.Components, s.Components)
	c.Architectures = union(c.Architectures, s.Architectures)
	c.Languages = union(c.Languages, s.Languages)
	c.source = c.source || slices.Contains(s.Types, "deb-src")
}

func union(a, b []string) []string {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(a, v)
		}
	}
	return a
}

// group makes archives of cells that differ in the suite only.
func (m *merger) group() []Archive {
	var archives []Archive
	index := map[string]int{}
	for _, c := range m.cells {
		a := c.Archive
		if c.source {
			a.Architectures = union(a.Architectures, []string{"source"})
		}
		key := strings.Join([]string{
			a.URI, strings.Join(a.Components, ","), sortedList(a.Architectures), sortedList(a.Languages), c.keyring,
		}, " ")
		i, ok := index[key]
		if !ok {
			index[key] = len(archives)
			archives = append(archives, a)
			continue
		}
		archives[i].Suites = append(archives[i].Suites, a.Suites...)
	}
	return archives
}

func sortedList(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), ",") }

// cleanURI says more about URIs that apt knows and a mirror cannot use than that they are not http.
func cleanURI(s string) (string, error) {
	scheme, _, _ := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case strings.HasPrefix(scheme, "mirror"):
		return "", fmt.Errorf("%s: is a list of mirrors: name the mirrors themselves as uris of an archive", scheme)
	case strings.HasPrefix(scheme, "tor+"):
		return "", fmt.Errorf("%s: goes through Tor, which is not supported; use http or https", scheme)
	case scheme != "http" && scheme != "https":
		return "", fmt.Errorf("%s: cannot be mirrored, only http and https can", scheme)
	}
	return config.CleanURI(s)
}

// nameAll derives the names. Where one is taken, the archive is told apart by its suite, or by number.
func nameAll(archives []Archive) {
	taken := map[string]bool{}
	for i := range archives {
		a := &archives[i]
		name := nameOf(a.URI)
		if taken[name] {
			name = cmp.Or(cleanName(name+"-"+a.Suites[0]), name)
		}
		base := name
		for n := 2; taken[name]; n++ {
			suffix := fmt.Sprintf("-%d", n)
			name = base[:min(len(base), maxName-len(suffix))] + suffix
		}
		a.Name, taken[name] = name, true
	}
}

func nameOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "archive"
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(segments) == 3 && segments[2] == "ubuntu" { // /OWNER/PPA/ubuntu
		segments = []string{segments[0] + "-" + segments[1]}
	}
	return cmp.Or(cleanName(segments[len(segments)-1]), cleanName(hostLabel(u.Hostname())), "archive")
}

// hostLabel is the label left of the top-level domain: what people call the site.
func hostLabel(host string) string {
	labels := strings.Split(host, ".")
	if net.ParseIP(host) != nil || len(labels) < 2 {
		return host
	}
	return labels[len(labels)-2]
}

var notInName = regexp.MustCompile(`[^a-z0-9.-]+`)

func cleanName(s string) string {
	b := notInName.ReplaceAll(bytes.ToLower([]byte(s)), []byte("-"))
	b = bytes.TrimLeft(b, ".-")
	return string(bytes.TrimRight(b[:min(len(b), maxName)], ".-"))
}
