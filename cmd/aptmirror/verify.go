package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:  "verify",
		Usage: "read the store back: every path, file, digest and signature",
		Description: "Names everything that is not as it was signed. Exit code 4 if there is any such thing.\n" +
			"Files that no client has asked for yet are not in the store; that is no fault. Nor is what is left of\n" +
			"archives and repositories that are no longer configured: it is said that it was not checked.\n" +
			"--quick looks in seconds whether everything is there that must be. --repair drops damaged files,\n" +
			"which come again when they are asked for, and fetches again what is needed, while upstream has it.",
		UsageText: "aptmirror verify --quick\naptmirror verify --repair",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "do not read packages, nor check signatures"},
			&cli.BoolFlag{Name: "repair", Usage: "mend what can be mended, then verify"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var result admin.VerifyResult
				err := client.Call(ctx, "verify", admin.VerifyRequest{Quick: c.Bool("quick"), Repair: c.Bool("repair")}, printNews(c.App.ErrWriter), &result)
				if result.Problems == nil { // there is no result
					return err
				}
				if c.Bool("json") {
					return errors.Join(printJSON(c.App.Writer, result), err)
				}
				for _, p := range slices.Concat(result.Unchecked, result.Problems) {
					fmt.Fprintf(c.App.Writer, "%s: %s\n", p.Where, p.What)
				}
				if c.Bool("repair") {
					fmt.Fprintf(c.App.Writer, "%d damaged files dropped, %d things restored\n", result.Dropped, result.Restored)
				}
				fmt.Fprintf(c.App.Writer, "%d generations with %d paths, %d files with %s read back: %d problems\n",
					result.Generations, result.Paths, result.Blobs, size(result.Bytes), len(result.Problems))
				return err
			})
		},
	}
}
