package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Values of [Suite.Publish].
const (
	// Auto publishes each new generation of the suite by itself.
	Auto = "auto"
	// Manual makes the suite a ring: it changes only when somebody publishes to it.
	Manual = "manual"
)

// Kinds of [Source].
const (
	FromArchive    = "archive"
	FromPool       = "pool"
	FromRepository = "repository"
)

// Repository is one [[repository]]: what clients see under /NAME/. It is verbatim (Archive is set: upstream's bytes with
// upstream's signature) or built (SignWith and Suites are set).
type Repository struct {
	// Name is unique among the repositories and the first element of the address.
	Name string
	// Archive is the name of an archive of the same file. Empty: the repository is built.
	Archive string

	// SignWith signs a built repository, at least one: absolute paths of private keys, and "key:NAME" for a key of the file.
	SignWith []string
	// Origin and Label stand in the Release of a built repository. Both default to Name.
	Origin, Label string
	// Description stands in its Release. Optional.
	Description string
	// ValidFor is how long its Release counts after it was signed, at least MinValidFor. Defaults to DefaultValidFor.
	ValidFor time.Duration
	// Suites are those of a built repository, at least one.
	Suites []Suite
}

// Built reports whether the site makes and signs the repository itself.
func (r Repository) Built() bool { return r.Archive == "" }

// Suite is one [[repository.suite]] of a built repository.
type Suite struct {
	// Name is a directory below dists/ and unique in the repository. Codename defaults to Name.
	Name, Codename string
	// From are the sources whose packages the suite has, at least one. Of packages that several have in the same version,
	// those of the first source count.
	From []Source
	// Policy is the name of a policy of the same file. Empty: everything is let through.
	Policy string
	// Components and Architectures restrict what the sources have. Empty: all of it.
	Components, Architectures []string
	// Publish is Auto or Manual. Defaults to Auto. A Manual suite has exactly one source, the suite of the same name of
	// another built repository, and none of Policy, Components, Architectures, Contents and KeyringPackage.
	Publish string
	// NotAutomatic and ButAutomaticUpgrades are the fields of the Release: apt prefers other suites. Default to false.
	NotAutomatic, ButAutomaticUpgrades bool
	// Contents adds lists of which package has which file. Defaults to false.
	Contents bool
	// KeyringPackage adds a package with the public halves of the keys that sign. Defaults to false.
	KeyringPackage bool
}

// Ring reports whether the suite changes only when somebody publishes to it.
func (s Suite) Ring() bool { return s.Publish == Manual }

// Source is one entry of [Suite.From]: archive:NAME/SUITE, pool:NAME or repository:NAME/SUITE.
type Source struct {
	// Kind is FromArchive, FromPool or FromRepository.
	Kind string
	// Name is that of an archive, a pool or a built repository of the same file.
	Name string
	// Suite is one of the suites there. Empty for a pool, which has none.
	Suite string
}

// String is the spelling of the file.
func (s Source) String() string {
	if s.Kind == FromPool {
		return s.Kind + ":" + s.Name
	}
	return s.Kind + ":" + s.Name + "/" + s.Suite
}

// SuitesOf names the suites of a repository in the order of the file.
func (c *Config) SuitesOf(r Repository) []string {
	var names []string
	if !r.Built() {
		for _, a := range c.Archives {
			if a.Name == r.Archive {
				names = append(names, a.Suites...)
			}
		}
	}
	for _, s := range r.Suites {
		names = append(names, s.Name)
	}
	return names
}

func (d *decoder) repository(t *table, c *Config) Repository {
	d.required(t, "name")
	r := Repository{Name: d.one(t, "name", cleanName), Archive: d.one(t, "archive", cleanName)}
	if t.nodes["archive"] != nil {
		d.verbatim(t, r, c)
		return r
	}
	if t.nodes["sign_with"] == nil && t.nodes["suite"] == nil {
		d.problem(t.at("archive"), "is required; leave it out only for a repository that is built, with sign_with and [[repository.suite]]")
		return r
	}
	r.SignWith = d.list(t, "sign_with", d.signingKey(c))
	r.Origin = d.one(t, "origin", cleanField)
	r.Label = d.one(t, "label", cleanField)
	r.Description = d.one(t, "description", cleanField)
	r.ValidFor = d.duration(t, "valid_for", MinValidFor)
	d.builtDefaults(&r)
	d.required(t, "sign_with", "suite")
	d.notEmpty(t, "sign_with", "suite")
	r.Suites = entries(d, t, suiteSection, names{}, func(t *table) Suite { return d.suite(t, c) })
	return r
}

func (d *decoder) verbatim(t *table, r Repository, c *Config) {
	names := c.ArchiveNames()
	if r.Archive != "" && !slices.Contains(names, r.Archive) {
		d.problem(t.at("archive"), "there is no archive %q%s", r.Archive, DidYouMean(r.Archive, names))
	}
	for _, k := range builtSection.allowed() {
		if k != "name" && t.nodes[k] != nil {
			d.problem(t.at(k), "leave it out: a repository with the key archive is served as upstream signed it; one that is built has sign_with and [[repository.suite]] instead")
		}
	}
}

func (d *decoder) builtDefaults(r *Repository) {
	if r.Origin == "" {
		r.Origin = r.Name
	}
	if r.Label == "" {
		r.Label = r.Name
	}
	if r.ValidFor == 0 {
		r.ValidFor = DefaultValidFor
	}
}

func (d *decoder) suite(t *table, c *Config) Suite {
	s := Suite{
		Name:          d.one(t, "name", cleanBuiltSuite),
		Codename:      d.one(t, "codename", cleanBuiltSuite),
		Policy:        d.one(t, "policy", cleanName),
		Components:    d.list(t, "components", CleanComponent),
		Architectures: d.list(t, "architectures", CleanArchitecture),
		Publish:       d.one(t, "publish", oneOf(Auto, Manual)),

		NotAutomatic:         d.yes(t, "not_automatic"),
		ButAutomaticUpgrades: d.yes(t, "but_automatic_upgrades"),
		Contents:             d.yes(t, "contents"),
		KeyringPackage:       d.yes(t, "keyring_package"),
	}
	for _, from := range d.list(t, "from", cleanSource) {
		s.From = append(s.From, sourceOf(from))
	}
	if s.Codename == "" {
		s.Codename = s.Name
	}
	if s.Publish == "" {
		s.Publish = Auto
	}
	d.required(t, "name", "from")
	d.notEmpty(t, "from", "components", "architectures")
	if s.ButAutomaticUpgrades && !s.NotAutomatic {
		d.problem(t.at("but_automatic_upgrades"), "needs not_automatic = true: apt ignores it otherwise")
	}
	d.checkPolicy(t, s, c)
	return s
}

func (d *decoder) checkPolicy(t *table, s Suite, c *Config) {
	var names []string
	for _, p := range c.Policies {
		names = append(names, p.Name)
	}
	if s.Policy != "" && !slices.Contains(names, s.Policy) {
		d.problem(t.at("policy"), "there is no policy %q%s", s.Policy, DidYouMean(s.Policy, names))
	}
}

func cleanBuiltSuite(s string) (string, error) {
	if clean, err := CleanSuite(s); err != nil || clean != s || strings.HasSuffix(s, "/") {
		return "", fmt.Errorf(`%q is not the suite of a built repository: a name or relative path such as "stable" or "stable/updates"`, s)
	}
	return s, nil
}

// cleanSource checks the form of an entry of from; what it names is looked up when all repositories are known.
func cleanSource(s string) (string, error) {
	kind, rest, _ := strings.Cut(s, ":")
	name, suite, hasSuite := strings.Cut(rest, "/")
	var err error
	switch {
	case kind != FromArchive && kind != FromPool && kind != FromRepository:
		return "", fmt.Errorf("%q is not a source: write archive:NAME/SUITE, pool:NAME or repository:NAME/SUITE", s)
	case kind == FromPool && hasSuite:
		return "", fmt.Errorf("%q: a pool has no suites: write pool:%s", s, name)
	case kind != FromPool && !hasSuite:
		return "", fmt.Errorf("%q has no suite: write %s:NAME/SUITE", s, kind)
	case hasSuite:
		suite, err = CleanSuite(suite)
	}
	if err == nil {
		_, err = cleanName(name)
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", s, err)
	}
	return Source{kind, name, suite}.String(), nil
}

// sourceOf reads what cleanSource gave; it is zero for an entry that was reported.
func sourceOf(s string) Source {
	kind, rest, _ := strings.Cut(s, ":")
	name, suite, _ := strings.Cut(rest, "/")
	return Source{kind, name, suite}
}

func (f *formatter) repositoryValues(r Repository) values {
	v := values{
		"name":        quoteSet(r.Name),
		"archive":     quoteSet(r.Archive),
		"sign_with":   f.signWith(r.SignWith),
		"origin":      quoteSet(r.Origin),
		"label":       quoteSet(r.Label),
		"description": quoteSet(r.Description),
	}
	if r.ValidFor > 0 {
		v["valid_for"] = quote(formatDuration(r.ValidFor))
	}
	return v
}

func suiteValues(s Suite) values {
	var from []string
	for _, source := range s.From {
		from = append(from, source.String())
	}
	return values{
		"name":            quoteSet(s.Name),
		"codename":        quoteSet(s.Codename),
		"from":            quoteList(from),
		"policy":          quoteSet(s.Policy),
		"components":      quoteList(s.Components),
		"architectures":   quoteList(s.Architectures),
		"publish":         quoteSet(s.Publish),
		"not_automatic":   whenTrue(s.NotAutomatic),
		"contents":        whenTrue(s.Contents),
		"keyring_package": whenTrue(s.KeyringPackage),

		"but_automatic_upgrades": whenTrue(s.ButAutomaticUpgrades),
	}
}
