package main

import (
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// page is what there is to say about a command: its help and its manual are
// two ways to write it. UsageText of a command has the examples, one a line,
// with "#" before a line for people; indented lines of a description are
// written as they are.
type page struct {
	name        string // with the program and the commands above
	usage       string // one line
	arguments   string
	description []block
	examples    []string
	commands    []*cli.Command // below it
	options     []option
	whole       bool // of the program, so that its options are those of every command
}

// block is a paragraph, or lines that are not to be filled.
type block struct {
	text    string
	literal bool
}

type option struct {
	names    string // "--host NAME", "-h"
	text     string // what it does, with its default
	repeated bool
}

// pageOf describes the command that words lead to, or the program itself.
func pageOf(app *cli.App, words []string) (page, error) {
	p := page{name: app.Name, usage: app.Usage, commands: visible(app.Commands), options: optionsOf(app.Flags), whole: true,
		description: blocks(app.Description), examples: examplesOf(app.UsageText)}
	commands := app.Commands
	for _, word := range words {
		c := commandNamed(commands, word)
		if c == nil {
			return page{}, usagef("there is no command %q (see %s --help)%s", strings.Join(words, " "), p.name, suggestion(commands, word))
		}
		p = page{
			name: p.name + " " + c.Name, usage: c.Usage, arguments: c.ArgsUsage, commands: visible(c.Subcommands), options: optionsOf(c.Flags),
			description: blocks(c.Description), examples: examplesOf(c.UsageText),
		}
		commands = c.Subcommands
	}
	return p, nil
}

func commandNamed(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func visible(commands []*cli.Command) (all []*cli.Command) {
	for _, c := range commands {
		if !c.Hidden {
			all = append(all, c)
		}
	}
	return all
}

// synopsis is the command line in short.
func (p page) synopsis() string {
	words := []string{p.name}
	if len(p.commands) > 0 {
		words = append(words, "COMMAND")
	}
	if len(p.options) > 0 {
		words = append(words, "[OPTION...]")
	}
	if p.arguments != "" {
		words = append(words, p.arguments)
	}
	return strings.Join(words, " ")
}

func examplesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

// blocks takes a description apart. Its line ends count only where the next
// line is empty or indented.
func blocks(text string) (all []block) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		trimmed := strings.TrimSpace(line)
		literal := strings.HasPrefix(line, "   ")
		last := len(all) - 1
		switch {
		case trimmed == "":
			all = append(all, block{})
		case last >= 0 && all[last].text != "" && all[last].literal == literal && literal:
			all[last].text += "\n" + strings.TrimPrefix(line, "   ")
		case last >= 0 && all[last].text != "" && all[last].literal == literal:
			all[last].text += " " + trimmed
		case literal:
			all = append(all, block{strings.TrimPrefix(line, "   "), true})
		default:
			all = append(all, block{trimmed, false})
		}
	}
	var out []block
	for _, b := range all {
		if b.text != "" {
			out = append(out, b)
		}
	}
	return out
}

var placeholder = regexp.MustCompile("`([^`]*)`")

func optionsOf(flags []cli.Flag) (all []option) {
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if v, can := f.(cli.VisibleFlag); !ok || can && !v.IsVisible() {
			continue
		}
		all = append(all, optionOf(doc))
	}
	return all
}

func optionOf(f cli.DocGenerationFlag) option {
	usage := f.GetUsage()
	value := ""
	if f.TakesValue() {
		value = " VALUE"
		if m := placeholder.FindStringSubmatch(usage); m != nil {
			value = " " + m[1]
		}
	}
	var names []string
	for _, n := range f.Names() {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		names = append(names, dashes+n)
	}
	slice, repeated := f.(cli.DocGenerationSliceFlag)
	o := option{names: strings.Join(names, ", ") + value, text: placeholder.ReplaceAllString(usage, "$1"), repeated: repeated && slice.IsSliceFlag()}
	o.text += remarks(f, o.repeated)
	return o
}

// remarks are what else there is to know about an option.
func remarks(f cli.DocGenerationFlag, repeated bool) string {
	var all []string
	if d := strings.Trim(f.GetDefaultText(), `"`); f.TakesValue() && d != "" && d != "0" {
		all = append(all, "default "+d)
	}
	if repeated {
		all = append(all, "may be given several times")
	}
	for _, e := range f.GetEnvVars() {
		all = append(all, "environment "+e)
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}
