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
		ArgsUsage: "[ARCHIVE...]",
		Description: "Works with and without a running daemon. Exit codes: 0 all done, 1 nothing could be\n" +
			"refreshed, 3 some suites failed or files are missing, 4 something did not verify.",
		UsageText: "aptmirror sync\n# look first what would come\naptmirror sync debian --dry-run",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "only tell what would come and how large it is"},
		},
		Action: func(c *cli.Context) error {
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var result admin.SyncResult
				news, done := showWork(c.App.ErrWriter)
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
