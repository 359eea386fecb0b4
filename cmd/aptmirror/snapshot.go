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

func snapshotCommand() *cli.Command {
	return &cli.Command{
		Name:  "snapshot",
		Usage: "give names to points in time",
		Subcommands: []*cli.Command{
			snapshotCreateCommand(), snapshotListCommand(), snapshotShowCommand(), snapshotDiffCommand(), snapshotCompleteCommand(), snapshotDeleteCommand(),
		},
		Action: unknownSubcommand,
	}
}

func snapshotCreateCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "pin what repositories serve at this moment",
		ArgsUsage: "NAME [REPOSITORY...]",
		UsageText: "aptmirror snapshot create before-upgrade\naptmirror snapshot create june site --complete --comment 'tested in Oslo'",
		Description: "Without repositories, all of them are part of it. A snapshot costs nothing: it keeps indexes from\n" +
			"being removed. With --complete, every package that they name is fetched and kept too. Clients\n" +
			"reach it below /REPOSITORY/snapshot/NAME/, and apt 3 with --snapshot NAME.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "complete", Usage: "fetch and keep every file"},
			&cli.StringFlag{Name: "comment", Usage: "what `TEXT` says, for those who look at it later"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return usagef("snapshot create takes a name")
			}
			request := admin.SnapshotRequest{Name: c.Args().First(), Repositories: c.Args().Tail(), Comment: c.String("comment"), Complete: c.Bool("complete")}
			return snapshotCall(c, "snapshot-create", request)
		},
	}
}

func snapshotCompleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "complete",
		Usage:     "fetch every file of a snapshot that is not there yet, and keep all of them",
		ArgsUsage: "NAME",
		UsageText: "aptmirror snapshot complete june",
		Description: "Interrupted, it goes on where it was. Its files count towards max_size of the store and are not\n" +
			"removed to make room until the snapshot is deleted. Exit code 3: some files cannot be had.",
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c)
			if err != nil {
				return err
			}
			return snapshotCall(c, "snapshot-complete", admin.SnapshotName{Name: name})
		},
	}
}

// snapshotCall makes a call that gives the details of one snapshot.
func snapshotCall(c *cli.Context, call string, request any) error {
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.SnapshotDetails
		news, done := showWork(c.App.ErrWriter)
		err := client.Call(ctx, call, request, news, &result)
		done()
		if result.Name == "" {
			return err
		}
		if c.Bool("json") {
			return errors.Join(printJSON(c.App.Writer, result), err)
		}
		printSnapshot(c.App.Writer, result)
		return err
	})
}

func snapshotShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "tell what a snapshot pins, how much of it is in the store and who serves it",
		ArgsUsage: "NAME",
		UsageText: "aptmirror snapshot show june",
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c)
			if err != nil {
				return err
			}
			return snapshotCall(c, "snapshot", admin.SnapshotName{Name: name})
		},
	}
}

func printSnapshot(w io.Writer, s admin.SnapshotDetails) {
	fmt.Fprintf(w, "snapshot %s\n", s.Name)
	fmt.Fprintf(w, "  made         %s by %s\n", when(s.Created), who(s.By))
	if s.Comment != "" {
		fmt.Fprintf(w, "  comment      %s\n", s.Comment)
	}
	for _, p := range s.Pins {
		fmt.Fprintf(w, "  pins         %s %s, published %s%s\n", p.Repository, p.Suite, when(p.Published), endOf(p))
	}
	fmt.Fprintf(w, "  in the store %d of %d packages, %s of %s%s\n", s.Present, s.Wanted, size(s.PresentBytes), size(s.WantedBytes), completeness(s))
	for _, a := range s.Addresses {
		fmt.Fprintf(w, "  address      %s\n", a)
	}
	for _, r := range s.ServedBy {
		fmt.Fprintf(w, "  served by    %s %s\n", r.Repository, r.Suite)
	}
}

// endOf says when clients refuse what only the archive can sign again.
func endOf(p admin.SnapshotPin) string {
	if p.ValidUntil.IsZero() {
		return ""
	}
	return fmt.Sprintf("; clients take it until %s alone, as the archive signed it: a snapshot of a built repository does not end", when(p.ValidUntil))
}

func completeness(s admin.SnapshotDetails) string {
	switch {
	case s.Complete && s.Present == s.Wanted:
		return "; it is complete, and they are kept"
	case s.Complete:
		return "; it is to be complete: aptmirror snapshot complete " + s.Name + " fetches the rest"
	}
	return "; the others come when they are asked for"
}

func snapshotListCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list snapshots, newest first",
		UsageText: "aptmirror snapshot list\naptmirror snapshot list --json | jq -r '.snapshots[].name'",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var list admin.SnapshotList
				if err := client.Call(ctx, "snapshots", struct{}{}, func(admin.Event) {}, &list); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, list)
				}
				var rows [][]string
				for _, s := range list.Snapshots {
					rows = append(rows, snapshotRow(s))
				}
				return printTable(c.App.Writer, []string{"SNAPSHOT", "MADE", "BY", "SUITES", "COMPLETE", "SERVED BY"}, rows)
			})
		},
	}
}

func snapshotRow(s admin.Snapshot) []string {
	complete := "no"
	switch {
	case !s.Completed.IsZero():
		complete = "since " + when(s.Completed)
	case s.Complete:
		complete = "not yet"
	}
	var served []string
	for _, r := range s.ServedBy {
		served = append(served, r.Repository+"/"+r.Suite)
	}
	return []string{s.Name, when(s.Created), who(s.By), strconv.Itoa(len(s.Pins)), complete, strings.Join(served, " ")}
}

func snapshotDeleteCommand() *cli.Command {
	return &cli.Command{
		Name:        "delete",
		Usage:       "forget a snapshot that no ring serves",
		ArgsUsage:   "NAME",
		UsageText:   "aptmirror snapshot delete june",
		Description: "Clients can no longer reach it, and what only it named goes with the next aptmirror gc.",
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c)
			if err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var gone admin.Snapshot
				err := client.Call(ctx, "snapshot-delete", admin.SnapshotName{Name: name}, func(admin.Event) {}, &gone)
				if err == nil && c.Bool("json") {
					return printJSON(c.App.Writer, gone)
				}
				return err
			})
		},
	}
}
