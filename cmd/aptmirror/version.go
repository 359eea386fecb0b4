package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version",
		UsageText: "aptmirror version\naptmirror version --json",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, versionReport{buildVersion(), runtime.Version()})
			}
			_, err := fmt.Fprintf(c.App.Writer, "aptmirror %s (%s)\n", buildVersion(), runtime.Version())
			return err
		},
	}
}

type versionReport struct {
	Version string `json:"version"`
	Go      string `json:"go"` // that compiled it
}
