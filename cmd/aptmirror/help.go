package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// helpWidth is how many columns help takes: those of the smallest terminal.
const helpWidth = 80

func helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "tell about the program or one of its commands", ArgsUsage: "[COMMAND...]",
		UsageText: "aptmirror help client kit",
		Action:    func(c *cli.Context) error { return help(c.App, c.Args().Slice()) },
	}
}

// helpFor answers --help, which may stand anywhere on the line. asked is false
// where it does not.
func helpFor(app *cli.App, args []string) (asked bool, err error) {
	line := split(app, args)
	if !slices.ContainsFunc(line.options, func(o []string) bool { return slices.Contains([]string{"--help", "-help", "-h", "--h"}, o[0]) }) {
		return false, nil
	}
	var names []string
	for _, l := range line.levels(app)[1:] {
		names = append(names, l.name)
	}
	return true, help(app, names)
}

func help(app *cli.App, words []string) error {
	p, err := pageOf(app, words)
	if err != nil {
		return err
	}
	return writeHelp(app.Writer, p)
}

func writeHelp(w io.Writer, p page) error {
	var b strings.Builder
	b.WriteString(fill(p.name+" - "+p.usage, 0, "    "))
	b.WriteString("\nUsage:\n" + fill(p.synopsis(), 2, "      "))
	for _, d := range p.description {
		b.WriteString("\n")
		if d.literal {
			for line := range strings.SplitSeq(d.text, "\n") {
				b.WriteString("    " + line + "\n")
			}
			continue
		}
		b.WriteString(fill(d.text, 2, "  "))
	}
	writeHelpLists(&b, p)
	if len(p.examples) > 0 {
		b.WriteString("\nExamples:\n  " + strings.Join(p.examples, "\n  ") + "\n")
	}
	if !p.whole {
		b.WriteString("\n--config FILE, --json and --verbose go with every command: see aptmirror help.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeHelpLists(b *strings.Builder, p page) {
	var commands, options [][2]string
	for _, c := range p.commands {
		commands = append(commands, [2]string{c.Name, c.Usage})
	}
	for _, o := range p.options {
		options = append(options, [2]string{o.names, o.text})
	}
	writeList(b, "Commands:", commands)
	writeList(b, "Options:", options)
}

// writeList writes two columns. What does not fit in the first has a line of
// its own.
func writeList(b *strings.Builder, head string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	const widest = 24
	width := 0
	for _, r := range rows {
		if len(r[0]) <= widest {
			width = max(width, len(r[0]))
		}
	}
	fmt.Fprintf(b, "\n%s\n", head)
	indent := strings.Repeat(" ", width+4)
	for _, r := range rows {
		text := strings.TrimPrefix(fill(r[1], len(indent), indent), indent)
		if len(r[0]) > width {
			fmt.Fprintf(b, "  %s\n%s%s", r[0], indent, text)
			continue
		}
		fmt.Fprintf(b, "  %-*s  %s", width, r[0], text)
	}
}

// fill breaks text into lines of helpWidth; the first is indented by first
// blanks, all others by rest.
func fill(text string, first int, rest string) string {
	var b strings.Builder
	line := strings.Repeat(" ", first)
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len(line)+1+len(word) > helpWidth {
			b.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
	return b.String()
}
