package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "tell what is served and how fresh it is",
		UsageText: "aptmirror status\naptmirror status --json | jq '.suites[] | select(.error)'",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return withBackend(c, func(ctx context.Context, client *admin.Client) error {
				var status admin.Status
				if err := client.Call(ctx, "status", struct{}{}, func(admin.Event) {}, &status); err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, status)
				}
				return printStatus(c.App.Writer, status)
			})
		},
	}
}

func printStatus(w io.Writer, s admin.Status) error {
	if s.Running {
		fmt.Fprintf(w, "aptmirror %s, serving on %s since %s\n", s.Version, strings.Join(s.Listen, ", "), when(s.Started))
		if s.Page != "" {
			fmt.Fprintf(w, "status page on http://%s/\n", s.Page)
		}
	} else {
		fmt.Fprintf(w, "aptmirror %s, no daemon is running\n", s.Version)
	}
	fmt.Fprintf(w, "%d files in the store, %s\n", s.Blobs, inStore(s))
	if i := s.LastImport; i != nil {
		fmt.Fprintf(w, "last import: bundle %s of %s, on %s\n", i.Bundle, when(i.Created), when(i.Imported))
	}
	if s.Access != nil {
		printAccess(w, *s.Access)
	}
	for _, suite := range s.Suites {
		printSuite(w, suite)
	}
	for _, p := range s.Pools {
		printPool(w, p)
	}
	printMirrors(w, s.Mirrors)
	return nil
}

func printPool(w io.Writer, p admin.PoolUse) {
	fmt.Fprintf(w, "\npool %s\n  holds        %s\n", p.Pool, p)
	if p.NearlyFull() {
		fmt.Fprintf(w, "  WARNING      what is more than its max_size is refused; aptmirror package list %s\n", p.Pool)
	}
}

func printMirrors(w io.Writer, mirrors []admin.Mirror) {
	for _, m := range mirrors {
		fmt.Fprintf(w, "\nmirror %s (archive %s)\n  asked last   until %s\n  WARNING      %s\n", m.URI, m.Archive, when(m.LastUntil), m.Why)
	}
}

// inStore tells how much there is, may be and had to go.
func inStore(s admin.Status) string {
	text := size(s.Bytes)
	if s.Space.Max > 0 {
		text += " of at most " + size(s.Space.Max)
	}
	text += ", " + size(s.Space.Disk) + " on disk"
	if s.Space.EvictedFiles > 0 {
		text += fmt.Sprintf("; %d files with %s made room for others since the start", s.Space.EvictedFiles, size(s.Space.Evicted))
	}
	return text
}

// printBuilt tells what only suites have that are built here. A ring is never
// built: somebody publishes to it.
func printBuilt(w io.Writer, s admin.SuiteStatus) {
	if s.PublishedBy != "" {
		fmt.Fprintf(w, "  published    by %s, %s\n", who(s.PublishedBy), s.Why)
	}
	for _, in := range s.Inputs {
		fmt.Fprintf(w, "  made from    %s\n", in)
	}
	if s.HeldBack > 0 {
		fmt.Fprintf(w, "  held back    %d versions, the first until %s\n", s.HeldBack, when(s.Next))
	}
	for _, unmet := range s.Unmet {
		fmt.Fprintf(w, "  unmet        %s\n", unmet)
	}
	if !s.Checked.IsZero() {
		fmt.Fprintf(w, "  last build   %s, last good %s\n", when(s.Checked), when(s.CheckedOK))
	}
}

func printLeftOut(w io.Writer, l *admin.LeftOut) {
	if l == nil {
		return
	}
	fmt.Fprintf(w, "  left out     %d files that nobody can verify\n", l.Files)
	for _, f := range l.First {
		fmt.Fprintf(w, "               %s: %s\n", f.Path, f.Why)
	}
	if more := l.Files - len(l.First); more > 0 {
		fmt.Fprintf(w, "               and %d more\n", more)
	}
}

// unlooked is for the time before the first look has ended.
func unlooked(s admin.SuiteStatus) string {
	if s.Checked.IsZero() {
		return "; no sync or import of it has ended"
	}
	return ""
}

func printSuite(w io.Writer, s admin.SuiteStatus) {
	if s.Built {
		fmt.Fprintf(w, "\n%s %s (built here)\n", s.Repository, s.Suite)
	} else {
		fmt.Fprintf(w, "\n%s %s (archive %s)\n", s.Repository, s.Suite, s.Archive)
	}
	if s.Generation == 0 && s.Built {
		fmt.Fprintln(w, "  nothing published yet")
	} else if s.Generation == 0 {
		fmt.Fprintln(w, "  nothing verified yet"+unlooked(s))
	} else {
		fmt.Fprintf(w, "  generation   %d, published %s\n", s.Generation, when(s.Published))
		fmt.Fprintf(w, "  date         %s\n", when(s.Date))
		fmt.Fprintf(w, "  valid until  %s\n", when(s.ValidUntil))
		for _, k := range s.Signers {
			fmt.Fprintf(w, "  signed by    %s\n", strings.TrimSpace(k.Fingerprint+"  "+k.Name))
		}
		fmt.Fprintf(w, "  cached       %d of %d packages, %s of %s\n", s.Cached, s.Packages, size(s.CachedSize), size(s.Bytes))
		printLeftOut(w, s.LeftOut)
	}
	if s.Built {
		printBuilt(w, s)
	} else {
		fmt.Fprintf(w, "  last check   %s, last good %s\n", when(s.Checked), when(s.CheckedOK))
	}
	if s.Warning != "" {
		fmt.Fprintf(w, "  WARNING      %s\n", s.Warning)
	}
	if s.Error != "" {
		fmt.Fprintf(w, "  PROBLEM      %s\n", s.Error)
	}
	if s.Held != nil {
		fmt.Fprintf(w, "  held         a Release dated %s, since %s: %s\n", when(s.Held.Date), when(s.Held.Since), s.Held.What)
	}
	if s.Advice != "" {
		fmt.Fprintf(w, "  what to do   %s\n", s.Advice)
	}
}
