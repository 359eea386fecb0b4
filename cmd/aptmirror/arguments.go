package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts every option where urfave/cli looks for it, right behind the
// command that knows it, since that library takes an option after an argument
// for another argument. What follows "--" are arguments, whatever they look
// like. An option at the end of the line that lacks its value would take the
// command for it.
func arrange(app *cli.App, args []string) ([]string, error) {
	line := split(app, args[1:])
	if line.bare != "" {
		return nil, usagef("%s needs a value (see aptmirror help)", line.bare)
	}
	levels := line.levels(app)
	out := args[:1:1]
	for i, l := range levels {
		if i > 0 {
			out = append(out, l.name)
		}
		out = append(out, l.options...)
	}
	if len(line.rest) > 0 {
		out = append(out, "--") // before all arguments: behind one, the library takes it for another
	}
	return append(append(out, line.words[len(levels)-1:]...), line.rest...), nil
}

// commandLine is a command line taken apart.
type commandLine struct {
	words   []string   // commands and arguments
	options [][]string // each with its value, if that is a word of its own
	rest    []string   // behind "--"
	bare    string     // an option at the end whose value is missing
}

func split(app *cli.App, args []string) commandLine {
	var line commandLine
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			line.rest = args[i+1:]
			return line
		case len(a) < 2 || a[0] != '-':
			line.words = append(line.words, a)
		case takesValue(app, a) && i+1 == len(args):
			line.bare = a
		case takesValue(app, a):
			line.options = append(line.options, []string{a, args[i+1]})
			i++
		default:
			line.options = append(line.options, []string{a})
		}
	}
	return line
}

// takesValue says whether the next word belongs to an option. One name means
// the same kind of option in all commands.
func takesValue(app *cli.App, option string) bool {
	if strings.Contains(option, "=") {
		return false
	}
	f := findFlag(app.Flags, option)
	for _, c := range everyCommand(app.Commands) {
		if f == nil {
			f = findFlag(c.Flags, option)
		}
	}
	switch f.(type) {
	case nil, *cli.BoolFlag:
		return false
	}
	return true
}

func everyCommand(commands []*cli.Command) []*cli.Command {
	all := slices.Clone(commands)
	for _, c := range commands {
		all = append(all, everyCommand(c.Subcommands)...)
	}
	return all
}

func findFlag(flags []cli.Flag, option string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(option, "-"), "=")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// level is one command on the way from the program to the command that runs.
type level struct {
	name    string
	flags   []cli.Flag
	options []string
}

// levels gives every option to the innermost command that knows it; one that
// none knows goes to the last, which will say so.
func (line commandLine) levels(app *cli.App) []level {
	levels := []level{{flags: app.Flags}}
	commands := app.Commands
	for _, word := range line.words {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(word) })
		if i < 0 {
			break
		}
		levels = append(levels, level{name: word, flags: commands[i].Flags})
		commands = commands[i].Subcommands
	}
	for _, o := range line.options {
		at := len(levels) - 1
		for i := at; i >= 0; i-- {
			if findFlag(levels[i].flags, o[0]) != nil {
				at = i
				break
			}
		}
		levels[at].options = append(levels[at].options, o...)
	}
	return levels
}
