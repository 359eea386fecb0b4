package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make the folder of a site for a real host; nothing is started",
		ArgsUsage: "[NAME...]",
		Description: "Writes aptmirror.toml, the server's certificate, the CA of client certificates with its\n" +
			"revocation list, and the site's signing key. The archives are those of this machine.\n\n" +
			"   aptmirror init --dir /etc/aptmirror --state /var/lib/aptmirror --host mirror.example.org",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "the `FOLDER` to make"},
			&cli.StringSliceFlag{Name: "host", Usage: "a `NAME` or address under which clients reach this host; the first one goes into client kits"},
			&cli.StringFlag{Name: "port", Usage: "the `PORT` to serve on", Value: "8443"},
			&cli.StringFlag{Name: "state", Usage: "the `FOLDER` of the store (default: state in the folder of the site)"},
			&cli.BoolFlag{Name: "no-import", Usage: "leave this machine's apt sources out"},
		},
		Action: initialise,
	}
}

func initialise(c *cli.Context) error {
	// A list behind --host reads naturally: --host NAME NAME...
	hosts := append(c.StringSlice("host"), c.Args().Slice()...)
	if c.String("dir") == "" || len(hosts) == 0 {
		return usagef("init needs --dir FOLDER and --host NAME")
	}
	plan := site.Plan{Dir: c.String("dir"), Hosts: hosts, Listen: net.JoinHostPort("", c.String("port"))}
	if s := c.String("state"); s != "" {
		state, err := filepath.Abs(s)
		if err != nil {
			return err
		}
		plan.State = state
	}
	if err := plan.Check(); err != nil {
		return usageError{err}
	}
	if !c.Bool("no-import") {
		archives, embedded, leftOut, err := site.Import("")
		if err != nil {
			return err
		}
		allowPrivate(c.Context, archives)
		plan.Archives, plan.Embedded = archives, embedded
		for _, line := range leftOut {
			fmt.Fprintln(c.App.ErrWriter, "left out:", line)
		}
	}
	loaded, err := site.Create(plan, time.Now())
	if errors.Is(err, fs.ErrExist) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if err := site.HandOver(loaded); err != nil {
		return err
	}
	sayNext(c, loaded)
	return nil
}

func sayNext(c *cli.Context, loaded *config.Config) {
	w := c.App.Writer
	fmt.Fprintf(w, "made a site for %s in %s with %d archives\n", loaded.Serve.PublicURL, c.String("dir"), len(loaded.Archives))
	fmt.Fprintf(w, "\nNext:\n")
	fmt.Fprintf(w, "  aptmirror --config %s serve\n", loaded.Path)
	fmt.Fprintf(w, "  aptmirror --config %s client add host1.example.org\n", loaded.Path)
	fmt.Fprintf(w, "  aptmirror --config %s client kit host1.example.org --format dir --out host1-kit\n", loaded.Path)
}
