package aptsources

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stanzaEnd makes the stanzas of the cases short.
const stanzaEnd = "URIs: http://h/debian\nSuites: stable\nComponents: main\n"

// aptCases are files that this package and apt must read alike: the same indexes, or an error of apt and something set aside.
var aptCases = []struct{ name, text string }{
	{"x.list", ""},
	{"x.list", "deb http://h/debian stable main # c"},
	{"x.list", "deb\thttp://h/debian \t stable\tmain contrib main\n\n  deb-src http://h/debian stable main\n"},
	{"x.list", "deb http://h/debian stable main\r\ndeb http://i/debian stable main\r\n"},
	{"x.list", "deb [arch=amd64 # x\n] http://h/debian stable main"},
	{"x.list", "deb [ arch=amd64#x ] http://h/debian stable main"},
	{"x.list", "deb [ arch+=armhf arch-=riscv64 lang=de,none ] http://h/debian stable main contrib"},
	{"x.list", "deb [arch=mips arch+=armhf,armhf lang-=en] http://h/debian stable main"},
	{"x.list", "deb [lang=none arch=amd64 arch=i386] http://h/debian stable main"},
	{"x.list", "deb [lang+=fr,de arch=amd64] http://h/debian stable main"},
	{"x.list", "deb [arch=amd64 signed-by=/k.gpg," + fingerprint + "!] http://h/debian stable main"},
	{"x.list", "deb [arch=amd64 signed-by=," + fingerprint + ",,/k.gpg] http://h/debian stable main"},
	{"x.list", "deb [signed-by=relative.gpg] http://h/debian stable main"},
	{"x.list", "deb [signed-by=ABCD] http://h/debian stable main"},
	{"x.list", `deb [signed-by="/a b.gpg"] http://h/debian stable main`},
	{"x.list", `deb [arch="amd64"] http://h/de%62ian "sta ble" "ma"in`},
	{"x.list", "deb-src [lang+=fr] http://h/$(ARCH) flat-$(ARCH)/"},
	{"x.list", "deb http://h/debian ./\ndeb http://i/debian /"},
	{"x.list", "deb http://h/debian / main"},
	{"x.list", "deb [trusted=yes Arch=armhf enabled=no] http://h/debian stable main"},
	{"x.list", "rpm http://h/debian stable main"},
	{"x.list", "DEB http://h/debian stable main"},
	{"x.list", "deb foo stable main"},
	{"x.list", "deb http://h/debian stable"},
	{"x.list", "deb http://h/debian"},
	{"x.list", "deb"},
	{"x.list", "deb [arch] http://h stable main"},
	{"x.list", "deb [arch=] http://h stable main"},
	{"x.list", "deb [=amd64] http://h stable main"},
	{"x.list", "deb [ arch = amd64 ] http://h stable main"},
	{"x.list", "deb [arch=amd64 http://h stable main"},
	{"x.list", "deb [] http://h stable main"},
	{"x.list", "deb [arch=amd64]http://h stable main"},
	{"x.list", "deb[arch=amd64] http://h stable main"},
	{"x.list", "deb http://h#x stable main"},
	{"x.list", `deb "http://h/ stable main`},
	{"x.list", "deb [arch=amd64] cdrom:[Debian GNU/Linux 12]/ stable main"},
	{"x.list", "deb http://[::1]:80/d/ stable/updates main"},
	{"x.list", "deb mirror+file:/x/y stable main"},

	{"x.sources", ""},
	{"x.sources", "Types: deb\n" + stanzaEnd},
	{"x.sources", stanzaEnd},
	{"x.sources", "types: deb deb-src\n" + stanzaEnd},
	{"x.sources", "\n\n# c\n\nTypes: deb\n# d\n# e\n" + stanzaEnd + "\n\n#f\n\n\nTypes: deb\nURIs: http://i\n http://j\nSuites: a\n  b/c\nComponents: d"},
	{"x.sources", strings.ReplaceAll("Types: deb\n"+stanzaEnd+"\nTypes: deb-src\n"+stanzaEnd, "\n", "\r\n")},
	{"x.sources", "Enabled: no\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled: OFF\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled: 0x0\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled: without\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled: n\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled:\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Enabled: 1\nTypes: deb\n" + stanzaEnd},
	{"x.sources", "Types: deb\nURIs: http://h\nSuites: ./\nComponents:\n"},
	{"x.sources", "Types: deb\nURIs: http://h\nSuites: x ./\nComponents: main\n"},
	{"x.sources", "Types: deb\nURIs: http://h\nSuites: x\n"},
	{"x.sources", "Types: deb\nURIs: http://h\nComponents: x\n"},
	{"x.sources", "Types: deb\nSuites: s\nComponents: x\n"},
	{"x.sources", "Types: deb rpm\n" + stanzaEnd},
	{"x.sources", " Types: deb\n" + stanzaEnd},
	{"x.sources", "Types: deb\nArchitectures:\n" + stanzaEnd},
	{"x.sources", "Types: deb\nArchitectures: amd64,i386 amd64\nLanguages: none\n" + stanzaEnd},
	{"x.sources", "Types: deb\nArchitectures-Add: armhf\nArchitectures-Remove: riscv64 mips\nLanguages-Add: de\n" + stanzaEnd},
	{"x.sources", "Types: deb\nArchitecture: mips\narch: mips\nX-Other: 1\n" + stanzaEnd},
	{"x.sources", "Types: deb\nSigned-By: relative\n" + stanzaEnd},
	{"x.sources", "Types: deb\nSigned-By:\n /a.gpg\n /b.gpg," + fingerprint + "\n" + stanzaEnd},
	{"x.sources", "Types: deb\nSigned-By:\n " + armourHeader + "\n .\n mDME\n =IE0r\n -----END PGP PUBLIC KEY BLOCK-----\n" + stanzaEnd},
	{"x.sources", "Types: deb deb\nURIs: http://h/$(ARCH) http://i/de%62ian\nSuites: $(ARCH)/x\nComponents: $(ARCH)\n"},
}

func TestReadsAsAptDoes(t *testing.T) {
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		t.Skip("apt-get is not installed: nothing to compare with")
	}
	for i, c := range aptCases {
		t.Run(fmt.Sprintf("%s-%d", c.name, i), func(t *testing.T) {
			dir := root(t, map[string]string{
				"etc/apt/sources.list.d/" + c.name: c.text, "var/lib/dpkg/status": "", "var/lib/dpkg/arch": "riscv64\n",
			})
			want, aptErr := indexTargets(t.Context(), t, apt, dir)
			sources, skipped, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if (aptErr != nil) != (len(skipped) > 0) {
				t.Fatalf("%s\napt says %v, skipped is %v", c.text, aptErr, skipped)
			}
			if aptErr != nil {
				return
			}
			if diff := cmp.Diff(want, targets(sources)); diff != "" {
				t.Errorf("%s\n(-apt +ours):\n%s", c.text, diff)
			}
		})
	}
}

// indexTargets asks apt which indexes it would download for the machine below dir.
func indexTargets(ctx context.Context, t *testing.T, apt, dir string) ([]string, error) {
	t.Helper()
	conf := fmt.Sprintf("Dir \"%s\";\nDir::State::status \"%[1]s/var/lib/dpkg/status\";\nAPT::Architecture \"%s\";\n"+
		"APT::Architectures { \"%[2]s\"; \"riscv64\"; };\n#clear Acquire::Languages;\nAcquire::Languages { \"en\"; };\n", dir, Architecture())
	confFile := filepath.Join(dir, "apt.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, apt, "indextargets", "--no-release-info",
		"--format", "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ARCHITECTURE)|$(LANGUAGE)")
	cmd.Env = append(os.Environ(), "APT_CONFIG="+confFile, "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.NewReplacer("$(COMPONENT)", "", "$(ARCHITECTURE)", "", "$(LANGUAGE)", "", "\n", "").Replace(line)
		kind, _, _ := strings.Cut(line, "|")
		// apt adds the architecture "all" on its own; other targets come from what is installed beside apt.
		if slices.Contains([]string{"Packages", "Sources", "Translations"}, kind) && !strings.HasSuffix(line, "|all|") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil
}

// targets is what indexTargets should give for the sources.
func targets(sources []Source) []string {
	var lines []string
	for _, s := range sources {
		if !s.Enabled {
			continue
		}
		for _, u := range s.URIs {
			for _, suite := range s.Suites {
				// apt prints the base directory, "/", as nothing
				lines = append(lines, suiteTargets(s, fixURI(u)+"|"+strings.TrimPrefix(suite, "/"))...)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func suiteTargets(s Source, prefix string) []string {
	components, architectures := s.Components, s.Architectures
	if len(components) == 0 {
		components, architectures = []string{""}, []string{""}
	}
	var lines []string
	for _, c := range components {
		if slices.Contains(s.Types, "deb-src") {
			lines = append(lines, fmt.Sprintf("Sources|%s|%s||", prefix, c))
		}
		if !slices.Contains(s.Types, "deb") {
			continue
		}
		for _, a := range architectures {
			lines = append(lines, fmt.Sprintf("Packages|%s|%s|%s|", prefix, c, a))
		}
		for _, l := range s.Languages {
			lines = append(lines, fmt.Sprintf("Translations|%s|%s||%s", prefix, c, l))
		}
	}
	return lines
}

// fixURI writes a URI as apt prints it.
func fixURI(u string) string {
	if !strings.HasSuffix(u, "/") {
		u += "/"
	}
	if rest, ok := strings.CutPrefix(u, "cdrom:["); ok {
		return "cdrom://[" + rest
	}
	return u
}
