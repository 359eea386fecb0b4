package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
)

// quickstartClient is the name of the one client that quickstart makes.
const quickstartClient = "client"

func quickstartCommand() *cli.Command {
	return &cli.Command{
		Name:  "quickstart",
		Usage: "a working site in one folder, from this machine's own apt sources",
		Description: "Makes a client CA, a server certificate for localhost, one client and a configuration,\n" +
			"fetches and verifies the archives, and serves them on this machine until it is stopped.\n" +
			"Run again with the same folder, it just serves.\n\n" +
			"   aptmirror quickstart\n" +
			"   aptmirror quickstart --uri http://mirror.example.org/debian --suite stable \\\n" +
			"      --component main --keyring /usr/share/keyrings/debian-archive-keyring.gpg",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "the `FOLDER` of the site", Value: "aptmirror-site"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to serve on", Value: "127.0.0.1:8443"},
		}, sourceFlags()...),
		Action: quickstart,
	}
}

func quickstart(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	path := filepath.Join(c.String("dir"), site.ConfigName)
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return quickstartNew(c)
	}
	if err != nil {
		return err
	}
	loaded, err := config.Load(path)
	if err != nil {
		return usageError{err}
	}
	return quickstartServe(c, loaded, false)
}

func quickstartNew(c *cli.Context) error {
	plan, leftOut, err := sourcesOf(c)
	if err != nil {
		return err
	}
	reachable, refused := probe(c.Context, plan, c.App.ErrWriter)
	for _, line := range append(leftOut, refused...) {
		fmt.Fprintln(c.App.ErrWriter, "left out:", line)
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if len(reachable) == 0 {
		return errors.New("nothing is left to mirror; name an archive with --uri, --suite, --component and --keyring")
	}
	plan.Dir, plan.Listen, plan.Archives = c.String("dir"), c.String("listen"), reachable
	plan.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	loaded, err := site.Create(plan, time.Now())
	if err != nil {
		return err
	}
	if err := addClient(loaded, quickstartClient, 0); err != nil {
		return err
	}
	if err := writeKit(loaded, quickstartClient, quickstartKit(loaded)); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "made a site in %s\n", c.String("dir"))
	return quickstartServe(c, loaded, true)
}

func quickstartKit(loaded *config.Config) string {
	return filepath.Join(filepath.Dir(loaded.Path), "client")
}

// quickstartServe opens the site, first of all brings it up to date if it is
// new, and serves.
func quickstartServe(c *cli.Context, loaded *config.Config, fresh bool) (err error) {
	d, err := daemon.Open(c.Context, loaded, daemon.Options{Version: buildVersion(), Log: newLog(c.App.ErrWriter, logLevel(c))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if fresh {
		if err := firstSync(c.Context, d, c.App.Writer); err != nil {
			return err
		}
	}
	return d.Serve(c.Context, func(listen []string) { sayReady(c.App.Writer, c.String("dir"), loaded, listen) })
}

// firstSync fails only if nothing came: what did come is worth serving.
func firstSync(ctx context.Context, d *daemon.Daemon, w io.Writer) error {
	result, err := d.Sync(ctx, admin.Caller{UID: os.Getuid()}, admin.SyncRequest{}, printNews(w))
	if err == nil {
		return nil
	}
	for _, s := range result.Suites {
		if s.Error == "" {
			return nil
		}
	}
	return err
}

func sayReady(w io.Writer, dir string, loaded *config.Config, listen []string) {
	conf := filepath.Join(dir, "client", "apt.conf")
	fmt.Fprintf(w, "ready: serving %s on %s (%s), Ctrl-C stops\n\n", repositories(loaded), strings.Join(listen, ", "), loaded.Serve.PublicURL)
	fmt.Fprintf(w, "Try it from another terminal, in this folder:\n  APT_CONFIG=%s apt-get update\n  APT_CONFIG=%s apt-get download hello\n", conf, conf)
}

func repositories(loaded *config.Config) string {
	var names []string
	for _, r := range loaded.Repositories {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}
