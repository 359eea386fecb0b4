package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// sourceFlags name one archive on the command line, in place of this
// machine's apt sources.
func sourceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "uri", Usage: "mirror this `URI`; more are mirrors of the same archive"},
		&cli.StringSliceFlag{Name: "suite", Usage: "a `SUITE` of it"},
		&cli.StringSliceFlag{Name: "component", Usage: "a `COMPONENT` of it", DefaultText: "main"},
		&cli.StringSliceFlag{Name: "architecture", Usage: "an `ARCHITECTURE` of it", DefaultText: "this machine's"},
		&cli.StringSliceFlag{Name: "keyring", Usage: "`FILE` with the keys that sign it"},
	}
}

// sourcesOf gives the archives that the command line names, or this machine's.
func sourcesOf(c *cli.Context) (site.Plan, []string, error) {
	if !c.IsSet("uri") {
		for _, f := range []string{"suite", "component", "architecture", "keyring"} {
			if c.IsSet(f) {
				return site.Plan{}, nil, usagef("--%s goes with --uri", f)
			}
		}
		archives, embedded, leftOut, err := site.Import("")
		return site.Plan{Archives: archives, Embedded: embedded}, leftOut, err
	}
	a, err := namedArchive(c)
	return site.Plan{Archives: []config.Archive{a}}, nil, err
}

func namedArchive(c *cli.Context) (config.Archive, error) {
	a := config.Archive{
		Suites: c.StringSlice("suite"), Components: c.StringSlice("component"), Architectures: c.StringSlice("architecture"),
		Languages: []string{config.DefaultLanguage}, Refresh: config.DefaultRefresh, Download: config.OnDemand,
	}
	if len(a.Suites) == 0 || !c.IsSet("keyring") {
		return a, usagef("--uri needs --suite and --keyring too")
	}
	if len(a.Components) == 0 && !strings.HasSuffix(a.Suites[0], "/") {
		a.Components = []string{"main"}
	}
	if len(a.Architectures) == 0 {
		a.Architectures = []string{aptsources.Architecture()}
	}
	for _, u := range c.StringSlice("uri") {
		clean, err := config.CleanURI(u)
		if err != nil {
			return a, usagef("--uri %s: %w", u, err)
		}
		a.URIs = append(a.URIs, clean)
	}
	for _, k := range c.StringSlice("keyring") {
		file, err := filepath.Abs(k)
		if err != nil {
			return a, err
		}
		a.SignedBy = append(a.SignedBy, file)
	}
	a.Name = archiveName(a.URIs[0])
	return a, nil
}

// allowPrivate writes down that an archive is on the site's own network where
// its own address is: then it is meant.
func allowPrivate(ctx context.Context, archives []config.Archive) {
	for i, a := range archives {
		archives[i].AllowPrivate = slices.ContainsFunc(a.URIs, func(uri string) bool { return upstream.IsPrivate(ctx, uri) })
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9.-]+`)

// archiveName calls an archive by the last part of its address.
func archiveName(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "archive"
	}
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(path.Base("/"+u.Path)), "-"), "-.")
	if name == "" {
		return "archive"
	}
	return name
}

// probe looks which suites can be reached and verified now. It gives the
// archives with those, and why the others are left out.
func probe(ctx context.Context, plan site.Plan) (good []config.Archive, leftOut []error) {
	up := upstream.New(upstream.Config{Version: buildVersion(), Log: slog.New(slog.DiscardHandler)})
	defer up.Close()
	for _, a := range plan.Archives {
		keys, err := keyringOf(a, plan.Embedded[a.Name])
		if err != nil {
			leftOut = append(leftOut, err)
			continue
		}
		archive, err := inforce.ArchiveOf(a, keys)
		if err != nil {
			leftOut = append(leftOut, err)
			continue
		}
		var suites []string
		for _, s := range a.Suites {
			if _, err := up.Probe(ctx, archive, s); err != nil {
				leftOut = append(leftOut, err)
				continue
			}
			suites = append(suites, s)
		}
		if a.Suites = suites; len(suites) > 0 {
			good = append(good, a)
		}
	}
	return good, leftOut
}

func keyringOf(a config.Archive, embedded []byte) (*pgp.Keyring, error) {
	if embedded == nil {
		return site.Keyring(a)
	}
	k, err := pgp.ReadKeyring(bytes.NewReader(embedded))
	if err != nil {
		return nil, fmt.Errorf("archive %s: reading the key in its source: %w", a.Name, err)
	}
	return k, nil
}
