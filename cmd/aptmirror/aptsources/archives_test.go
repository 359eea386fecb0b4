package aptsources

import (
	"fmt"
	"strings"
	"testing"

	"aptmirror/cmd/aptmirror/config"

	"github.com/google/go-cmp/cmp"
)

// brief is an archive on one line: NAME URI SUITES COMPONENTS ARCHITECTURES LANGUAGES KEYRING.
func brief(a Archive) string {
	list := func(v []string) string { return strings.Join(v, ",") }
	return strings.Join([]string{a.Name, a.URI, list(a.Suites), list(a.Components), list(a.Architectures), list(a.Languages),
		list(a.SignedBy)}, "|")
}

func TestArchives(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		skipped    string // part of the only reason; "" for none
	}{
		{name: "suites of one URI are one archive", text: `
deb http://h/debian/ bookworm main contrib
deb http://H/debian bookworm-updates main contrib
deb http://h/debian-security bookworm-security main contrib`,
			want: []string{
				"debian|http://h/debian|bookworm,bookworm-updates|main,contrib|native,foreign|en|",
				"debian-security|http://h/debian-security|bookworm-security|main,contrib|native,foreign|en|",
			}},
		{name: "lines of one suite add up", text: `
deb http://h/debian s main
deb http://h/debian s contrib main
deb [arch=armhf lang=de] http://h/debian s main`,
			want: []string{"debian|http://h/debian|s|main,contrib|native,foreign,armhf|en,de|"}},
		{name: "other components are another archive", text: `
deb http://h/debian bookworm main contrib
deb http://h/debian bookworm-backports main
deb http://h/debian bookworm/updates main contrib non-free
deb http://h/debian bookworm-proposed main`,
			want: []string{
				"debian|http://h/debian|bookworm|main,contrib|native,foreign|en|",
				"debian-bookworm-backports|http://h/debian|bookworm-backports,bookworm-proposed|main|native,foreign|en|",
				"debian-bookworm-updates|http://h/debian|bookworm/updates|main,contrib,non-free|native,foreign|en|",
			}},
		{name: "source packages are an architecture", text: `
deb [arch=amd64] http://h/debian s main
deb-src http://h/debian s main`,
			want: []string{"debian|http://h/debian|s|main|amd64,source|en|"}},
		{name: "source packages alone", text: `deb-src http://h/debian s main`,
			want: []string{"debian|http://h/debian|s|main|source||"}},
		{name: "another keyring is another archive", text: `
deb [signed-by=/a.gpg] http://h/debian s main
deb [signed-by=/b.gpg] http://h/debian t main`,
			want: []string{
				"debian|http://h/debian|s|main|native,foreign|en|/a.gpg",
				"debian-t|http://h/debian|t|main|native,foreign|en|/b.gpg",
			}},
		{name: "names", text: `
deb [arch=amd64 lang=none] https://deb.example.org s main
deb [arch=amd64 lang=none] https://packages.example.org/ s main
deb [arch=amd64 lang=none] https://node.example.org/Node_20.x s main
deb [arch=amd64 lang=none] http://localhost:80 s main
deb [arch=amd64 lang=none] http://[::1]/-- s main
deb [arch=amd64 lang=none] http://10.0.0.1 s main`,
			want: []string{
				"example|https://deb.example.org|s|main|amd64||",
				"example-s|https://packages.example.org|s|main|amd64||",
				"node-20.x|https://node.example.org/Node_20.x|s|main|amd64||",
				"localhost|http://localhost:80|s|main|amd64||",
				"1|http://[::1]/--|s|main|amd64||",
				"10.0.0.1|http://10.0.0.1|s|main|amd64||",
			}},
		{name: "flat and other suites are apart", text: `
deb http://h/x ./
deb http://h/x /
deb http://h/x sub/
deb http://h/x s main`,
			want: []string{
				"x|http://h/x|./,sub/||native,foreign|en|",
				"x-s|http://h/x|s|main|native,foreign|en|",
			}},
		{name: "mirror list", text: `deb mirror+file:/etc/mirrors s main`, skipped: "mirror+file: is a list of mirrors"},
		{name: "cdrom", text: `deb cdrom:[Debian 12]/ s main`, skipped: "cdrom: cannot be mirrored"},
		{name: "file", text: `deb file:/srv s main`, skipped: "file: cannot be mirrored"},
		{name: "copy", text: `deb copy:/srv s main`, skipped: "copy: cannot be mirrored"},
		{name: "ftp", text: `deb ftp://h/debian s main`, skipped: "ftp: cannot be mirrored"},
		{name: "tor", text: `deb tor+http://h/debian s main`, skipped: "tor+http: goes through Tor"},
		{name: "trusted", text: `deb [trusted=yes] http://h/debian s main`, skipped: "trusted=yes: signatures are always checked"},
		{name: "distrusted", text: `deb [trusted=no] http://h/debian s main`, skipped: "trusted=no"},
		{name: "password", text: `deb https://u:secret@h/debian s main`, skipped: "user name or password"},
		{name: "odd suite", text: `deb http://h/debian a:b main`, skipped: `"a:b" is not a suite`},
		{name: "odd component", text: `deb http://h/debian s ../x`, skipped: `"../x" is not a component`},
		{name: "odd architecture", text: `deb [arch=AMD64] http://h/debian s main`, skipped: `"AMD64" is not an architecture`},
		{name: "a good value beside an odd one", text: `deb http://h/debian s main a:b`, skipped: `"a:b" is not a component`,
			want: []string{"debian|http://h/debian|s|main|native,foreign|en|"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sources, unread := read("x.list", tt.text)
			archives, skipped := Archives(sources)
			var got []string
			for _, a := range archives {
				got = append(got, brief(a))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || len(unread) > 0 {
				t.Errorf("archives (-want +got):\n%s\nunread: %v", diff, unread)
			}
			reasons := fmt.Sprint(skipped)
			if (tt.skipped == "") != (len(skipped) == 0) || !strings.Contains(reasons, tt.skipped) || strings.Contains(reasons, "secret") {
				t.Errorf("skipped %v, want %q", skipped, tt.skipped)
			}
			checkConfigTakes(t, archives)
		})
	}
}

func TestDisabledSourcesAreLeftOutSilently(t *testing.T) {
	sources, _ := read("x.sources", "Enabled: no\nTypes: deb\nURIs: cdrom:x\nSuites: s\nComponents: main\n")
	archives, skipped := Archives(sources)
	if len(sources) != 1 || len(archives) > 0 || len(skipped) > 0 {
		t.Errorf("%d sources, %v, %v", len(sources), archives, skipped)
	}
}

func TestHasKeyring(t *testing.T) {
	for _, tt := range []struct {
		archive Archive
		want    bool
	}{
		{Archive{}, false},
		{Archive{SignedBy: []string{fingerprint}}, false},
		{Archive{SignedBy: []string{fingerprint, "/k.gpg"}}, true},
		{Archive{SignedByKey: []byte("x")}, true},
	} {
		if got := tt.archive.HasKeyring(); got != tt.want {
			t.Errorf("%v HasKeyring = %v", tt.archive, got)
		}
	}
}

func TestListsThatMultiplyAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		fmt.Fprintf(&b, "Types: deb\nURIs: http://h%d/a http://h%d/b\nSuites:", i, i)
		for j := range 200 {
			fmt.Fprintf(&b, " s%d", j)
		}
		b.WriteString("\nComponents: main\n\n")
	}
	sources, _ := read("x.sources", b.String())
	archives, skipped := Archives(sources)
	suites := 0
	for _, a := range archives {
		suites += len(a.Suites)
	}
	if suites != maxCells || len(skipped) != 175 || !strings.Contains(skipped[0].Reason, "more than 10000 suites") {
		t.Errorf("%d suites, %d skipped", suites, len(skipped))
	}
}

// checkConfigTakes writes the archives into a configuration and reads it back.
func checkConfigTakes(t *testing.T, archives []Archive) {
	t.Helper()
	c := &config.Config{Path: "/etc/aptmirror/aptmirror.toml", State: "/var/lib/aptmirror"}
	for _, a := range archives {
		c.Archives = append(c.Archives, config.Archive{
			Name: a.Name, URIs: []string{a.URI}, Suites: a.Suites, Components: a.Components, Architectures: a.Architectures,
			Languages: a.Languages, SignedBy: []string{"/k.gpg"}, Refresh: config.DefaultRefresh, Download: config.OnDemand,
		})
	}
	got, err := config.Parse(c.Path, config.Format(c))
	if err != nil {
		t.Errorf("configuration: %v", err)
		return
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("configuration (-given +read):\n%s", diff)
	}
}

func FuzzOneLine(f *testing.F) {
	for _, c := range aptCases {
		if c.name == "x.list" {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { checkHostile(t, "x.list", text) })
}

func FuzzDeb822(f *testing.F) {
	for _, c := range aptCases {
		if c.name == "x.sources" {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { checkHostile(t, "x.sources", text) })
}

func checkHostile(t *testing.T, name, text string) {
	sources, skipped := read(name, text)
	lines := strings.Count(text, "\n") + 1
	for _, s := range skipped {
		if s.Line < 1 || s.Line > lines || s.Reason == "" {
			t.Errorf("%v in a file of %d lines", s, lines)
		}
	}
	for _, s := range sources {
		if s.Line < 1 || s.Line > lines || len(s.Types) == 0 || len(s.URIs) == 0 || len(s.Suites) == 0 {
			t.Errorf("%+v in a file of %d lines", s, lines)
		}
	}
	archives, _ := Archives(sources)
	if len(archives) < 1000 { // what the configuration allows
		checkConfigTakes(t, archives)
	}
}

func BenchmarkRead(b *testing.B) {
	text := strings.Repeat("deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian bookworm main contrib\n", 100)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		sources, _ := read("x.list", text)
		Archives(sources)
	}
}
