package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func syncCommand() *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "refresh archives now and publish what is new",
		ArgsUsage: "[NAME...]",
		Description: "NAME is an archive, or a repository: then the archives are refreshed that it is made from, and it and\n" +
			"what stands between is built, but nothing else. Without a NAME, it is all of them.\n" +
			"Works with and without a running daemon. Exit codes: 0 all done, 1 nothing could be\n" +
			"refreshed, 3 some suites failed or files are missing, 4 something did not verify.",
		UsageText: "aptmirror sync\n# look first what would come\naptmirror sync debian --dry-run\n# what the repository site is made from, and it alone\naptmirror sync site",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "only tell what would come and how large it is"},
			&cli.BoolFlag{Name: "quiet", Usage: "tell of failures only, for cron, which mails what a command prints"},
		},
		Action: func(c *cli.Context) error {
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var result admin.SyncResult
				news, done := showWork(c.App.ErrWriter)
				if c.Bool("quiet") {
					news = failures(news)
				}
				err := client.Call(ctx, "sync", admin.SyncRequest{Archives: c.Args().Slice(), DryRun: c.Bool("dry-run")}, news, &result)
				done()
				if c.Bool("json") && result.Suites != nil {
					err = errors.Join(printJSON(c.App.Writer, result), err)
				}
				return err
			})
		},
	}
}

// failures passes on only what went wrong.
func failures(news func(admin.Event)) func(admin.Event) {
	return func(e admin.Event) {
		if e.Failed {
			news(e)
		}
	}
}
