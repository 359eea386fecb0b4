package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/policy"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
	"aptmirror/upstream/debian"
)

// maxChanges bounds what is told of one suite; the counts are whole.
const maxChanges = 5000

// PolicyDiff compares what clients see of each built suite with what the
// configuration file, as it is now, would make of its inputs.
func (e *Explainer) PolicyDiff(ctx context.Context, r admin.PolicyDiffRequest) (*admin.PolicyDiffResult, error) {
	c, err := config.Load(e.InForce().Config.Path)
	if err != nil {
		return nil, &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	next, err := policiesWith(c, r)
	if err != nil {
		return nil, &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	suites, err := concerned(c, r)
	if err != nil {
		return nil, err
	}
	out, failed := &admin.PolicyDiffResult{Suites: []admin.PolicyDiff{}}, 0
	for _, s := range suites {
		diff := e.diffSuite(ctx, c, s, next)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if diff.Error != "" {
			failed++
		}
		out.Suites = append(out.Suites, diff)
	}
	return out, partly(failed, len(out.Suites))
}

// policiesWith reads the policies, one of them from the request if it says so.
func policiesWith(c *config.Config, r admin.PolicyDiffRequest) (map[string]*policy.Policy, error) {
	all := map[string]*policy.Policy{}
	var errs []error
	for _, p := range c.Policies {
		var err error
		if p.Name == r.Policy {
			all[p.Name], err = policy.Parse(p.Name, r.File, 1, r.Rules)
		} else {
			all[p.Name], err = inforce.ReadPolicy(c, p)
		}
		errs = append(errs, err)
	}
	if _, known := all[r.Policy]; r.Policy != "" && !known {
		return nil, fmt.Errorf("there is no policy %q", r.Policy)
	}
	return all, errors.Join(errs...)
}

// concerned lists the suites that a request is about.
func concerned(c *config.Config, r admin.PolicyDiffRequest) ([]inforce.BuiltSuite, error) {
	var suites []inforce.BuiltSuite
	var names []string
	for _, repository := range c.Repositories {
		if repository.Built() {
			names = append(names, repository.Name)
		}
		for _, s := range repository.Suites {
			if !s.Ring() && (len(r.Repositories) == 0 || slices.Contains(r.Repositories, repository.Name)) && (r.Policy == "" || s.Policy == r.Policy) {
				suites = append(suites, inforce.BuiltSuite{Repository: repository.Name, Suite: s.Name})
			}
		}
	}
	for _, name := range r.Repositories {
		if !slices.Contains(names, name) {
			return nil, &admin.Error{Text: fmt.Sprintf("there is no built repository %q; there are: %s", name, strings.Join(names, ", ")), Exit: admin.ExitUsage}
		}
	}
	if len(suites) == 0 {
		return nil, &admin.Error{Text: "no built suite of the configuration is concerned", Exit: admin.ExitUsage}
	}
	return suites, nil
}

// diffSuite never fails as a whole: the result says what went wrong.
func (e *Explainer) diffSuite(ctx context.Context, c *config.Config, b inforce.BuiltSuite, next map[string]*policy.Policy) admin.PolicyDiff {
	_, s, _ := inforce.SuiteOf(c, b.Repository, b.Suite)
	out := admin.PolicyDiff{Repository: b.Repository, Suite: b.Suite, Policy: s.Policy, Changes: []admin.PolicyChange{}}
	recipe, err := e.Recipes.Of(ctx, c, next, b.Repository, s)
	if err == nil {
		err = e.diffInto(ctx, &out, b, recipe)
	}
	if err != nil {
		out.Error = err.Error()
	}
	slices.SortFunc(out.Changes, func(a, b admin.PolicyChange) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), debian.CompareVersions(a.Version, b.Version), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Architecture, b.Architecture))
	})
	if more := len(out.Changes) - maxChanges; more > 0 {
		out.Changes, out.Omitted = out.Changes[:maxChanges], more
	}
	return out
}

func (e *Explainer) diffInto(ctx context.Context, out *admin.PolicyDiff, b inforce.BuiltSuite, recipe resign.Recipe) error {
	seen, err := e.seen(ctx, b)
	if err != nil {
		return err
	}
	out.Published = seen != nil
	m := e.InForce()
	_, now, _ := m.Suite(b.Repository, b.Suite)
	w := differ{now: e.Now, out: out, seen: seen, before: m.Policies[now.Policy], told: map[string]bool{}}
	if err := e.Builder.Select(ctx, recipe, func(s *resign.Selection) error { return w.compare(ctx, s) }); err != nil {
		return err
	}
	return w.gone(ctx)
}
