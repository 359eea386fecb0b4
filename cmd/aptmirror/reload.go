package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "reload",
		Usage:     "make the daemon take up the configuration and the files that it names",
		UsageText: "aptmirror reload\naptmirror reload --json | jq .restart",
		Description: "Archives, suites, repositories and pools come and go, and policies, grants, keyrings, keys, certificates and\n" +
			"revocation lists are read again. No connection is dropped. Where something cannot be used, nothing\n" +
			"of it counts, and what was in force before stays.\n" +
			"The daemon does this by itself when these files or the configuration change, within seconds.\n" +
			"Keys that need a restart are named: state, cache, serve.listen, serve.max_connections, status.listen.",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			// The daemon itself says what is wrong with the file.
			socket, err := config.FindSocket(c.String("config"))
			if err != nil {
				return usageError{err}
			}
			access, err := reload(c, socket)
			if errors.Is(err, admin.ErrNoDaemon) {
				return fmt.Errorf("%w: there is nothing to reload", err)
			}
			if err != nil || c.Bool("json") {
				return errors.Join(printJSONIf(c, access), err)
			}
			fmt.Fprintln(c.App.Writer, "reloaded")
			printAccess(c.App.Writer, *access)
			return nil
		},
	}
}

// reload gives what is in force afterwards, with an error too. The error is
// admin.ErrNoDaemon where there is none.
func reload(c *cli.Context, socket string) (*admin.Access, error) {
	client, err := admin.Dial(c.Context, socket)
	if err != nil {
		return nil, err
	}
	var access *admin.Access
	err = client.Call(c.Context, "reload", struct{}{}, func(admin.Event) {}, &access)
	return access, err
}

// printJSONIf prints what there is, where JSON is asked for.
func printJSONIf(c *cli.Context, access *admin.Access) error {
	if access == nil || !c.Bool("json") {
		return nil
	}
	return printJSON(c.App.Writer, access)
}

func printAccess(w io.Writer, a admin.Access) {
	fmt.Fprintf(w, "certificate  %s, until %s\n", a.Certificate.Name, when(a.Certificate.NotAfter))
	for _, c := range a.Authorities {
		fmt.Fprintf(w, "client CA    %s, until %s\n", c.Name, when(c.NotAfter))
	}
	for _, l := range a.CRLs {
		fmt.Fprintf(w, "revoked      %d by %s, list until %s\n", l.Revoked, l.Issuer, when(l.NextUpdate))
	}
	fmt.Fprintf(w, "grants       %d, read %s\n", a.Grants, when(a.Read))
	for _, text := range a.Warnings {
		fmt.Fprintf(w, "WARNING      %s\n", text)
	}
	if a.Problem != "" {
		fmt.Fprintf(w, "PROBLEM      since %s the files cannot be used, what was read before stays in force: %s\n", when(a.ProblemSince), a.Problem)
	}
	for _, k := range a.Kept {
		what := "what was mirrored of archive " + k.Archive
		if k.Repository != "" {
			what = "what was served of repository " + k.Repository
		}
		fmt.Fprintf(w, "KEPT         until %s, for when it comes back: %s, suite %s\n", when(k.Until), what, k.Suite)
	}
	if len(a.Kept) > 0 {
		fmt.Fprintln(w, "             aptmirror gc --unconfigured removes that now")
	}
	if len(a.Restart) > 0 {
		fmt.Fprintf(w, "RESTART      the configuration has changed where only a restart helps: %s\n", strings.Join(a.Restart, ", "))
	}
}
