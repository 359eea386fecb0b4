package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func jobsCommand() *cli.Command {
	return &cli.Command{
		Name:      "jobs",
		Usage:     "list running and past jobs, newest first",
		UsageText: "aptmirror jobs\naptmirror jobs --json | jq '.jobs[0]'",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var jobs admin.Jobs
				if err := client.Call(ctx, "jobs", struct{}{}, func(admin.Event) {}, &jobs); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, jobs)
				}
				var rows [][]string
				for _, j := range jobs.Jobs {
					rows = append(rows, jobRow(j))
				}
				return printTable(c.App.Writer, []string{"JOB", "KIND", "NAMES", "BY", "STARTED", "TOOK", "OUTCOME"}, rows)
			})
		},
	}
}

func jobRow(j admin.Job) []string {
	took, outcome := "-", "under way"
	if !j.Finished.IsZero() {
		took, outcome = j.Finished.Sub(j.Started).Round(time.Millisecond).String(), "done"
	}
	switch {
	case j.Error != "":
		outcome, _, _ = strings.Cut("failed: "+j.Error, "\n")
	case j.Summary != "":
		outcome = j.Summary
	}
	return []string{strconv.FormatUint(j.Number, 10), j.Kind, strings.Join(j.Names, " "), who(j.By), when(j.Started), took, outcome}
}
