package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func whyCommand() *cli.Command {
	return &cli.Command{
		Name:      "why",
		Usage:     "say why a repository has a package, or has it not",
		ArgsUsage: "REPOSITORY PACKAGE",
		UsageText: "aptmirror why site nethack\n# all that is built from one source\naptmirror why site linux",
		Description: "Lists every version that the inputs of each suite offer, the rule that decided about it with its\n" +
			"comment, where it is from, who signed that, when it was first seen, and its file. What is decided\n" +
			"and what is served differ until the next build.",
		Action: why,
	}
}

func why(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("why takes a repository and the name of a package")
	}
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.WhyResult
		err := client.Call(ctx, "why", admin.WhyRequest{Repository: c.Args().Get(0), Package: c.Args().Get(1)}, func(admin.Event) {}, &result)
		switch {
		case result.Suites == nil:
			return err
		case c.Bool("json"):
			return errors.Join(printJSON(c.App.Writer, result), err)
		}
		for _, s := range result.Suites {
			printWhy(c.App.Writer, result.Repository, s)
		}
		return err
	})
}

func printWhy(w io.Writer, repository string, s admin.WhySuite) {
	head := repository + " " + s.Suite
	if s.Policy != "" {
		head += ", policy " + s.Policy
	}
	switch {
	case s.Error != "":
		fmt.Fprintf(w, "%s: %s\n", head, s.Error)
	case len(s.Candidates) > 0:
		fmt.Fprintln(w, head)
	}
	for _, c := range s.Candidates {
		printCandidate(w, c)
	}
	if s.Omitted > 0 {
		fmt.Fprintf(w, "  and %d more\n", s.Omitted)
	}
}

func printCandidate(w io.Writer, c admin.Candidate) {
	fmt.Fprintf(w, "  %s %s %s from %s %s: %s\n", c.Package, c.Version, c.Architecture, c.From, c.Component, c.Why)
	details := [][2]string{{"file", c.File}, {"sha256", c.SHA256}, {"signed by", c.Signer}, {"added by", who(c.AddedBy)}, {"first seen", firstSeen(c)}, {"served", served(c)}}
	for _, d := range details {
		if d[1] != "" {
			fmt.Fprintf(w, "    %-11s %s\n", d[0], d[1])
		}
	}
}

func firstSeen(c admin.Candidate) string {
	switch {
	case !c.FirstSeen.IsZero():
		return when(c.FirstSeen)
	case strings.HasPrefix(c.From, "archive:"):
		return "when the archive was, or before"
	}
	return ""
}

// served says where what clients see is not what was decided.
func served(c admin.Candidate) string {
	switch {
	case c.Served && !c.Allowed:
		return "still, until the next build"
	case !c.Served && c.Allowed:
		return "not yet, or from another input"
	case c.Served:
		return "yes"
	}
	return "no"
}
