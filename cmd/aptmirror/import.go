package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"aptmirror/cache/bundle"
	"aptmirror/proxy/admin"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "take in bundles that another site exported",
		ArgsUsage: "SRC...",
		UsageText: "aptmirror import /media/usb\naptmirror import june.1of2.tar june.2of2.tar\nssh outside aptmirror export june - | aptmirror import -",
		Description: "SRC is a file, a folder with bundles, or - for standard input. Parts may come in any order, and one\n" +
			"after the other. The list of a bundle must be signed by a key of signed_by in the table [bundles];\n" +
			"then each suite is judged as if a mirror had sent it: the archive's signature, its dates, every\n" +
			"digest. Only when all of it is good does anything change for clients. Interrupted, run it again.\n" +
			"Exit code 4: the bundle, or something in it, was refused, and nothing was changed.",
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return usagef("import takes the bundles to import")
			}
			sources, err := openSources(c.Context, c.Args().Slice())
			if err != nil {
				return importError(err)
			}
			defer sources.close()
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				i := &importer{client: client, in: os.Stdin, err: c.App.ErrWriter}
				err := i.all(ctx, sources)
				if c.Bool("json") && len(i.results) > 0 {
					err = errors.Join(printJSON(c.App.Writer, map[string]any{"bundles": i.results}), err)
				}
				return err
			})
		},
	}
}

// importError gives what was refused before anybody was asked its exit code.
func importError(err error) error {
	if refused := (*bundle.RefusedError)(nil); errors.As(err, &refused) {
		return &admin.Error{Text: err.Error(), Exit: admin.ExitRefused}
	}
	return err
}

// source is an open part of a bundle.
type source struct {
	bundle.Part
	file io.ReadCloser
	size int64 // bytes; 0 where it is not known
}

// sources are bundles with their parts. They are opened before this process may
// have to become another user.
type sources [][]source

func openSources(ctx context.Context, paths []string) (all sources, err error) {
	if len(paths) == 1 && paths[0] == standardStream {
		return sources{{{Part: bundle.Part{Name: "standard input"}, file: untilEnd(ctx, os.Stdin)}}}, nil
	}
	bundles, err := bundle.Find(paths...)
	if err != nil {
		return nil, err
	}
	for _, parts := range bundles {
		var opened []source
		for _, p := range parts {
			s := source{Part: p}
			if s.file, err = p.Open(); err != nil {
				return nil, errors.Join(err, append(all, opened).close())
			}
			if f, ok := s.file.(*os.File); ok {
				if info, err := f.Stat(); err == nil {
					s.size = info.Size()
				}
			}
			opened = append(opened, s)
		}
		all = append(all, opened)
	}
	return all, nil
}

func (s sources) close() (err error) {
	for _, parts := range s {
		for _, p := range parts {
			err = errors.Join(err, p.file.Close())
		}
	}
	return err
}

// importer sends bundles to the daemon, one after the other.
type importer struct {
	client  *admin.Client
	in      *os.File // where the person is
	err     io.Writer
	results []admin.ImportResult
}

func (i *importer) all(ctx context.Context, bundles sources) error {
	var before admin.ImportList
	if err := i.client.Call(ctx, "imports", struct{}{}, func(admin.Event) {}, &before); err != nil {
		return err
	}
	for _, parts := range bundles {
		if p := parts[0]; p.InFolder && isOld(before, p.ID) {
			fmt.Fprintf(i.err, "%s was imported before\n", p.Name)
			continue
		}
		if err := i.one(ctx, parts); err != nil {
			return err
		}
	}
	return nil
}

// isOld says whether a bundle was imported, and others after it: one that still
// lies on the medium is no reason for alarm.
func isOld(before admin.ImportList, id string) bool {
	return slices.IndexFunc(before.Imports, func(b admin.Imported) bool { return b.ID == id }) > 0
}

// one imports a bundle, and asks for parts that were not given.
func (i *importer) one(ctx context.Context, parts []source) error {
	var result admin.ImportResult
	for n := 0; ; n++ {
		var err error
		if result, err = i.part(ctx, parts[n]); err != nil {
			return err
		}
		if len(result.Missing) == 0 {
			break
		}
		if n+1 < len(parts) {
			continue
		}
		more, err := i.ask(ctx, result)
		if err != nil {
			return err
		}
		defer more.close()
		for _, m := range more {
			parts = append(parts, m...)
		}
	}
	i.results = append(i.results, result)
	fmt.Fprintf(i.err, "bundle %s of %s is imported: %d new files, %s\n", result.Bundle, when(result.Created), result.NewFiles, size(result.NewBytes))
	return nil
}

func (i *importer) part(ctx context.Context, s source) (admin.ImportResult, error) {
	show, done := showWork(i.err)
	defer done()
	var showing sync.Mutex // what is read is counted by another goroutine than that of the daemon's news
	news := func(e admin.Event) {
		showing.Lock()
		defer showing.Unlock()
		show(e)
	}
	// What comes through a pipe may take its time to begin; once the daemon is
	// asked, it expects a body that flows.
	begun := bufio.NewReaderSize(s.file, 256<<10)
	_, _ = begun.Peek(1) // who reads on meets the error
	body := &counted{Reader: begun, total: s.size, tell: byteProgress("import "+s.Name, news)}
	return i.client.Import(ctx, s.Name, struct {
		io.Reader
		io.Closer
	}{body, s.file}, news)
}

// counted tells how much was read.
type counted struct {
	io.Reader
	done, told, total int64 // bytes
	tell              func(done, total int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.done += int64(n)
	if c.total > 0 && (c.done-c.told >= 1<<20 || c.done == c.total) {
		c.told = c.done
		c.tell(c.done, c.total)
	}
	return n, err
}

// ask waits for the next medium, if there is a person.
func (i *importer) ask(ctx context.Context, r admin.ImportResult) (sources, error) {
	missing := fmt.Sprintf("of bundle %s, these of %d parts are still missing: %v", r.Bundle, r.Parts, r.Missing)
	if !isTerminal(i.err) || !isTerminal(i.in) {
		return nil, &admin.Error{Text: missing + "; nothing was changed: give all parts, or import again with those", Exit: admin.ExitFailed}
	}
	lines := bufio.NewReader(i.in)
	for {
		fmt.Fprintf(i.err, "%s\npath of the next one, or of its medium (Ctrl-C ends; what has come need not come again): ", missing)
		path, err := typed(ctx, lines)
		if errors.Is(err, io.EOF) {
			err = &admin.Error{Text: missing + "; nothing was changed", Exit: admin.ExitFailed}
		}
		if err != nil {
			return nil, err
		}
		if path == "" {
			continue
		}
		more, err := openSources(ctx, []string{path})
		if err == nil {
			return more, nil
		}
		fmt.Fprintln(i.err, err)
	}
}

// typed is the next line that a person types, without blanks around it. Reading
// from a terminal cannot be called off: where ctx ends, it is left behind.
func typed(ctx context.Context, from *bufio.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := from.ReadString('\n')
		read <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
