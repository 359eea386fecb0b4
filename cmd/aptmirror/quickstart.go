package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// quickstartClient is the name of the one client that quickstart makes.
const quickstartClient = "client"

func quickstartCommand() *cli.Command {
	return &cli.Command{
		Name:  "quickstart",
		Usage: "a working site in one folder, from this machine's own apt sources",
		Description: "Makes a client CA, a server certificate for localhost, one client and a configuration,\n" +
			"fetches and verifies the archives, and serves them on this machine until it is stopped.\n" +
			"Run again with the same folder, it just serves.",
		UsageText: "aptmirror quickstart\n" +
			"aptmirror quickstart --uri http://mirror.example.org/debian --suite stable \\\n" +
			"  --keyring /usr/share/keyrings/debian-archive-keyring.gpg",
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
	sayUnused(c, loaded)
	return quickstartFinish(c, loaded)
}

// sayUnused names the options that only count when the site is made, where they
// were given for one that is there.
func sayUnused(c *cli.Context, loaded *config.Config) {
	var unused []string
	for _, f := range sourceFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			unused = append(unused, "--"+name)
		}
	}
	if c.IsSet("listen") && !slices.Contains(loaded.Serve.Listen, c.String("listen")) {
		unused = append(unused, "--listen")
	}
	if len(unused) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "aptmirror: %s: not looked at, since %s is there already and decides; another --dir makes another site\n", strings.Join(unused, ", "), loaded.Path)
	}
}

func quickstartNew(c *cli.Context) error {
	plan, leftOut, err := sourcesOf(c)
	if err != nil {
		return err
	}
	plan.Dir, plan.Listen, plan.Hosts = c.String("dir"), c.String("listen"), []string{"localhost", "127.0.0.1", "::1"}
	if err := plan.Check(); err != nil {
		return usageError{err}
	}
	if err := free(c.Context, plan.Listen); err != nil {
		return err
	}
	allowPrivate(c.Context, plan.Archives)
	reachable, failed := probe(c.Context, plan)
	for _, err := range failed {
		leftOut = append(leftOut, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	for _, line := range leftOut {
		fmt.Fprintln(c.App.ErrWriter, "left out:", line)
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if len(reachable) == 0 {
		return nothingLeft(failed)
	}
	plan.Archives = reachable
	loaded, err := site.Create(plan, clock())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "made a site in %s\n", c.String("dir"))
	return quickstartFinish(c, loaded)
}

// free looks whether an address can be listened on before anything is made and
// fetched for it.
func free(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w; name another address with --listen HOST:PORT", err)
	}
	return l.Close()
}

// nothingLeft ends a quickstart without archives; with the exit code of a
// refusal if something was there but did not verify.
func nothingLeft(failed []error) error {
	end := &admin.Error{Text: "nothing is left to mirror; name an archive with --uri, --suite, --component and --keyring", Exit: admin.ExitFailed}
	for _, err := range failed {
		if refused := (*upstream.RefusedError)(nil); errors.As(err, &refused) {
			end.Exit = admin.ExitRefused
		}
	}
	return end
}

// quickstartFinish does what the site still lacks, which is everything if it
// is new or its first run was broken off, and serves. The kit is written each
// time: the folder may have moved, and the paths in the kit are absolute.
func quickstartFinish(c *cli.Context, loaded *config.Config) error {
	clients, err := site.Clients(loaded)
	if errors.Is(err, site.ErrNoCA) {
		return quickstartServe(c, loaded)
	}
	if err != nil {
		return err
	}
	if _, _, err := clients.Files(quickstartClient); errors.Is(err, os.ErrNotExist) {
		if loaded, err = firstSync(c, loaded); err != nil {
			return err
		}
		if err := addClient(loaded, quickstartClient); err != nil {
			return err
		}
	}
	if err := writeKit(loaded, quickstartClient, quickstartKit(loaded)); err != nil {
		return err
	}
	return quickstartServe(c, loaded)
}

func quickstartKit(loaded *config.Config) string {
	return filepath.Join(filepath.Dir(loaded.Path), "client")
}

// firstSync brings everything in and leaves out of the configuration what did
// not come; it fails if nothing came.
func firstSync(c *cli.Context, loaded *config.Config) (*config.Config, error) {
	d, err := openDaemon(c, loaded)
	if err != nil {
		return nil, err
	}
	news := func(e admin.Event) {
		if !e.Failed {
			fmt.Fprintln(c.App.Writer, e.Text)
		}
	}
	result, syncErr := d.Sync(c.Context, admin.Caller{UID: os.Getuid()}, admin.SyncRequest{}, news)
	if err := d.Close(); err != nil {
		return nil, err
	}
	failed := map[[2]string]bool{}
	for _, s := range result.Suites {
		if s.Error != "" {
			failed[[2]string{s.Archive, s.Suite}] = true
			if c.Context.Err() == nil {
				fmt.Fprintln(c.App.ErrWriter, "left out:", s.Error)
			}
		}
	}
	if syncErr != nil && (c.Context.Err() != nil || len(failed) == len(result.Suites)) {
		return nil, syncErr
	}
	if len(failed) == 0 {
		return loaded, nil
	}
	return site.Narrow(loaded, func(archive, suite string) bool { return !failed[[2]string{archive, suite}] })
}

func quickstartServe(c *cli.Context, loaded *config.Config) (err error) {
	d, err := openDaemon(c, loaded)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Serve(c.Context, func(listen []string) { sayReady(c.App.Writer, c.String("dir"), loaded, listen) })
}

func sayReady(w io.Writer, dir string, loaded *config.Config, listen []string) {
	conf, own := filepath.Join(dir, "client", "apt.conf"), filepath.Join(dir, site.ConfigName)
	fmt.Fprintf(w, "ready: serving %s on %s (%s), Ctrl-C stops\n\n", repositories(loaded), strings.Join(listen, ", "), loaded.Serve.PublicURL)
	fmt.Fprintf(w, "Try it from another terminal, in this folder:\n  APT_CONFIG=%s apt-get update\n  APT_CONFIG=%s apt-get download hello\n  aptmirror --config %s status\n", conf, conf, own)
}

func repositories(loaded *config.Config) string {
	var names []string
	for _, r := range loaded.Repositories {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}
