package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

var ringFlags = []cli.Flag{
	&cli.BoolFlag{Name: "dry-run", Usage: "only tell which packages would change"},
	&cli.StringFlag{Name: "why", Usage: "a `REASON`, for those who read the history"},
}

func publishCommand() *cli.Command {
	return &cli.Command{
		Name:      "publish",
		Usage:     "make a ring serve what a snapshot pins",
		ArgsUsage: "SNAPSHOT REPOSITORY [SUITE]",
		UsageText: "aptmirror publish june production --dry-run\naptmirror publish june production --why 'tested for a week'",
		Description: "A ring is a repository with publish = \"manual\": it changes by this command alone. It is signed\n" +
			"with a newer Date, whatever the snapshot's age, so that clients follow forwards and backwards.",
		Flags: ringFlags,
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 || c.NArg() > 3 {
				return usagef("publish takes a snapshot, a repository and, where not all are meant, a suite")
			}
			return ringCall(c, "publish", admin.PublishRequest{
				Snapshot: c.Args().Get(0), Repository: c.Args().Get(1), Suite: c.Args().Get(2), Why: c.String("why"), DryRun: c.Bool("dry-run"),
			})
		},
	}
}

func rollbackCommand() *cli.Command {
	return &cli.Command{
		Name:      "rollback",
		Usage:     "make a ring serve what it served before",
		ArgsUsage: "REPOSITORY [SUITE]",
		UsageText: "aptmirror rollback production --dry-run\naptmirror rollback production",
		Description: "What was served before the present state is always kept. Done twice, it ends where it began; older\n" +
			"states are published from their snapshots. apt does not downgrade what machines have installed.",
		Flags: ringFlags,
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return usagef("rollback takes a repository and, where not all are meant, a suite")
			}
			return ringCall(c, "rollback", admin.RollbackRequest{Repository: c.Args().Get(0), Suite: c.Args().Get(1), Why: c.String("why"), DryRun: c.Bool("dry-run")})
		},
	}
}

func ringCall(c *cli.Context, call string, request any) error {
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.PublishResult
		err := client.Call(ctx, call, request, printNews(c.App.ErrWriter), &result)
		switch {
		case result.Suites == nil:
			return err
		case c.Bool("json"):
			return errors.Join(printJSON(c.App.Writer, result), err)
		case result.DryRun:
			printPreview(c.App.Writer, result)
		}
		return err
	})
}

func printPreview(w io.Writer, r admin.PublishResult) {
	for i, s := range r.Suites {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if s.Changes == nil {
			fmt.Fprintf(w, "%s %s: nothing is published yet\n", s.Repository, s.Suite)
			continue
		}
		printSuiteDiff(w, *s.Changes)
	}
}

func historyCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "tell what was published in a repository, when, by whom and why",
		ArgsUsage: "REPOSITORY [SUITE]",
		UsageText: "aptmirror history production",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "also what was only signed again"}},
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return usagef("history takes a repository and, where not all are meant, a suite")
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var history admin.History
				request := admin.HistoryRequest{Repository: c.Args().Get(0), Suite: c.Args().Get(1), All: c.Bool("all")}
				if err := client.Call(ctx, "history", request, func(admin.Event) {}, &history); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, history)
				}
				var rows [][]string
				for _, m := range history.Moves {
					rows = append(rows, historyRow(m))
				}
				return printTable(c.App.Writer, []string{"PUBLISHED", "SUITE", "GENERATION", "BY", "WHY"}, rows)
			})
		},
	}
}

func historyRow(m admin.Moved) []string {
	generation := strconv.FormatUint(m.To.Number, 10)
	if m.From != nil && *m.From == m.To {
		generation += " again"
	}
	return []string{when(m.Published), m.Suite, generation, orDash(who(m.By)), orDash(strings.TrimSpace(m.Why))}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
