package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

func logCommand() *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "tell or change what the running daemon logs", ArgsUsage: "[LEVEL]",
		Description: "LEVEL is debug, info, warn or error; it holds until the daemon ends. The log itself is on the daemon's\n" +
			"standard error: with systemd, see journalctl -u aptmirror.",
		UsageText: "aptmirror log debug\naptmirror log info",
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usagef("log takes at most one LEVEL, got %d", c.NArg())
			}
			level, err := setLogLevel(c, c.Args().First())
			if errors.Is(err, admin.ErrNoDaemon) {
				return fmt.Errorf("%w: there is no log", err)
			}
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, level)
			}
			_, err = fmt.Fprintln(c.App.Writer, level.Level)
			return err
		},
	}
}

func setLogLevel(c *cli.Context, level string) (*admin.LogLevel, error) {
	socket, err := config.FindSocket(c.String("config"))
	if err != nil {
		return nil, usageError{err}
	}
	client, err := admin.Dial(c.Context, socket)
	if err != nil {
		return nil, err
	}
	var result admin.LogLevel
	err = client.Call(c.Context, "log", admin.LogRequest{Level: level}, func(admin.Event) {}, &result)
	return &result, err
}
