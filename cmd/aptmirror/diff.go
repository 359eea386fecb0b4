package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func snapshotDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "tell which packages were added, removed, upgraded and downgraded between two snapshots",
		ArgsUsage: "SNAPSHOT [SNAPSHOT]",
		UsageText: "# what has changed since\naptmirror snapshot diff june\naptmirror snapshot diff may june --json | jq '.suites[].total'",
		Description: "With one snapshot, or with \"now\" for the other, what is served at present. Packages stand under the\n" +
			"source package that they are built from. \"replaced\" is a version that has other bytes than before.",
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return usagef("snapshot diff takes one snapshot or two")
			}
			request := admin.DiffRequest{From: c.Args().Get(0), To: "now"}
			if c.NArg() == 2 {
				request.To = c.Args().Get(1)
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var diff admin.Diff
				if err := client.Call(ctx, "snapshot-diff", request, func(admin.Event) {}, &diff); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, diff)
				}
				printDiff(c.App.Writer, diff)
				return nil
			})
		},
	}
}

func printDiff(w io.Writer, d admin.Diff) {
	for i, s := range d.Suites {
		if i > 0 {
			fmt.Fprintln(w)
		}
		printSuiteDiff(w, s)
	}
}

func printSuiteDiff(w io.Writer, s admin.SuiteDiff) {
	name := s.Repository + " " + s.Suite
	switch {
	case s.OnlyIn != "":
		fmt.Fprintf(w, "%s: only in %s\n", name, s.OnlyIn)
		return
	case len(s.Sources) == 0:
		fmt.Fprintf(w, "%s: no package differs\n", name)
		return
	}
	t := s.Total
	fmt.Fprintf(w, "%s: %d added, %d removed, %d upgraded, %d downgraded, %d replaced; %s are new\n", name, t.Added, t.Removed, t.Upgraded, t.Downgraded, t.Replaced, size(t.Bytes))
	for _, source := range s.Sources {
		fmt.Fprintf(w, "  %s %s\n", source.Name, versions(source.From, source.To))
		for _, p := range source.Packages {
			fmt.Fprintf(w, "    %-10s  %s %s  %s  %s\n", p.Kind, p.Name, p.Architecture, versions(p.From, p.To), sizes(p))
		}
	}
}

func versions(from, to string) string {
	switch {
	case from == "" || from == to:
		return to
	case to == "":
		return from
	}
	return from + " -> " + to
}

func sizes(p admin.PackageChange) string {
	var both []string
	if p.From != "" {
		both = append(both, size(p.FromSize))
	}
	if p.To != "" {
		both = append(both, size(p.ToSize))
	}
	return strings.Join(both, " -> ")
}
