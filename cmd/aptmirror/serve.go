package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
	"aptmirror/cmd/aptmirror/daemon/listen"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the daemon: serve clients and keep the archives up to date",
		Description: "Runs in the foreground until SIGTERM or SIGINT, and logs to standard error.\n" +
			"SIGHUP does what the command reload does.\n" +
			"Requests under way may finish; stopping takes less than ten seconds, and twenty where the disk does not answer.",
		UsageText: "aptmirror serve\naptmirror serve --config site/aptmirror.toml --log-format json --verbose",
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "log-format", Usage: "`FORMAT` of the log: text; json, one object a line; journal, for systemd's, which has time and priority itself",
			Value: "text", EnvVars: []string{"APTMIRROR_LOG_FORMAT"},
		}},
		Action: func(c *cli.Context) error {
			loaded, err := loadConfig(c)
			if err != nil {
				return err
			}
			if err := noArguments(c); err != nil {
				return err
			}
			log, level, err := serveLog(c)
			if err != nil {
				return err
			}
			return serve(c, loaded, daemon.Options{Version: buildVersion(), Now: clock, SlowDisk: slowDisk, Log: log, Level: level})
		},
	}
}

func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("%s takes no argument %q", c.Command.Name, c.Args().First())
	}
	return nil
}

func serve(c *cli.Context, loaded *config.Config, o daemon.Options) (err error) {
	if loaded.Serve.Cert == "" {
		return usagef("%s: there is no [serve] table, so there is nothing to serve with", loaded.Path)
	}
	o.Hangup = hangups.take()
	if o.Sockets, err = listen.ActivatedSockets(); err != nil {
		return err
	}
	d, err := daemon.Open(c.Context, loaded, o)
	if err != nil && c.Context.Err() != nil {
		o.Log.Info("stopped before it was ready")
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Serve(c.Context, func(listen []string) {
		fmt.Fprintf(c.App.Writer, "ready on %s\n", strings.Join(listen, ", "))
	})
}
