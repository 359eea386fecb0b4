package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// everyPage gives the words that lead to each command, and nil for the program.
func everyPage(commands []*cli.Command, above ...string) [][]string {
	pages := [][]string{slices.Clone(above)}
	for _, c := range commands {
		pages = append(pages, everyPage(c.Subcommands, append(slices.Clone(above), c.Name)...)...)
	}
	return pages
}

func TestHelpFitsTheScreenAndHasExamples(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	for _, words := range everyPage(app.Commands) {
		p, err := pageOf(app, words)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := writeHelp(&b, p); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if len(strings.TrimRight(line, "\n")) > helpWidth {
				t.Errorf("%s: a line of the help is longer than %d columns: %s", p.name, helpWidth, line)
			}
		}
		if len(p.examples) == 0 && len(p.commands) == 0 {
			t.Errorf("%s has no examples: they are in UsageText", p.name)
		}
		if p.usage == "" || strings.HasSuffix(p.usage, ".") {
			t.Errorf("%s: usage %q: one line without a full stop", p.name, p.usage)
		}
		for _, e := range examplesIn(p) {
			checkExample(t, app, p.name, e)
		}
	}
}

// examplesIn gives command lines as a shell would see them.
func examplesIn(p page) (all []string) {
	joined := strings.ReplaceAll(strings.Join(p.examples, "\n"), "\\\n", " ")
	for line := range strings.SplitSeq(joined, "\n") {
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "sudo "), " |")
		if strings.HasPrefix(line, "aptmirror") {
			all = append(all, line)
		}
	}
	return all
}

// checkExample wants a command line that the program understands.
func checkExample(t *testing.T, app *cli.App, page, example string) {
	t.Helper()
	line := split(app, strings.Fields(example)[1:])
	levels := line.levels(app)
	if len(line.words) > 0 && len(levels) == 1 {
		t.Errorf("%s: example %q: no such command", page, example)
	}
	for _, l := range levels {
		for _, o := range l.options {
			if strings.HasPrefix(o, "--") && findFlag(l.flags, o) == nil {
				t.Errorf("%s: example %q: no such option %s", page, example, o)
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	got := blocks("One line\nand another.\n\n   literal\n     more\nafter\n")
	want := []block{{"One line and another.", false}, {"literal\n  more", true}, {"after", false}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
