package explain

import (
	"context"
	"errors"
	"fmt"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/policy"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// maxTold bounds the unmet relations and the conflicts that are told of.
const maxTold = 50

// CheckPolicies says what is to be said about the policies of a configuration
// without looking at packages.
func CheckPolicies(c *config.Config) []admin.PolicyCheck {
	all := []admin.PolicyCheck{}
	for _, p := range c.Policies {
		parsed, err := inforce.ReadPolicy(c, p)
		check := checkPolicy(parsed, err)
		check.Name, check.Suites = p.Name, suitesWith(c, p.Name)
		if check.File == "" {
			check.File = fileOfPolicy(c, p)
		}
		all = append(all, check)
	}
	return all
}

// checkPolicy says what is to be said about rules that were read, or not.
func checkPolicy(p *policy.Policy, err error) admin.PolicyCheck {
	check := admin.PolicyCheck{Suites: []string{}, Findings: []admin.Finding{}}
	if err != nil {
		check.Faults = faults(err)
		return check
	}
	check.File, check.Rules = p.File, len(p.Rules)
	check.Findings = findings(policy.NewLinter(p))
	return check
}

func fileOfPolicy(c *config.Config, p config.Policy) string {
	if p.File != "" {
		return p.File
	}
	return c.Path
}

// faults lists the lines that cannot be read.
func faults(err error) (all []admin.Finding) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []admin.Finding{{Problem: err.Error()}}
	}
	for _, one := range joined.Unwrap() {
		f := admin.Finding{Problem: one.Error()}
		if fault := (*policy.SyntaxError)(nil); errors.As(one, &fault) {
			f = admin.Finding{File: fault.File, Line: fault.Line, Column: fault.Column, Problem: fault.Msg, Caret: fault.Caret()}
		}
		all = append(all, f)
	}
	return all
}

func findings(l *policy.Linter) []admin.Finding {
	all := []admin.Finding{}
	for _, f := range l.Findings() {
		all = append(all, admin.Finding{File: f.File, Line: f.Line, Column: f.Column, Problem: f.Problem})
	}
	return all
}

func suitesWith(c *config.Config, name string) []string {
	names := []string{}
	for _, r := range c.Repositories {
		for _, s := range r.Suites {
			if s.Policy == name {
				names = append(names, r.Name+"/"+s.Name)
			}
		}
	}
	return names
}

// PolicyCheck looks at the policies of the configuration file as it is now, and
// tries them on what their suites' inputs offer.
func (e *Explainer) PolicyCheck(ctx context.Context) (*admin.PolicyCheckResult, error) {
	c, err := config.Load(e.InForce().Config.Path)
	if err != nil {
		return nil, &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	out := &admin.PolicyCheckResult{Policies: CheckPolicies(c)}
	for i := range out.Policies {
		check := &out.Policies[i]
		if len(check.Faults) > 0 || len(check.Suites) == 0 {
			continue
		}
		if err := e.tryPolicy(ctx, c, check); err != nil {
			check.Error = err.Error()
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// tryPolicy tries a policy in each suite that has it.
func (e *Explainer) tryPolicy(ctx context.Context, c *config.Config, check *admin.PolicyCheck) error {
	p, err := policyNamed(c, check.Name)
	if err != nil {
		return err
	}
	l := policy.NewLinter(p)
	for _, r := range c.Repositories {
		for _, s := range r.Suites {
			if s.Policy != check.Name {
				continue
			}
			recipe, err := e.Recipes.Of(ctx, c, map[string]*policy.Policy{check.Name: p}, r.Name, s)
			if err != nil {
				return err
			}
			if err := e.Builder.Select(ctx, recipe, func(s *resign.Selection) error {
				tell(check, s)
				return l.Try(ctx, s.Set, e.Now())
			}); err != nil {
				return err
			}
		}
	}
	check.Findings = findings(l)
	return nil
}

func policyNamed(c *config.Config, name string) (*policy.Policy, error) {
	for _, p := range c.Policies {
		if p.Name == name {
			return inforce.ReadPolicy(c, p)
		}
	}
	return nil, fmt.Errorf("there is no policy %q", name)
}

// tell adds what a selection has that is not in order.
func tell(check *admin.PolicyCheck, s *resign.Selection) {
	check.Packages += len(s.Set.Packages)
	for _, u := range s.Decision.Unmet {
		if len(check.Unmet) < maxTold {
			check.Unmet = append(check.Unmet, fmt.Sprintf("%s: %s", s.Set.Packages[u.Package].FullName(), u))
		}
	}
	for _, c := range s.Decision.Conflicts() {
		if len(check.Conflicts) < maxTold {
			check.Conflicts = append(check.Conflicts, c.Error())
		}
	}
}

// CheckRules says what is to be said about a file of rules, without a
// configuration.
func CheckRules(file string) admin.PolicyCheck {
	text, err := inforce.ReadRules(file)
	if err != nil {
		return checkPolicy(nil, fmt.Errorf("reading rules: %w", err))
	}
	check := checkPolicy(policy.Parse("", file, 1, text))
	check.File = file
	return check
}
