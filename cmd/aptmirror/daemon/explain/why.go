// Package explain answers questions about packages and policies, and changes
// nothing that clients see: what became of a package and why, what a changed policy
// would do, what is wrong with rules. It asks the policies and the inputs as a build
// does.
package explain

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/policy"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
	"aptmirror/upstream/debian"
)

// maxCandidates bounds what is told of one package in one suite.
const maxCandidates = 500

// Explainer answers. It is not changed.
type Explainer struct {
	Catalog *catalog.Catalog
	Builder *resign.Builder // for what it selects; nothing is built
	Recipes *recipes.Book
	InForce func() *inforce.Parts
	Now     func() time.Time
}

// Why tells what became of a package in each suite of a repository: what the
// inputs offer now, decided by the policy in force as a build decides it.
func (e *Explainer) Why(ctx context.Context, r admin.WhyRequest) (*admin.WhyResult, error) {
	m := e.InForce()
	repository, err := repositoryNamed(m.Config, r.Repository)
	if err != nil {
		return nil, err
	}
	out := &admin.WhyResult{Repository: r.Repository, Package: r.Package, Suites: []admin.WhySuite{}}
	found, failed := 0, 0
	for _, suite := range m.Config.SuitesOf(repository) {
		w := e.whySuite(ctx, m, repository, suite, r.Package)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		found += len(w.Candidates)
		if w.Error != "" {
			failed++
		}
		out.Suites = append(out.Suites, w)
	}
	if found == 0 && failed == 0 {
		return out, &admin.Error{Text: fmt.Sprintf("no input of repository %s has a package %s, nor one built from a source of that name", r.Repository, r.Package), Exit: admin.ExitFailed}
	}
	return out, partly(failed, len(out.Suites))
}

// partly is the outcome of looking at several suites.
func partly(failed, all int) error {
	switch failed {
	case 0:
		return nil
	case all:
		return &admin.Error{Text: "no suite could be looked at", Exit: admin.ExitFailed}
	}
	return &admin.Error{Text: fmt.Sprintf("%d of %d suites could not be looked at", failed, all), Exit: admin.ExitPartly}
}

func repositoryNamed(c *config.Config, name string) (config.Repository, error) {
	var names []string
	for _, r := range c.Repositories {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return config.Repository{}, &admin.Error{Text: fmt.Sprintf("there is no repository %q; there are %s", name, strings.Join(names, ", ")), Exit: admin.ExitUsage}
}

func (e *Explainer) whySuite(ctx context.Context, m *inforce.Parts, r config.Repository, suite, name string) admin.WhySuite {
	out := admin.WhySuite{Suite: suite, Candidates: []admin.Candidate{}}
	recipe, err := e.recipeInForce(ctx, m, r, suite)
	if err == nil {
		if recipe.Policy != nil {
			out.Policy = recipe.Policy.Name
		}
		q := question{catalog: e.Catalog, name: name, built: r.Built(), served: e.paths(ctx, r.Name, suite), pools: map[string][]catalog.PoolFile{}}
		err = e.Builder.Select(ctx, recipe, func(s *resign.Selection) error { return q.addCandidates(ctx, &out, s) })
	}
	if err != nil {
		out.Error = err.Error()
	}
	slices.SortStableFunc(out.Candidates, newestFirst)
	if more := len(out.Candidates) - maxCandidates; more > 0 {
		out.Candidates, out.Omitted = out.Candidates[:maxCandidates], more
	}
	return out
}

func newestFirst(a, b admin.Candidate) int {
	return cmp.Or(cmp.Compare(a.Package, b.Package), debian.CompareVersions(b.Version, a.Version), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Architecture, b.Architecture))
}

// recipeInForce says what a suite is made from now. One that is served as
// upstream signed it, and a ring, have what they have without any policy.
func (e *Explainer) recipeInForce(ctx context.Context, m *inforce.Parts, r config.Repository, suite string) (resign.Recipe, error) {
	_, s, built := m.Suite(r.Name, suite)
	if !built || s.Ring() {
		return e.Recipes.OfPublished(r.Name, suite)
	}
	if err := m.Faults[s.Policy]; err != nil {
		return resign.Recipe{}, err
	}
	return e.Recipes.Of(ctx, m.Config, m.Policies, r.Name, s)
}

// paths says which paths clients of a suite see. It knows none where nothing is
// published or nothing can be read.
func (e *Explainer) paths(ctx context.Context, repository, suite string) func(string) bool {
	g, err := e.Recipes.Current(repository, suite)
	if err != nil {
		return func(string) bool { return false }
	}
	t, err := e.Catalog.Table(ctx, g)
	if err != nil {
		return func(string) bool { return false }
	}
	return func(path string) bool { _, ok := t.Find(path); return ok }
}

// question is about one package of one suite.
type question struct {
	catalog *catalog.Catalog
	name    string
	built   bool
	served  func(path string) bool
	pools   map[string][]catalog.PoolFile // those that were looked at
}

func (q *question) addCandidates(ctx context.Context, out *admin.WhySuite, s *resign.Selection) error {
	for i := range s.Set.Packages {
		p := &s.Set.Packages[i]
		if p.Name != q.name && p.SourceName != q.name || slices.ContainsFunc(out.Candidates, func(c admin.Candidate) bool { return sameCandidate(c, p) }) {
			continue
		}
		c, err := candidateOf(s, i, q.built)
		if err == nil && p.Input.Pool {
			err = q.tellUpload(ctx, &c)
		}
		if err != nil {
			return err
		}
		c.Served = q.served(c.File)
		out.Candidates = append(out.Candidates, c)
	}
	q.addLeftOut(out, s)
	return ctx.Err()
}

// tellUpload adds who brought a package into a pool. Packages that the site makes
// itself are in none.
func (q *question) tellUpload(ctx context.Context, c *admin.Candidate) (err error) {
	pool, plain, _ := catalog.CutOrigin(c.File)
	files, known := q.pools[pool]
	if !known {
		if files, err = q.catalog.PoolFiles(ctx, pool); err != nil {
			return err
		}
		q.pools[pool] = files
	}
	for _, f := range files {
		if f.Path == plain {
			c.FirstSeen, c.AddedBy, c.Signer = f.Added, f.By, f.Signer
		}
	}
	return nil
}

// sameCandidate finds packages for all architectures again, which are offered
// for each.
func sameCandidate(c admin.Candidate, p *policy.Package) bool {
	return p.Architecture == "all" && c.Architecture == "all" && c.Package == p.Name && c.Version == p.Version && c.Kind == p.Kind.String() && c.From == p.Input.String()
}

// candidateOf copies what it tells: the texts of the selection are used again.
func candidateOf(s *resign.Selection, i int, built bool) (admin.Candidate, error) {
	p, v := &s.Set.Packages[i], s.Decision.Verdicts[i]
	file, err := fileOf(s, i, built)
	return admin.Candidate{
		Package: strings.Clone(p.Name), Version: strings.Clone(p.Version), Architecture: strings.Clone(p.Architecture), Kind: p.Kind.String(),
		From: p.Input.String(), Component: p.Input.Component, Signer: p.Input.Signer, FirstSeen: p.FirstSeen,
		Allowed: v.Allowed(), Reason: v.Reason.String(), Why: s.Decision.Explain(i), Rule: ruleOf(s.Decision, v), Until: v.Until,
		File: strings.Clone(file), SHA256: hex.EncodeToString(p.Digest[:]),
	}, err
}

// fileOf is the path in the repository: of a source that of its .dsc.
func fileOf(s *resign.Selection, i int, built bool) (string, error) {
	file, err := s.File(i)
	if err != nil {
		return "", err
	}
	p := &s.Set.Packages[i]
	if p.Kind == policy.Source {
		for line := range strings.Lines(p.Field("Checksums-Sha256")) {
			if words := strings.Fields(line); len(words) == 3 && strings.HasSuffix(words[2], ".dsc") {
				file += "/" + words[2]
			}
		}
	}
	if !built {
		_, file, _ = catalog.CutOrigin(file) // it lies where upstream has it
	}
	return file, nil
}

func ruleOf(d *policy.Decision, v policy.Verdict) *admin.Rule {
	r := d.Rule(v)
	if r == nil {
		return nil
	}
	return &admin.Rule{File: d.Policy.File, Line: r.Line, Text: r.Text, Comment: r.Comment}
}
