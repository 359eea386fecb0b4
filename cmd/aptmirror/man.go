package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
)

// manSection is that of commands for administrators.
const manSection = "8"

// manCommand is for those who package the program.
func manCommand() *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "write the manual pages of all commands and of the configuration", ArgsUsage: "FOLDER", Hidden: true,
		UsageText: "aptmirror man manual\nman -l manual/aptmirror.8",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("man takes one FOLDER, got %d", c.NArg())
			}
			return writeManual(c.App, c.Args().First())
		},
	}
}

func writeManual(app *cli.App, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing manual pages: %w", err)
	}
	pages := map[string]string{site.ConfigName + ".5": configManual(app.Version)}
	for _, words := range everyCommandLine(app.Commands) {
		p, err := pageOf(app, words)
		if err != nil {
			return err
		}
		pages[manName(p.name)+"."+manSection] = commandManual(p, words, app)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing manual pages: %w", err)
		}
	}
	return nil
}

// everyCommandLine gives the words of each command that is shown, and none for
// the program.
func everyCommandLine(commands []*cli.Command, above ...string) [][]string {
	all := [][]string{above}
	for _, c := range visible(commands) {
		all = append(all, everyCommandLine(c.Subcommands, append(above[:len(above):len(above)], c.Name)...)...)
	}
	return all
}

// manName is how man finds a command: aptmirror-client-add.
func manName(command string) string { return strings.ReplaceAll(command, " ", "-") }

func commandManual(p page, words []string, app *cli.App) string {
	var r roff
	r.title(manName(p.name), manSection, app.Version)
	r.section("NAME")
	r.line(roffText(manName(p.name)) + ` \- ` + roffText(p.usage))
	r.section("SYNOPSIS")
	r.line(`\fB` + roffText(p.name) + `\fR` + roffText(strings.TrimPrefix(p.synopsis(), p.name)))
	if len(p.description) > 0 {
		r.section("DESCRIPTION")
	}
	for _, b := range p.description {
		r.block(b)
	}
	r.commands(p)
	r.options("OPTIONS", p.options)
	if !p.whole {
		r.options("OPTIONS OF EVERY COMMAND", optionsOf(app.Flags))
	}
	if len(p.examples) > 0 {
		r.section("EXAMPLES")
		r.block(block{strings.Join(p.examples, "\n"), true})
	}
	r.also(words)
	return r.String()
}

func configManual(version string) string {
	var r roff
	r.title(site.ConfigName, "5", version)
	r.section("NAME")
	r.line(roffText(site.ConfigName) + ` \- ` + "configuration of aptmirror")
	r.section("DESCRIPTION")
	r.line(roffText("The file is TOML, by default " + standardConfig + ". Relative paths are relative to its folder. " +
		"An unknown key or a bad value is an error with file, line and column. Tables in double brackets may occur any number of times."))
	for _, t := range config.Document() {
		if t.Header != "" {
			r.section(t.Header)
			r.line(roffText(t.About))
		}
		for _, k := range t.Keys {
			r.item(`\fB`+roffText(k.Name)+`\fR`, k.About)
			r.block(block{k.Name + " = " + k.Example, true})
		}
	}
	r.also(nil)
	return r.String()
}

// roff is a manual page in the macros of man(7).
type roff struct {
	strings.Builder
	begun bool // the section has a paragraph, so that the next is set apart
}

func (r *roff) title(name, section, version string) {
	fmt.Fprintf(r, ".TH %q %s %q %q %q\n.nh\n.ad l\n", strings.ToUpper(name), section, buildDate(), "aptmirror "+version, "aptmirror manual")
}

func (r *roff) section(name string) {
	fmt.Fprintf(r, ".SH %s\n", roffText(name))
	r.begun = false
}

// paragraph sets the next one apart.
func (r *roff) paragraph() {
	if r.begun {
		r.line(".PP")
	}
	r.begun = true
}

func (r *roff) line(text string) { r.WriteString(text + "\n") }

// item is a paragraph with its subject hanging out to the left.
func (r *roff) item(subject, text string) {
	r.line(".TP\n" + subject + "\n" + roffText(text))
	r.begun = true
}

func (r *roff) block(b block) {
	r.paragraph()
	if !b.literal {
		r.line(roffText(b.text))
		return
	}
	r.line(".RS 4\n.nf")
	for l := range strings.SplitSeq(b.text, "\n") {
		r.line(roffText(l))
	}
	r.line(".fi\n.RE")
}

func (r *roff) commands(p page) {
	if len(p.commands) > 0 {
		r.section("COMMANDS")
	}
	for _, c := range p.commands {
		r.item(`\fB`+roffText(manName(p.name+" "+c.Name))+`\fR(`+manSection+`)`, c.Usage)
	}
}

func (r *roff) options(head string, options []option) {
	if len(options) > 0 {
		r.section(head)
	}
	for _, o := range options {
		r.item(`\fB`+roffText(o.names)+`\fR`, o.text)
	}
}

// also points to the page above, to the program and to the configuration.
func (r *roff) also(words []string) {
	r.section("SEE ALSO")
	var all []string
	for i := range words {
		all = append(all, `\fB`+roffText(manName(strings.Join(append([]string{"aptmirror"}, words[:i]...), " ")))+`\fR(`+manSection+`)`)
	}
	if words == nil {
		all = append(all, `\fBaptmirror\fR(8)`)
	}
	all = append(all, `\fB`+roffText(site.ConfigName)+`\fR(5)`, `\fBapt\-patterns\fR(7)`, `\fBsources.list\fR(5)`)
	r.line(strings.Join(all, ",\n"))
}

// roffText keeps text from being taken for requests and escapes. "-" stays the
// character that a shell understands.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// buildDate is that of the commit, "" where the program does not know it.
func buildDate() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			date, _, _ := strings.Cut(s.Value, "T")
			return date
		}
	}
	return ""
}
