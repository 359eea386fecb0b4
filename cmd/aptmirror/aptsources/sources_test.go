package aptsources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"

// root makes a machine of files, whose names are relative to it.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read is Read for a machine with the architectures "native" and "foreign" and one file, whose name says the format.
func read(name, text string) ([]Source, []Skipped) {
	r := &reader{native: "native", architectures: []string{"native", "foreign"}}
	parse := r.lines
	if strings.HasSuffix(name, ".sources") {
		parse = r.stanzas
	}
	parse(name, strings.ReplaceAll(text, "\r\n", "\n"))
	return r.sources, r.skipped
}

func TestOneLineFormat(t *testing.T) {
	text := `# comment
deb http://h/debian stable main contrib # trailing

deb [ arch=amd64,i386 lang=de,none signed-by=/k.gpg,` + strings.ToLower(fingerprint) + `! ] http://h/debian stable main
deb-src [arch+=armhf arch-=foreign lang+=fr trusted=yes enabled=no] http://h/$(ARCH) flat-$(ARCH)/
deb [arch="amd64"] "http://h/de%62ian" "sta ble" "ma"in
`
	got, skipped := read("x.list", text)
	both := []string{"native", "foreign"}
	en := []string{"en"}
	want := []Source{
		{File: "x.list", Line: 2, Types: []string{"deb"}, URIs: []string{"http://h/debian"}, Suites: []string{"stable"},
			Components: []string{"main", "contrib"}, Architectures: both, Languages: en, Enabled: true},
		{File: "x.list", Line: 4, Types: []string{"deb"}, URIs: []string{"http://h/debian"}, Suites: []string{"stable"},
			Components: []string{"main"}, Architectures: []string{"amd64", "i386"}, Languages: []string{"de"},
			SignedBy: []string{"/k.gpg", fingerprint + "!"}, Enabled: true},
		{File: "x.list", Line: 5, Types: []string{"deb-src"}, URIs: []string{"http://h/native"}, Suites: []string{"flat-native/"},
			Components: []string{}, Architectures: []string{"native", "armhf"}, Languages: []string{"en", "fr"}, Trusted: "yes", Enabled: true},
		{File: "x.list", Line: 6, Types: []string{"deb"}, URIs: []string{"http://h/debian"}, Suites: []string{"sta ble"},
			Components: []string{"main"}, Architectures: []string{"amd64"}, Languages: en, Enabled: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || len(skipped) > 0 {
		t.Errorf("(-want +got):\n%s\nskipped: %v", diff, skipped)
	}
}

func TestDeb822Format(t *testing.T) {
	text := `# comment

Types: deb deb-src
# within
URIs: http://a/debian
 http://b/debian
Suites: stable $(ARCH)/x
components: main
 contrib
Architectures-Add: armhf
Architectures-Remove: foreign
Languages: de, fr
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYCQj
 -----END PGP PUBLIC KEY BLOCK-----


# not now
Enabled: no
Types: deb
URIs: http://c
Suites: ./
`
	got, skipped := read("x.sources", text)
	want := []Source{
		{File: "x.sources", Line: 3, Types: []string{"deb", "deb-src"}, URIs: []string{"http://a/debian", "http://b/debian"},
			Suites: []string{"stable", "native/x"}, Components: []string{"main", "contrib"}, Architectures: []string{"native", "armhf"},
			Languages:   []string{"de", "fr"},
			SignedByKey: []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEYCQj\n-----END PGP PUBLIC KEY BLOCK-----\n"), Enabled: true},
		{File: "x.sources", Line: 21, Types: []string{"deb"}, URIs: []string{"http://c"}, Suites: []string{"./"},
			Architectures: []string{"native", "foreign"}, Languages: []string{"en"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || len(skipped) > 0 {
		t.Errorf("(-want +got):\n%s\nskipped: %v", diff, skipped)
	}
	windows, skipped := read("x.sources", strings.ReplaceAll(text, "\n", "\r\n"))
	if diff := cmp.Diff(want, windows, cmpopts.EquateEmpty()); diff != "" || len(skipped) > 0 {
		t.Errorf("with CRLF (-want +got):\n%s\nskipped: %v", diff, skipped)
	}
}

func TestFaultSetsOneEntryAside(t *testing.T) {
	good := "\ndeb http://good stable main\n"
	lines := map[string]string{
		"rpm http://h stable main":                    `x.list:2: type "rpm" is neither deb nor deb-src`,
		"deb":                                         `x.list:2: no URI`,
		"deb http://h":                                `x.list:2: no suite`,
		"deb http://h stable":                         `x.list:2: suite "stable" has no components`,
		"deb http://h ./ main":                        `x.list:2: suite "./" ends in "/", so there must be no components`,
		"deb h stable main":                           `x.list:2: "h" is not a URI`,
		"deb [arch] http://h stable main":             `x.list:2: option "arch" is not of the form name=value`,
		"deb [arch=] http://h stable main":            `x.list:2: option "arch=" is not of the form name=value`,
		"deb [arch=amd64":                             `x.list:2: the options in [ ] have no end`,
		`deb "http://h stable main`:                   `x.list:2: a quote or bracket is not closed`,
		"deb [signed-by=k.gpg] http://h stable main":  `x.list:2: "k.gpg" in Signed-By is neither an absolute path nor a whole fingerprint`,
		"deb [signed-by=ABCDEF] http://h stable main": `x.list:2: "ABCDEF" in Signed-By is neither`,
		"deb http://h x " + strings.Repeat("c ", 300): `x.list:2: more than 256 URIs, suites or components`,
	}
	for line, want := range lines {
		checkAside(t, "x.list", good+good[1:]+good[1:], line, want)
	}
	goodStanza := "\n\nTypes: deb\nURIs: http://good\nSuites: s\nComponents: main\n\n"
	stanzas := map[string]string{
		"URIs: http://h\nSuites: s\nComponents: main":                 `x.sources:3: no type`,
		"Types: deb\nno colon":                                        `x.sources:4: neither a field nor a continuation`,
		"Types: deb\nTypes: deb":                                      `x.sources:4: field Types occurs twice`,
		" Types: deb":                                                 `x.sources:3: continuation line without a field`,
		"Types: deb\nURIs: http://h\nSuites: s":                       `x.sources:3: suite "s" has no components`,
		"#c\nTypes: deb\nURIs: http://h\nSuites: s ./\nComponents: m": `x.sources:4: suite "./" ends in "/"`,
		"Types: deb\nURIs: http://h\nSuites: s\nComponents: m\nSigned-By:\n /a.gpg b": `x.sources:3: "b" in Signed-By is neither`,
	}
	for stanza, want := range stanzas {
		checkAside(t, "x.sources", goodStanza+goodStanza, stanza, want)
	}
}

// checkAside puts the bad entry on line 2 or 3 of a file, before the good ones.
func checkAside(t *testing.T, name, good, bad, want string) {
	t.Helper()
	before := "#\n"
	if name == "x.sources" {
		before = "#\n\n"
	}
	sources, skipped := read(name, before+bad+good)
	if len(skipped) != 1 || !strings.HasPrefix(skipped[0].String(), want) {
		t.Errorf("%q: skipped %v, want %s", bad, skipped, want)
	}
	if n := strings.Count(good, "http://good"); len(sources) != n {
		t.Errorf("%q: %d sources are left, want %d", bad, len(sources), n)
	}
}

func TestReadTakesTheFilesThatAptTakes(t *testing.T) {
	line := "deb http://h/NAME stable main\n"
	files := map[string]string{}
	add := func(name string) { files["etc/apt/"+name] = strings.ReplaceAll(line, "NAME", filepath.Base(name)) }
	for _, name := range []string{
		"sources.list", "sources.list.d/b.list", "sources.list.d/_a.list", "sources.list.d/a-1.2.list", "sources.list.d/.hidden.list",
		"sources.list.d/x.list.save", "sources.list.d/x.list~", "sources.list.d/x.disabled", "sources.list.d/x.LIST",
		"sources.list.d/x~y.list", "sources.list.d/x y.list", "sources.list.d/x.txt", "sources.list.d/dir.list/file",
	} {
		add(name)
	}
	files["etc/apt/sources.list.d/b.sources"] = "Types: deb\nURIs: http://h/b.sources\nSuites: stable\nComponents: main\n"
	files["var/lib/dpkg/arch"] = "all\nriscv64\n../bad\n"
	dir := root(t, files)
	big := filepath.Join(dir, "etc/apt/sources.list.d/big.list")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "etc/apt/sources.list.d/dangling.list")); err != nil {
		t.Fatal(err)
	}
	sources, skipped, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var uris, aside []string
	for _, s := range sources {
		uris = append(uris, filepath.Base(s.URIs[0]))
		if s.Architectures[len(s.Architectures)-1] != "riscv64" {
			t.Errorf("%s: architectures %v, want riscv64 last", s.File, s.Architectures)
		}
	}
	for _, s := range skipped {
		aside = append(aside, filepath.Base(s.File))
	}
	if diff := cmp.Diff([]string{"sources.list", "_a.list", "a-1.2.list", "b.list", "b.sources"}, uris); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"big.list", "dangling.list", "x y.list", "x.LIST", "x.txt", "x~y.list"}, aside); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

func TestReadOfNothingIsEmpty(t *testing.T) {
	sources, skipped, err := Read(t.TempDir())
	if err != nil || len(sources) > 0 || len(skipped) > 0 {
		t.Errorf("Read = %v, %v, %v", sources, skipped, err)
	}
	keyrings, err := TrustedKeyrings(t.TempDir())
	if err != nil || len(keyrings) > 0 {
		t.Errorf("TrustedKeyrings = %v, %v", keyrings, err)
	}
}

func TestTrustedKeyrings(t *testing.T) {
	dir := root(t, map[string]string{
		"etc/apt/trusted.gpg": "x", "etc/apt/trusted.gpg.d/b.gpg": "x", "etc/apt/trusted.gpg.d/a.asc": "x",
		"etc/apt/trusted.gpg.d/empty.gpg": "", "etc/apt/trusted.gpg.d/c.gpg~": "x", "etc/apt/trusted.gpg.d/c.kbx": "x",
	})
	got, err := TrustedKeyrings(dir)
	want := []string{"trusted.gpg", "trusted.gpg.d/a.asc", "trusted.gpg.d/b.gpg"}
	for i := range want {
		want[i] = filepath.Join(dir, "etc/apt", want[i])
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestArchitecture(t *testing.T) {
	if got := Architecture(); !architectureForm.MatchString(got) {
		t.Errorf("Architecture = %q", got)
	}
	for goarch, want := range map[string]string{"amd64": "amd64", "386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "riscv64": "riscv64"} {
		if got := builtFor(goarch); got != want {
			t.Errorf("builtFor(%q) = %q, want %q", goarch, got, want)
		}
	}
}
