package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/explain"
	"aptmirror/proxy/admin"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name:        "policy",
		Usage:       "look at rules before they count",
		Subcommands: []*cli.Command{policyCheckCommand(), policyDiffCommand()},
		Action:      unknownSubcommand,
	}
}

func policyCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "say what is wrong with the rules, and what has no effect",
		ArgsUsage: "[FILE...]",
		UsageText: "aptmirror policy check\n# rules that are not in the configuration yet\naptmirror policy check new.rules",
		Description: "Looks at the policies of the configuration as it is on disk, or at files of rules: lines that\n" +
			"cannot be read, rules that are never reached, patterns that match nothing, no rule for the rest.\n" +
			"The policies of the configuration are also tried on the packages that are there. Exit codes: 0\n" +
			"nothing found, 1 something found, 2 rules that cannot be read.",
		Action: policyCheck,
	}
}

func policyCheck(c *cli.Context) error {
	var result admin.PolicyCheckResult
	var err error
	if c.NArg() > 0 {
		for _, file := range c.Args().Slice() {
			result.Policies = append(result.Policies, explain.CheckRules(file))
		}
	} else if result, err = checkConfigured(c); err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, result)
	} else {
		printChecks(c.App.Writer, result.Policies)
	}
	return errors.Join(err, outcomeOfCheck(result.Policies))
}

// checkConfigured looks at the text alone where the store cannot be asked.
func checkConfigured(c *cli.Context) (result admin.PolicyCheckResult, err error) {
	loaded, err := loadConfig(c)
	if err != nil {
		return result, err
	}
	result.Policies = explain.CheckPolicies(loaded)
	if !worthTrying(loaded, result.Policies) {
		return result, nil
	}
	var tried admin.PolicyCheckResult
	err = withBackend(c, func(ctx context.Context, client *admin.Client) error {
		return client.Call(ctx, "policy-check", admin.PolicyCheckRequest{}, func(admin.Event) {}, &tried)
	})
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "aptmirror: the rules were not tried on packages: %v\n", err)
		return result, nil
	}
	return tried, nil
}

// worthTrying is false where the rules have to be mended first, and where there
// is no store: to check a configuration must not make one.
func worthTrying(c *config.Config, checks []admin.PolicyCheck) bool {
	used := false
	for _, check := range checks {
		if len(check.Faults) > 0 {
			return false
		}
		used = used || len(check.Suites) > 0
	}
	_, err := os.Stat(c.State)
	return used && err == nil
}

func printChecks(w io.Writer, checks []admin.PolicyCheck) {
	for _, check := range checks {
		for _, f := range append(check.Faults, check.Findings...) {
			printFinding(w, f)
		}
		for _, problem := range check.Conflicts {
			fmt.Fprintf(w, "%s: two inputs disagree: %s\n", check.File, problem)
		}
		for _, unmet := range check.Unmet {
			fmt.Fprintf(w, "%s: unmet: %s\n", check.File, unmet)
		}
		if check.Error != "" {
			fmt.Fprintf(w, "%s: the rules were not tried on all packages: %s\n", check.File, check.Error)
		}
		if len(check.Faults) == 0 {
			fmt.Fprintln(w, summaryOf(check))
		}
	}
}

func printFinding(w io.Writer, f admin.Finding) {
	switch {
	case f.File == "":
		fmt.Fprintln(w, f.Problem)
	case f.Line == 0:
		fmt.Fprintf(w, "%s: %s\n", f.File, f.Problem)
	default:
		fmt.Fprintf(w, "%s:%d:%d: %s\n", f.File, f.Line, f.Column, f.Problem)
	}
	for line := range strings.Lines(f.Caret) {
		fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

func summaryOf(check admin.PolicyCheck) string {
	name := check.File
	if check.Name != "" {
		name = "policy " + check.Name
	}
	text := fmt.Sprintf("%s: %s", name, plural(check.Rules, "rule"))
	switch {
	case check.Packages > 0:
		text += fmt.Sprintf(", tried on %s of %s", plural(check.Packages, "package"), strings.Join(check.Suites, ", "))
	case len(check.Suites) > 0:
		text += ", not tried on packages"
	case check.Name != "":
		text += ", which no suite has"
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func outcomeOfCheck(checks []admin.PolicyCheck) error {
	found := false
	for _, check := range checks {
		if len(check.Faults) > 0 {
			return usageError{errSilent}
		}
		found = found || len(check.Findings) > 0 || len(check.Conflicts) > 0
	}
	if found {
		return errSilent
	}
	return nil
}

func policyDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "tell what the configuration, as it is on disk, would change before it does",
		ArgsUsage: "[REPOSITORY...]",
		UsageText: "aptmirror policy diff\n# with other rules than the configuration has\naptmirror policy diff site --policy workstations --rules new.rules",
		Description: "Compares what clients see of built suites with what would be built of the newest that is there:\n" +
			"added (with +), removed (with -), and which of that a hold has let go or holds back.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "rules", Usage: "rules in `FILE` instead of those of a policy"},
			&cli.StringFlag{Name: "policy", Usage: "the policy that --rules is for, by `NAME`; not needed where there is only one"},
			&cli.BoolFlag{Name: "all", Usage: "list the packages also of suites that were not published yet"},
		},
		Action: policyDiff,
	}
}

func policyDiff(c *cli.Context) error {
	request, err := diffRequest(c)
	if err != nil {
		return err
	}
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.PolicyDiffResult
		err := client.Call(ctx, "policy-diff", request, func(admin.Event) {}, &result)
		switch {
		case result.Suites == nil:
			return err
		case c.Bool("json"):
			return errors.Join(printJSON(c.App.Writer, result), err)
		}
		for _, s := range result.Suites {
			printPolicyDiff(c.App.Writer, s, c.Bool("all"))
		}
		return err
	})
}

func diffRequest(c *cli.Context) (admin.PolicyDiffRequest, error) {
	r := admin.PolicyDiffRequest{Repositories: c.Args().Slice(), Policy: c.String("policy"), File: c.String("rules")}
	switch {
	case r.File == "" && r.Policy == "":
		return r, nil
	case r.File == "":
		return r, usagef("--policy says which policy gets the rules of --rules FILE")
	}
	if r.Policy == "" {
		loaded, err := loadConfig(c)
		if err != nil {
			return r, err
		}
		if len(loaded.Policies) != 1 {
			return r, usagef("there are %d policies: say with --policy which of them --rules is for", len(loaded.Policies))
		}
		r.Policy = loaded.Policies[0].Name
	}
	rules, err := os.ReadFile(r.File)
	if err != nil {
		return r, fmt.Errorf("reading rules: %w", err)
	}
	r.Rules = string(rules)
	return r, nil
}

func printPolicyDiff(w io.Writer, s admin.PolicyDiff, all bool) {
	if s.Error != "" {
		fmt.Fprintf(w, "%s %s: %s\n", s.Repository, s.Suite, s.Error)
		return
	}
	fmt.Fprintln(w, headOfPolicyDiff(s))
	if !s.Published && !all {
		return
	}
	for _, change := range s.Changes {
		sign := "+"
		if change.Effect == "removed" || change.Effect == "held" {
			sign = "-"
		}
		from := ""
		if change.From != "" {
			from = " from " + change.From
		}
		fmt.Fprintf(w, "  %s %s %s %s%s: %s\n", sign, change.Package, change.Version, change.Architecture, from, change.Why)
	}
	if s.Omitted > 0 {
		fmt.Fprintf(w, "  and %d more\n", s.Omitted)
	}
}

func headOfPolicyDiff(s admin.PolicyDiff) string {
	name := s.Repository + " " + s.Suite
	switch {
	case !s.Published:
		return fmt.Sprintf("%s: not published yet, would have %s", name, plural(s.Packages, "package"))
	case s.Added+s.Removed == 0:
		return fmt.Sprintf("%s: nothing would change, %s", name, plural(s.Packages, "package"))
	}
	added, removed := fmt.Sprintf("%d added", s.Added), fmt.Sprintf("%d removed", s.Removed)
	if s.Unheld > 0 {
		added += fmt.Sprintf(" (%d no longer held)", s.Unheld)
	}
	if s.Held > 0 {
		removed += fmt.Sprintf(" (%d held)", s.Held)
	}
	return fmt.Sprintf("%s: %s, %s, would have %s", name, added, removed, plural(s.Packages, "package"))
}
