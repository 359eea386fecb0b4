package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cache/blob"
	"aptmirror/cache/bundle"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// standardStream stands for standard input or output.
const standardStream = "-"

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write a snapshot to a medium, for a site without a network",
		ArgsUsage: "SNAPSHOT DEST",
		UsageText: "aptmirror export june /media/usb\n# what has come since\naptmirror export july --since june /media/usb\n" +
			"# over a line that only you have\naptmirror export june - | ssh inside aptmirror import -\n# for a web server\naptmirror export june --tree /srv/www/mirror",
		Description: "DEST is a folder, a file, or - for standard output. A bundle has the Release files with the archives'\n" +
			"own signatures and is signed by the key of the table [bundles]. --since leaves out what another\n" +
			"snapshot names, which the other side must have imported. --tree writes plain repositories instead,\n" +
			"and only what has changed where they are already; Release files come last.\n" +
			"Files have their names only when they are whole; killed, run it again.\n" +
			"Exit code 3: files of the snapshot are not in the store; nothing was written.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "leave out what `SNAPSHOT` names"},
			&cli.StringFlag{Name: "part-size", Usage: "write parts of at most `SIZE`, as 4.7GB"},
			&cli.BoolFlag{Name: "tree", Usage: "write plain repositories that any web server can serve"},
			&cli.BoolFlag{Name: "partial", Usage: "also of a snapshot that is not complete: what is there"},
		},
		Action: func(c *cli.Context) error {
			request, err := exportRequest(c)
			if err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var plan admin.ExportPlan
				if err := client.Call(ctx, "export", request, printNews(c.App.ErrWriter), &plan); err != nil {
					return err
				}
				if request.Tree {
					return writeTree(ctx, c, client, plan.Tree)
				}
				return writeBundle(ctx, c, client, plan.Bundle)
			})
		},
	}
}

func exportRequest(c *cli.Context) (r admin.ExportRequest, err error) {
	if c.NArg() != 2 {
		return r, usagef("export takes a snapshot and where to write it")
	}
	r = admin.ExportRequest{Snapshot: c.Args().First(), Since: c.String("since"), Tree: c.Bool("tree"), Partial: c.Bool("partial")}
	if s := c.String("part-size"); s != "" {
		if r.PartSize, err = config.ParseSize(s); err != nil {
			return r, usagef("--part-size %s: %w", s, err)
		}
	}
	stream := c.Args().Get(1) == standardStream
	switch {
	case r.Tree && (r.Since != "" || r.PartSize != 0):
		return r, usagef("--tree goes without --since and --part-size: it writes what has changed")
	case stream && (r.Tree || r.PartSize != 0):
		return r, usagef("a tree, or a bundle in parts, needs a folder")
	case stream && c.Bool("json"):
		return r, usagef("standard output has the bundle: leave --json out")
	case stream && isTerminal(c.App.Writer):
		return r, usagef("a bundle is nothing for a terminal: redirect standard output")
	}
	return r, nil
}

func writeBundle(ctx context.Context, c *cli.Context, client *admin.Client, plan json.RawMessage) error {
	var prepared bundle.Prepared
	if err := json.Unmarshal(plan, &prepared); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	w, err := bundle.NewWriter(prepared, daemonFiles{client})
	if err != nil {
		return err
	}
	var written bundle.Written
	dest := c.Args().Get(1)
	news, done := showWork(c.App.ErrWriter)
	w.Progress = byteProgress("export "+w.List.Name, news)
	if dest == standardStream {
		err = writeUntilEnd(ctx, c.App.Writer, func(to io.Writer) (err error) {
			written, err = w.WriteStream(ctx, to)
			return err
		})
	} else {
		written, err = w.Write(ctx, dest)
	}
	done()
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w; take a larger medium, or --part-size SIZE and several", err)
	}
	if err != nil {
		return hintOwner(err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, exported{w.List, written.Files, written.Bytes})
	}
	sayExported(c.App.ErrWriter, w.List, written)
	return nil
}

// exported is what a script learns of a bundle.
type exported struct {
	List  *bundle.List `json:"list"`
	Files []string     `json:"files"`
	Bytes int64        `json:"bytes"`
}

func sayExported(w io.Writer, l *bundle.List, written bundle.Written) {
	for _, s := range l.Suites {
		fmt.Fprintf(w, "%s %s: dated %s, %s\n", s.Source, s.Suite, when(s.Date), present(s.Wanted, s.Present))
	}
	fmt.Fprintf(w, "%v: %d files, %s\n", l, l.Files.Count, size(written.Bytes))
	for _, f := range written.Files {
		fmt.Fprintf(w, "  %s\n", f)
	}
}

func present(wanted, present bundle.Count) string {
	if present.Files == wanted.Files {
		return fmt.Sprintf("all %d packages", wanted.Files)
	}
	return fmt.Sprintf("%d of %d packages, %s of %s", present.Files, wanted.Files, size(present.Bytes), size(wanted.Bytes))
}

func writeTree(ctx context.Context, c *cli.Context, client *admin.Client, plan json.RawMessage) error {
	var tree bundle.Tree
	if err := json.Unmarshal(plan, &tree); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	news, done := showWork(c.App.ErrWriter)
	written, err := tree.Write(ctx, c.Args().Get(1), daemonFiles{client}, byteProgress("export "+tree.Name, news))
	done()
	if err != nil {
		return hintOwner(err)
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, struct {
			bundle.TreeWritten
			Suites []bundle.TreeCount `json:"suites"`
		}{written, tree.Counts})
	}
	for _, s := range tree.Counts {
		fmt.Fprintf(c.App.ErrWriter, "%s %s: %s\n", s.Source, s.Suite, present(s.Wanted, s.Present))
	}
	fmt.Fprintf(c.App.ErrWriter, "%s: %d files, %d of them new with %s, %d old ones removed\n", c.Args().Get(1), written.Files, written.New, size(written.Bytes), written.Removed)
	return nil
}

// daemonFiles are the files of the store that the daemon has open.
type daemonFiles struct{ client *admin.Client }

func (f daemonFiles) Open(ctx context.Context, d blob.Digest) (io.ReadCloser, error) {
	return f.client.File(ctx, d.String())
}

// byteProgress turns numbers into news.
func byteProgress(what string, news func(admin.Event)) func(done, total int64) {
	return func(done, total int64) {
		news(admin.Event{
			Time: time.Now(), Archive: what, Text: fmt.Sprintf("%s: %s of %s", what, size(done), size(total)),
			Progress: &admin.Progress{PresentBytes: done, WantedBytes: total},
		})
	}
}

// hintOwner explains why root may not write: where no daemon runs, the store is
// opened by its owner.
func hintOwner(err error) error {
	if errors.Is(err, fs.ErrPermission) && os.Getuid() != 0 {
		return fmt.Errorf("%w: it is written by user %d; write to a place that this user may write, or to standard output (-)", err, os.Getuid())
	}
	return err
}
