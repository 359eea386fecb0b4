package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReadsWhatFormatWrites(t *testing.T) {
	hex := strings.Repeat("ab", 20)
	odd := fullConfig()
	odd.State = "/etc/aptmirror/it's \"odd\" \\ ä"
	odd.Archives[0].SignedBy = []string{"/etc/aptmirror/" + hex, "/" + hex, strings.ToUpper(hex)}
	odd.Serve.Cert = "/etc/server.crt"
	tests := map[string]*Config{
		"everything": fullConfig(),
		"nothing":    {Path: "/etc/aptmirror/aptmirror.toml", State: DefaultState},
		"odd names":  odd,
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			text := string(Format(c))
			if diff := cmp.Diff(c, mustParse(t, c.Path, text), anyLine); diff != "" {
				t.Errorf("(-given +read):\n%s\n%s", diff, text)
			}
		})
	}
}

func TestFormatMakesPathsBelowTheFolderRelative(t *testing.T) {
	c := fullConfig()
	c.Serve.Cert = "/etc/other.crt"
	text := string(Format(c))
	for _, want := range []string{`state = "state"`, `cert = "/etc/other.crt"`, `key = "/secret/server.key"`, `crl = ["tls/clients.crl"]`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "/etc/aptmirror/") {
		t.Errorf("a path below the folder is absolute in\n%s", text)
	}
}

// The examples are what a person gets by removing the "#" before them.
func TestFormatExplainsEveryKeyWithAnExampleThatWorks(t *testing.T) {
	text := string(Format(&Config{Path: "/etc/aptmirror/aptmirror.toml"}))
	for _, s := range slices.Concat([]section{topLevel, verbatimSection, builtSection, suiteSection}, sections) {
		if s.name == repositorySection.name && len(s.keys) == len(repositorySection.keys) {
			continue // Format writes its two kinds apart
		}
		for _, k := range s.keys {
			line := "# " + k.about + "\n#" + k.name + " = " + k.example + "\n"
			if !strings.Contains(text, line) {
				t.Errorf("%s: key %s is not explained", s.header(), k.name)
			}
			if k.instead {
				text = strings.ReplaceAll(text, line, "")
			}
		}
	}
	active := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(text, "$1")
	c := mustParse(t, "/etc/aptmirror/aptmirror.toml", active)
	if len(c.Archives) != 1 || len(c.Repositories) != 2 || len(c.Repositories[1].Suites) != 1 || len(c.Grants) != 1 || c.Serve.ServerCA == "" || c.Clients.Dir == "" {
		t.Errorf("examples give %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(string(Format(fullConfig())))
	f.Add(archiveWith("suites", `["./"]`))
	f.Add("archive = [[[{a.b.c = 1, d = []}]], 1]\nserve.x.y = 2024-01-01")
	f.Add("[[archive]]\n[archive.a]\n[[archive.a.b]]\n[[archive]]\n[serve.\"\".''.x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		const path = "/etc/aptmirror/aptmirror.toml"
		c, err := Parse(path, []byte(text))
		if err != nil {
			checkPlaces(t, text, err)
			return
		}
		if diff := cmp.Diff(c, mustParse(t, path, string(Format(c))), anyLine); diff != "" {
			t.Errorf("Format loses something (-given +read):\n%s", diff)
		}
	})
}

func checkPlaces(t *testing.T, text string, err error) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for _, p := range err.(*Error).Problems {
		if p.Line == 0 && p.Column == 0 {
			continue
		}
		if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len(lines[p.Line-1])+1 {
			t.Errorf("%v is outside of the file", p)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(full)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("/etc/aptmirror/aptmirror.toml", text); err != nil {
			b.Fatal(err)
		}
	}
}
