package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:embed completion/bash
var bashCompletion string

//go:embed completion/zsh
var zshCompletion string

//go:embed completion/fish
var fishCompletion string

// shells are those that can complete commands, each with its script, which asks
// the program itself for candidates.
var shells = map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}

func shellNames() []string { return slices.Sorted(maps.Keys(shells)) }

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the script that completes commands in a shell", ArgsUsage: "SHELL",
		Description: "SHELL is bash, zsh or fish. Commands, options and the names of archives, repositories, suites, pools, keys,\n" +
			"policies, clients and snapshots are completed. The Debian package has the scripts in place.",
		UsageText: "# for this shell\nsource <(aptmirror completion bash)\n# for good\n" +
			"aptmirror completion fish > ~/.config/fish/completions/aptmirror.fish",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 || shells[c.Args().First()] == "" {
				return usagef("completion takes one SHELL: %s", strings.Join(shellNames(), ", "))
			}
			_, err := fmt.Fprint(c.App.Writer, shells[c.Args().First()])
			return err
		},
	}
}

// completeCommand is what the scripts call: the words of the line up to the
// cursor stand behind "--". It never fails, since nobody would see why.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name: "complete", Usage: "print what could stand in place of the last word", ArgsUsage: "-- WORD...", Hidden: true,
		Description: "One candidate a line, what it is behind a tab. The line :files stands for the names of files.",
		UsageText:   "aptmirror complete -- sync d",
		Action: func(c *cli.Context) error {
			for _, line := range candidates(c, c.Args().Slice()) {
				fmt.Fprintln(c.App.Writer, line.value+"\t"+line.about)
			}
			return nil
		},
	}
}
