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

func gcCommand() *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove states of suites that no client can ask for any more, and the files that only they named",
		Description: "What clients may still be reading stays: every suite's three states before the current one, and\n" +
			"all of the last 72 hours, what snapshots pin, and what rings can be rolled back to. What is taken out\n" +
			"of the configuration is kept for seven days more, for when it comes back; packages of pools stay, as\n" +
			"nothing else has them. The daemon does the same once a day; a mirror without a daemon needs it from\n" +
			"time to time.",
		UsageText: "aptmirror gc --dry-run\naptmirror gc\naptmirror gc --unconfigured --dry-run",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "only tell what would be removed"},
			&cli.BoolFlag{Name: "unconfigured", Usage: "also remove now what is no longer in the configuration"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var result admin.GCResult
				err := client.Call(ctx, "gc", admin.GCRequest{DryRun: c.Bool("dry-run"), Unconfigured: c.Bool("unconfigured")}, func(admin.Event) {}, &result)
				if result.Generations == nil { // there is no result
					return err
				}
				if c.Bool("json") {
					return errors.Join(printJSON(c.App.Writer, result), err)
				}
				printCollected(c.App.Writer, result)
				return err
			})
		},
	}
}

func printCollected(w io.Writer, r admin.GCResult) {
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
	}
	for _, g := range r.Generations {
		fmt.Fprintf(w, "%s generation %d of %s, suite %s\n", verb, g.Number, originOf(g), g.Suite)
	}
	fmt.Fprintf(w, "%s %d files, %s\n", verb, r.Files, size(r.Bytes))
}

// originOf tells mirrored states from those that are built here.
func originOf(g admin.Generation) string {
	if repository, built := strings.CutPrefix(g.Archive, "@"); built {
		return "repository " + repository
	}
	return "archive " + g.Archive
}
