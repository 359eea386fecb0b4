package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func archiveCommand() *cli.Command {
	return &cli.Command{
		Name:        "archive",
		Usage:       "decide about what an archive sent",
		Subcommands: []*cli.Command{archiveAcceptCommand()},
		Action:      unknownSubcommand,
	}
}

func archiveAcceptCommand() *cli.Command {
	return &cli.Command{
		Name:      "accept",
		Usage:     "take a change that was held: another Origin, Label, Codename or priority, a rollback, a second version",
		ArgsUsage: "ARCHIVE SUITE",
		UsageText: "# what is held, and why\naptmirror status\naptmirror archive accept debian bookworm",
		Description: "A Release with a good signature is held where it says something else of itself than before,\n" +
			"or where time would go backwards. aptmirror status shows what is held and why. Accepting it\n" +
			"takes it, and every newer one that does not change again, and refreshes the suite at once.",
		Action: archiveAccept,
	}
}

func archiveAccept(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("archive accept takes an archive and a suite, as aptmirror status shows them")
	}
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.AcceptResult
		request := admin.AcceptRequest{Archive: c.Args().Get(0), Suite: c.Args().Get(1)}
		err := client.Call(ctx, "accept", request, printNews(c.App.ErrWriter), &result)
		if c.Bool("json") && result.Accepted.What != "" {
			err = errors.Join(printJSON(c.App.Writer, result), err)
		}
		return err
	})
}
