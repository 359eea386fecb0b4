package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadme decides with each example of README.md about its packages.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	packages, rest := block(t, string(text), "control")
	examples := 0
	for strings.Contains(rest, "```rules\n") {
		var rules, verdicts string
		rules, rest = block(t, rest, "rules")
		verdicts, rest = block(t, rest, "verdicts")
		p := mustParse(t, rules)
		if diff := cmp.Diff(verdicts, explained(p.decide(t, makeSet(t, packages), noon))); diff != "" {
			t.Errorf("(-README.md +decided)\n%s", diff)
		}
		for _, f := range p.lint(t, noon) {
			t.Errorf("an example is not as it should be: %v", f)
		}
		examples++
	}
	if examples < 3 {
		t.Errorf("%d examples", examples)
	}
}

// block gives the contents of the next block of a kind, and what follows it.
func block(t *testing.T, text, kind string) (inside, rest string) {
	t.Helper()
	_, after, ok := strings.Cut(text, "```"+kind+"\n")
	inside, rest, closed := strings.Cut(after, "```")
	if !ok || !closed {
		t.Fatalf("no block of %s", kind)
	}
	return inside, rest
}

// TestReadmeNamesEveryPattern keeps the tables of README.md whole.
func TestReadmeNamesEveryPattern(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for term := range forms {
		plain := "?" + strings.TrimPrefix(strings.TrimPrefix(term, "?"), "reverse-")
		if plain != "?predepends" && !strings.Contains(string(text), plain) {
			t.Errorf("README.md does not name %s", term)
		}
	}
	for term := range installedOnly {
		if !strings.Contains(string(text), "`"+term+"`") {
			t.Errorf("README.md does not say that %s does not work", term)
		}
	}
}
