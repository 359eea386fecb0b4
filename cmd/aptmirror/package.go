package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
	"aptmirror/resign/pool"
)

func packageCommand() *cli.Command {
	return &cli.Command{
		Name:  "package",
		Usage: "the site's own packages",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "add packages to a pool: .deb, .udeb, a .dsc with its files, or all that a .changes lists", ArgsUsage: "POOL FILE...",
				Description: "All files are added or none. Those that a .changes lists are looked for beside it. A package\n" +
					"that the pool has already is nothing new; other content under the same name, version and\n" +
					"architecture is refused, and so is what was removed from the pool. Where the pool has signed_by,\n" +
					"an uploader's key has to vouch for each package: a signed .changes, a signed .dsc, or debsigs\n" +
					"--sign=origin.\n" +
					"\n" +
					"The daemon builds soon what is made from the pool. With --wait it does so at once, and the exit\n" +
					"code is that of the whole: 0 every package is in some suite, 3 it is in the pool, but a build\n" +
					"failed or no suite takes it. Ctrl-C ends the waiting and not the build.",
				UsageText: "aptmirror package add internal hello_1.0-1_amd64.deb\naptmirror package add internal hello_1.0-1_amd64.changes",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "again", Usage: "take also what was removed from the pool, even with other content"},
					&cli.BoolFlag{Name: "wait", Usage: "build what is made from the pool, and wait until clients see the packages"},
				},
				Action: packageAdd,
			},
			{
				Name: "list", Usage: "list the packages of a pool, or of all", ArgsUsage: "[POOL]",
				UsageText: "aptmirror package list\naptmirror package list internal --json", Action: packageList,
			},
			{
				Name: "remove", Usage: "remove packages from a pool, binary and source, in one version, in all or in the oldest", ArgsUsage: "POOL [NAME[=VERSION]...]",
				Description: "Clients that saw the package can fetch it for as long as what they saw is kept. What was\n" +
					"removed is remembered: it comes back by package add --again alone.\n" +
					"\n" +
					"--keep leaves the newest versions of each package and architecture, of the named packages or of\n" +
					"all; a timer can run that.",
				UsageText: "aptmirror package remove internal hello=1.0-1\naptmirror package remove internal hello\naptmirror package remove internal --keep 5 --dry-run",
				Flags: []cli.Flag{
					&cli.IntFlag{Name: "keep", Usage: "leave the newest `NUMBER` of versions of each"},
					&cli.BoolFlag{Name: "dry-run", Usage: "only tell what would be removed"},
				},
				Action: packageRemove,
			},
		},
		Action: unknownSubcommand,
	}
}

func packageAdd(c *cli.Context) error {
	if c.NArg() < 2 {
		return usagef("package add takes a pool and at least one file")
	}
	names, err := withListed(c.Args().Slice()[1:])
	if err != nil {
		return err
	}
	// Opened before root becomes another user, who may not read them.
	files, closeFiles, err := openFiles(names)
	if err != nil {
		return err
	}
	defer closeFiles()
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result servedPackages
		request := admin.AddPackagesRequest{Pool: c.Args().First(), Files: files, Again: c.Bool("again")}
		err := client.CallWith(ctx, "packages/add", request, files, func(admin.Event) {}, &result.AddedPackages)
		if err != nil {
			return err
		}
		if !c.Bool("json") {
			printFiles(c.App.Writer, "added ", result.Added)
			printFiles(c.App.Writer, "has already ", result.Known)
		}
		if c.Bool("wait") {
			news, done := showWork(c.App.ErrWriter)
			err = client.Call(ctx, "packages/serve", admin.ServePackagesRequest{Pool: request.Pool, Paths: result.binaries()}, news, &result.ServedPackages)
			done()
		}
		if c.Bool("json") {
			err = errors.Join(printJSON(c.App.Writer, result), err)
		}
		return err
	})
}

// servedPackages is what was added and, with --wait, who serves it.
type servedPackages struct {
	admin.AddedPackages
	admin.ServedPackages
}

// binaries are the paths of packages that every suite has which takes them:
// sources depend on what is built from them.
func (s *servedPackages) binaries() (paths []string) {
	for _, f := range slices.Concat(s.Added, s.Known) {
		if f.Kind == "deb" || f.Kind == "udeb" {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// withListed adds the files that .changes files list, once each.
func withListed(names []string) (all []string, err error) {
	for _, name := range names {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
		if !strings.HasSuffix(name, ".changes") {
			continue
		}
		listed, err := listedBy(name)
		if err != nil {
			return nil, err
		}
		for _, l := range listed {
			beside := filepath.Join(filepath.Dir(name), l)
			if _, err := os.Lstat(beside); err == nil && !slices.Contains(all, beside) {
				all = append(all, beside) // others may be in the pool
			}
		}
	}
	return all, nil
}

func listedBy(changes string) ([]string, error) {
	f, err := os.Open(changes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	listed, err := pool.Listed(pool.File{Name: changes, Size: info.Size(), Body: f})
	for _, l := range listed {
		if filepath.Base(l) != l {
			return nil, fmt.Errorf("%s: lists %q, which is not in its folder", changes, l)
		}
	}
	return listed, err
}

func openFiles(names []string) (files []admin.Attachment, closeAll func(), err error) {
	var opened []*os.File
	closeAll = func() {
		for _, f := range opened {
			f.Close()
		}
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		opened = append(opened, f)
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no plain file", name)
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, admin.Attachment{Name: filepath.Base(name), Size: info.Size(), Body: f})
	}
	return files, closeAll, nil
}

func printFiles(w io.Writer, verb string, files []admin.PoolFile) {
	for _, f := range files {
		fmt.Fprintf(w, "%s%s: %s\n", verb, f.Pool, f.Path)
	}
}

func packageList(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("package list takes at most one pool")
	}
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		var result admin.Packages
		if err := client.Call(ctx, "packages", admin.PackagesRequest{Pool: c.Args().First()}, func(admin.Event) {}, &result); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(c.App.Writer, result.Files)
		}
		var rows [][]string
		for _, f := range result.Files {
			if f.Kind == "source-file" {
				continue
			}
			rows = append(rows, []string{f.Pool, f.Package, f.Version, f.Architecture, f.Kind, f.Component, size(f.Size), when(f.Added), who(f.By)})
		}
		defer printUses(c.App.ErrWriter, result.Pools)
		if len(rows) == 0 {
			return nil
		}
		return printTable(c.App.Writer, []string{"POOL", "PACKAGE", "VERSION", "ARCHITECTURE", "KIND", "COMPONENT", "SIZE", "ADDED", "BY"}, rows)
	})
}

// printUses tells of pools with limits how much of them is left.
func printUses(w io.Writer, uses []admin.PoolUse) {
	for _, u := range uses {
		if u.Max > 0 {
			fmt.Fprintf(w, "pool %s: %s\n", u.Pool, u)
		}
		if u.MaxEach == 0 {
			continue
		}
		fmt.Fprintf(w, "pool %s: at most %s uploaded by one client; brought by\n", u.Pool, size(u.MaxEach))
		for _, b := range u.By {
			fmt.Fprintf(w, "  %s %s\n", who(b.By), size(b.Bytes))
		}
	}
}

func packageRemove(c *cli.Context) error {
	requests, err := removals(c)
	if err != nil {
		return err
	}
	return withBackend(c, func(ctx context.Context, client *admin.Client) error {
		all := admin.RemovedPackages{Removed: []admin.PoolFile{}}
		var failed []error
		for _, request := range requests {
			var result admin.RemovedPackages
			failed = append(failed, client.Call(ctx, "packages/remove", request, func(admin.Event) {}, &result))
			all.Removed = append(all.Removed, result.Removed...)
		}
		verb := "removed "
		if c.Bool("dry-run") {
			verb = "would remove "
		}
		if c.Bool("json") {
			failed = append(failed, printJSON(c.App.Writer, all))
		} else {
			printFiles(c.App.Writer, verb, all.Removed)
		}
		return errors.Join(failed...)
	})
}

// removals are one for each of the names, or one for all.
func removals(c *cli.Context) (requests []admin.RemovePackagesRequest, err error) {
	keep := c.Int("keep")
	switch {
	case c.IsSet("keep") && keep < 1:
		return nil, usagef("--keep takes a number of versions, at least 1")
	case c.NArg() < 1 || c.NArg() < 2 && keep == 0:
		return nil, usagef("package remove takes a pool and at least one NAME or NAME=VERSION, or --keep NUMBER")
	}
	all := admin.RemovePackagesRequest{Pool: c.Args().First(), Keep: keep, DryRun: c.Bool("dry-run")}
	if c.NArg() == 1 {
		return []admin.RemovePackagesRequest{all}, nil
	}
	for _, arg := range c.Args().Slice()[1:] {
		name, version, found := strings.Cut(arg, "=")
		switch {
		case name == "" || found && version == "":
			return nil, usagef("%q is neither NAME nor NAME=VERSION; NAME alone removes all versions", arg)
		case found && keep > 0:
			return nil, usagef("%q names a version, and --keep chooses them", arg)
		}
		one := all
		one.Package, one.Version = name, version
		requests = append(requests, one)
	}
	return requests, nil
}
