package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the daemon: serve clients and keep the archives up to date",
		Description: "Runs in the foreground until SIGTERM or SIGINT, and logs to standard error.\n" +
			"SIGHUP does what the command reload does.\n" +
			"Requests under way may finish; stopping takes less than ten seconds.",
		UsageText: "aptmirror serve\naptmirror serve --config site/aptmirror.toml --log-format json --verbose",
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "log-format", Usage: "log as text, or as json: one object a line, in `FORMAT`", Value: "text", EnvVars: []string{"APTMIRROR_LOG_FORMAT"},
		}},
		Action: func(c *cli.Context) error {
			loaded, err := loadConfig(c)
			if err != nil {
				return err
			}
			if err := noArguments(c); err != nil {
				return err
			}
			log, err := serveLog(c)
			if err != nil {
				return err
			}
			return serve(c, loaded, log)
		},
	}
}

func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("%s takes no argument %q", c.Command.Name, c.Args().First())
	}
	return nil
}

// serveLog is the daemon's log: requests, jobs and what goes wrong.
func serveLog(c *cli.Context) (*slog.Logger, error) {
	level := slog.LevelInfo
	if c.Bool("verbose") {
		level = slog.LevelDebug
	}
	switch format := c.String("log-format"); format {
	case "text":
		return newLog(c.App.ErrWriter, level), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.App.ErrWriter, &slog.HandlerOptions{Level: level})), nil
	default:
		return nil, usagef("--log-format %s: text and json are known", format)
	}
}

func serve(c *cli.Context, loaded *config.Config, log *slog.Logger) (err error) {
	if loaded.Serve.Cert == "" {
		return usagef("%s: there is no [serve] table, so there is nothing to serve with", loaded.Path)
	}
	hangup := make(chan os.Signal, 1) // a second one before the first was seen asks for the same
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	sockets, err := daemon.ActivatedSockets()
	if err != nil {
		return err
	}
	d, err := daemon.Open(c.Context, loaded, daemon.Options{Version: buildVersion(), Log: log, Hangup: hangup, Sockets: sockets})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Serve(c.Context, func(listen []string) {
		fmt.Fprintf(c.App.Writer, "ready on %s\n", strings.Join(listen, ", "))
	})
}
