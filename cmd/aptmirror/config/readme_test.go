package config

import (
	"os"
	"strings"
	"testing"
)

// The example of the README is a configuration, and has every key.
func TestReadmeShowsEveryKey(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "# The configuration\n")
	_, text, _ = strings.Cut(text, "\n```toml example\n")
	text, _, found := strings.Cut(text, "\n```\n")
	if !found {
		t.Fatal("the README has no section The configuration with an example")
	}
	c := mustParse(t, "/etc/aptmirror/aptmirror.toml", text)
	for _, s := range append([]section{topLevel, suiteSection}, sections...) {
		if s.name != "" && !strings.Contains(text, "\n"+s.header()+" ") && !strings.Contains(text, "\n"+s.header()+"\n") && s.name != suiteSection.name {
			t.Errorf("the README does not show %s", s.header())
		}
		for _, k := range s.keys {
			if !strings.Contains(text, k.name+" = ") {
				t.Errorf("the README does not show %s in %s", k.name, s.header())
			}
		}
	}
	if len(c.Repositories) != 3 || !c.Repositories[2].Suites[0].Ring() {
		t.Errorf("repositories %+v", c.Repositories)
	}
}
