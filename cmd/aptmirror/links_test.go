package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/upstream"
)

var (
	linkTo  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors are the names of a page's headings, as GitHub makes them.
func anchors(m markdown) map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(m.prose(), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("`:,.?!'()[]/·", r):
				return -1
			}
			return r
		}, strings.ToLower(h[1]))
		all[name] = true
	}
	return all
}

// prose is the page without its code blocks.
func (m markdown) prose() string {
	var kept []string
	for i, part := range strings.Split("\n"+m.text, "\n```") {
		if i%2 == 0 {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "\n")
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := map[string]markdown{}
	for _, m := range markdownPages(t) {
		all[m.name] = m
	}
	links := 0
	for _, m := range all {
		for _, l := range linkTo.FindAllStringSubmatch(m.prose(), -1) {
			links++
			file, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(file, "://") {
				t.Errorf("%s: %s leads out of the tree", m.name, l[1])
				continue
			}
			to := m.name
			if file != "" {
				to = filepath.Join(filepath.Dir(m.name), file)
			}
			if _, err := os.Stat(filepath.Join("..", "..", to)); err != nil {
				t.Errorf("%s: %s: there is no such file", m.name, l[1])
			} else if anchor != "" && !anchors(all[to])[anchor] {
				t.Errorf("%s: %s: there is no such heading", m.name, l[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links", links)
	}
}

// Every page and every command can be found from the README.
func TestTheREADMENamesAll(t *testing.T) {
	t.Parallel()
	pages := markdownPages(t)
	var readme markdown
	for _, m := range pages {
		if m.name == "README.md" {
			readme = m
		}
	}
	for _, m := range pages {
		if m.name != "README.md" && m.name != "cache/bundle/FORMAT.md" && !strings.Contains(readme.prose(), "]("+m.name) {
			t.Errorf("the README has no link to %s", m.name)
		}
	}
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		if !c.Hidden && c.Name != "help" && !strings.Contains(readme.prose(), "| `"+c.Name) {
			t.Errorf("the README's table of commands has no %s", c.Name)
		}
	}
}

// others are options of other programs that pages name outside of blocks.
var others = map[string]bool{"--error-on": true, "--snapshot": true, "--sign": true, "--allow-releaseinfo-change": true, "--upload-file": true, "--armor": true, "--export-secret-keys": true}

var (
	optionWord  = regexp.MustCompile(`--[a-z][a-z-]+`)
	programLine = regexp.MustCompile(`(?m)(?:^|[ /(])aptmirror ([a-z][^|&;\n#)/]*)(?:[|&;\n#)]|$)`)
)

// Options and commands of the pages are those of the program.
func TestPagesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	app := newApp(io.Discard, io.Discard)
	known := map[string]bool{}
	for _, words := range everyPage(app.Commands) {
		for _, f := range flagsOf(t, app, words) {
			for _, name := range f.Names() {
				known["--"+name] = true
			}
		}
	}
	for _, m := range markdownPages(t) {
		for _, word := range optionWord.FindAllString(m.prose(), -1) {
			if !known[word] && !others[word] {
				t.Errorf("%s: no command has the option %s", m.name, word)
			}
		}
		for _, b := range m.blocks {
			if !strings.HasPrefix(b.kind, "sh") {
				continue
			}
			for _, line := range programLine.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
				checkExample(t, app, m.name+":"+strconv.Itoa(b.line), "aptmirror "+line[1])
			}
		}
	}
}

func flagsOf(t *testing.T, app *cli.App, words []string) []cli.Flag {
	t.Helper()
	flags, commands := app.Flags, app.Commands
	for _, w := range words {
		for _, c := range commands {
			if c.Name == w {
				flags, commands = append(flags[:len(flags):len(flags)], c.Flags...), c.Subcommands
				break
			}
		}
	}
	return flags
}

// Blocks that nothing runs are shell at least, and configurations what they
// say they are.
func TestBlocksThatAreNotRun(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "apt-config"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	for _, m := range markdownPages(t) {
		for _, b := range m.blocks {
			file := filepath.Join(t.TempDir(), "block")
			if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "true")
			switch {
			case strings.HasPrefix(b.kind, "sh"):
				cmd = exec.CommandContext(t.Context(), "bash", "-n", file)
			case b.kind == "apt.conf":
				cmd = exec.CommandContext(t.Context(), "apt-config", "dump")
				cmd.Env = append(os.Environ(), "APT_CONFIG="+file)
			case b.kind == "toml example" && m.name != "cmd/aptmirror/config/README.md":
				if _, err := config.Parse("/etc/aptmirror/aptmirror.toml", []byte(b.text)); err != nil {
					t.Errorf("%s:%d: %v", m.name, b.line, err)
				}
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: %v\n%s", m.name, b.line, err, out)
			}
		}
	}
}

// The page for those who search by a message has every message.
func TestTroubleshootingHasEveryMessage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../upstream/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range upstream.Reasons() {
		if !strings.Contains(string(text), "| `"+string(r)+"` |") {
			t.Errorf("upstream/README.md needs a line for the reason %s", r)
		}
	}
	messages := 0
	for _, dir := range []string{"../../proxy", "../../proxy/identity"} {
		for _, message := range messagesIn(t, dir) {
			messages++
			if part := longest(message); !strings.Contains(string(text), part) {
				t.Errorf("upstream/README.md needs a line for the message %q: with %q", message, part)
			}
		}
	}
	if messages < 40 {
		t.Errorf("%d messages", messages)
	}
}

// notForClients are errors of the configuration and of the daemon's own.
var notForClients = regexp.MustCompile(`^(it gives no right|rate and connections|write |a SHA-256 fingerprint|it is |only printable|"\*\*\*"|building client trust|the client speaks HTTP|the store is closed|client certificate cannot be used: %v)`)

// messagesIn finds the texts that a package refuses clients with.
func messagesIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !tells[calls(call.Fun)] {
				return true
			}
			for _, a := range call.Args {
				if text, ok := a.(*ast.BasicLit); ok && text.Kind == token.STRING {
					if said, err := strconv.Unquote(text.Value); err == nil && !notForClients.MatchString(said) {
						all = append(all, said)
					}
				}
			}
			return true
		})
	}
	return all
}

// tells are functions whose text reaches a client.
var tells = map[string]bool{"refuse": true, "New": true, "comeAgain": true, "plain": true}

func calls(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// longest is the longest part of a format that is always the same.
func longest(format string) (part string) {
	for _, p := range regexp.MustCompile(`"?%[a-z]"?`).Split(format, -1) {
		if p = strings.Trim(p, " ,:;"); len(p) > len(part) {
			part = p
		}
	}
	return part
}
