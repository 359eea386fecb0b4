package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// candidate is one way to complete a word.
type candidate struct{ value, about string }

// anyFile stands for the names of files, which the shell knows.
var anyFile = []candidate{{":files", ""}}

// askTimeout is how long a person who pressed Tab waits for the daemon; tests
// have more patience.
var askTimeout = time.Second

// candidates completes the last of the words. What kind of thing an argument is
// stands in the ArgsUsage of its command, and for options in their placeholder.
func candidates(c *cli.Context, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	current, before := words[len(words)-1], words[:len(words)-1]
	line := split(c.App, before)
	levels := line.levels(c.App)
	last := commandOf(c.App, levels)
	names := namer{context: c.Context, config: configOf(line)}
	switch {
	case line.bare != "":
		return starting(current, names.ofOption(levels, line.bare))
	case slices.Contains(before, "--"):
		return nil
	case strings.HasPrefix(current, "-"):
		return starting(current, optionCandidates(levels))
	case last == nil || len(last.Subcommands) > 0:
		return starting(current, commandCandidates(c.App, last))
	}
	return starting(current, names.ofArgument(c.App, levels, last, line.words[len(levels)-1:]))
}

// different leaves out values that came before: an archive and the repository that
// serves it may have one name.
func different(all []candidate) (some []candidate) {
	for _, c := range all {
		if !slices.ContainsFunc(some, func(before candidate) bool { return before.value == c.value }) {
			some = append(some, c)
		}
	}
	return some
}

// commandOf gives the innermost command, nil for the program.
func commandOf(app *cli.App, levels []level) (last *cli.Command) {
	commands := app.Commands
	for _, l := range levels[1:] {
		last = commandNamed(commands, l.name)
		commands = last.Subcommands
	}
	return last
}

// configOf is the file that commands would read.
func configOf(line commandLine) string {
	for _, o := range line.options {
		if name, value, ok := strings.Cut(o[0], "="); ok && strings.TrimLeft(name, "-") == "config" {
			return value
		}
		if len(o) == 2 && strings.TrimLeft(o[0], "-") == "config" {
			return o[1]
		}
	}
	return cmp.Or(os.Getenv("APTMIRROR_CONFIG"), standardConfig)
}

func starting(with string, all []candidate) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool { return c.value != anyFile[0].value && !strings.HasPrefix(c.value, with) })
}

func optionCandidates(levels []level) (all []candidate) {
	for _, l := range slices.Backward(levels) {
		for _, o := range optionsOf(l.flags) {
			name, _, _ := strings.Cut(o.names, " ")
			all = append(all, candidate{strings.TrimSuffix(name, ","), o.text})
		}
	}
	return append(all, candidate{"--help", "tell about the command"})
}

func commandCandidates(app *cli.App, above *cli.Command) (all []candidate) {
	commands := app.Commands
	if above != nil {
		commands = above.Subcommands
	}
	for _, c := range visible(commands) {
		all = append(all, candidate{c.Name, c.Usage})
	}
	return all
}

// namer knows the names of the things of a site.
type namer struct {
	context context.Context
	config  string // path of the configuration; it may not exist
}

func (n namer) ofOption(levels []level, option string) []candidate {
	for _, l := range levels {
		if f, ok := findFlag(l.flags, option).(cli.DocGenerationFlag); ok {
			if m := placeholder.FindStringSubmatch(f.GetUsage()); m != nil {
				return n.named(m[1], nil)
			}
		}
	}
	return nil
}

// ofArgument completes the argument behind those that are there already. The
// last of ArgsUsage may stand for any number of them.
func (n namer) ofArgument(app *cli.App, levels []level, last *cli.Command, arguments []string) []candidate {
	kinds := strings.Fields(last.ArgsUsage)
	if len(kinds) == 0 {
		return nil
	}
	at := len(arguments)
	if at >= len(kinds) {
		if at = len(kinds) - 1; !strings.Contains(kinds[at], "...") {
			return nil
		}
	}
	kind := strings.Trim(kinds[at], "[].")
	if one, other, either := strings.Cut(kind, "|"); either {
		return append(n.named(one, arguments), n.named(other, arguments)...)
	}
	switch {
	case kind == "NAME" && levels[1].name == "sync":
		return different(append(n.named("ARCHIVE", arguments), n.named("REPOSITORY", arguments)...))
	case kind == "COMMAND":
		return commandCandidates(app, nil)
	case kind == "NAME" && levels[1].name == "client":
		kind = "CLIENT"
	case kind == "NAME" && levels[1].name == "snapshot":
		kind = "SNAPSHOT"
	case kind == "NAME" && levels[1].name == "key":
		kind = "KEY"
	}
	return n.named(kind, arguments)
}

// named gives the names of one kind, as help calls it; before are the arguments
// that stand before it.
func (n namer) named(kind string, before []string) []candidate {
	switch kind {
	case "FILE", "FOLDER", "PATH", "DEST", "SRC":
		return slices.Clone(anyFile)
	case "LEVEL":
		return called("level", []string{"debug", "info", "warn", "error"})
	case "CERTIFICATE":
		return called("certificate", certificateNames)
	case "SHELL":
		return called("shell", shellNames())
	case "SNAPSHOT":
		return called("snapshot", n.snapshots())
	}
	c, err := config.Load(n.config)
	if err != nil {
		return nil
	}
	return namesIn(c, kind, before)
}

func namesIn(c *config.Config, kind string, before []string) []candidate {
	switch kind {
	case "ARCHIVE":
		return called("archive", namesOf(c.Archives, func(a config.Archive) string { return a.Name }))
	case "REPOSITORY", "REPO":
		return called("repository", namesOf(c.Repositories, func(r config.Repository) string { return r.Name }))
	case "POOL":
		return called("pool", namesOf(c.Pools, func(p config.Pool) string { return p.Name }))
	case "POLICY":
		return called("policy", namesOf(c.Policies, func(p config.Policy) string { return p.Name }))
	case "KEY":
		return called("key", namesOf(c.Keys, func(k config.Key) string { return k.Name }))
	case "CLIENT":
		return called("client", clientNames(c))
	case "SUITE":
		return called("suite", suitesAfter(c, before))
	}
	return nil
}

func namesOf[T any](list []T, name func(T) string) (names []string) {
	for _, v := range list {
		names = append(names, name(v))
	}
	return names
}

func called(what string, names []string) (all []candidate) {
	for _, n := range names {
		all = append(all, candidate{n, what})
	}
	return all
}

// suitesAfter are those of the archive or repository that stands before.
func suitesAfter(c *config.Config, before []string) (suites []string) {
	if len(before) == 0 {
		return nil
	}
	name := before[len(before)-1]
	for _, a := range c.Archives {
		if a.Name == name {
			suites = append(suites, a.Suites...)
		}
	}
	for _, r := range c.Repositories {
		if r.Name == name {
			suites = append(suites, c.SuitesOf(r)...)
		}
	}
	slices.Sort(suites)
	return slices.Compact(suites)
}

// clientNames reads no certificate: whoever may list the folder may know.
func clientNames(c *config.Config) (names []string) {
	entries, err := os.ReadDir(c.Clients.Dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// snapshots asks the daemon; without one, or with one that knows no snapshots,
// there are none.
func (n namer) snapshots() (names []string) {
	socket, err := config.FindSocket(n.config)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(n.context, askTimeout)
	defer cancel()
	client, err := admin.Dial(ctx, socket)
	if err != nil {
		return nil
	}
	var list struct {
		Snapshots []struct {
			Name string `json:"name"`
		} `json:"snapshots"`
	}
	if err := client.Call(ctx, "snapshots", struct{}{}, func(admin.Event) {}, &list); err != nil {
		return nil
	}
	for _, s := range list.Snapshots {
		names = append(names, s.Name)
	}
	return names
}
