package policy

import (
	"strings"
	"testing"
	"time"

	"aptmirror/upstream/deb822"
)

// noon is the time of decisions in tests.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// The inputs of tests.
var (
	stable   = &Input{Archive: "debian", Suite: "stable", Codename: "bookworm", Origin: "Debian", Label: "Debian", Component: "main"}
	updates  = &Input{Archive: "debian", Suite: "stable-updates", Codename: "bookworm-updates", Origin: "Debian", Label: "Debian", Component: "main"}
	fixes    = &Input{Archive: "security", Suite: "stable-security", Codename: "bookworm-security", Origin: "Debian", Label: "Debian-Security", Component: "main"}
	vendor   = &Input{Archive: "vendor", Suite: "any", Codename: "any", Origin: "Vendor", Label: "Vendor", Component: "main"}
	internal = &Input{Archive: "internal", Pool: true, Component: "main"}
)

func (p *Policy) decide(t testing.TB, s *Set, now time.Time) *Decision {
	t.Helper()
	d, err := p.Decide(t.Context(), s, now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *Policy) lint(t testing.TB, now time.Time, sets ...*Set) []Finding {
	t.Helper()
	found, err := p.Lint(t.Context(), now, sets...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// makeSet reads stanzas into a set for amd64. A field X-Seen is the package's age
// in days, X-Input one of the names above, and Architecture, Version and SHA256
// are added where they lack.
func makeSet(t testing.TB, text string) *Set {
	t.Helper()
	return &Set{Packages: readPackages(t, text), Architectures: []string{"amd64"}}
}

func readPackages(t testing.TB, text string) []Package {
	t.Helper()
	inputs := map[string]*Input{"": stable, "stable": stable, "updates": updates, "fixes": fixes, "vendor": vendor, "internal": internal}
	kinds := map[string]Kind{"": Deb, "udeb": Udeb, "source": Source}
	var list []Package
	sc := deb822.NewBytesScanner([]byte(strings.ReplaceAll(text, "\t", "")), deb822.Limits{})
	for sc.Scan() {
		p := readPackage(t, sc.Stanza(), kinds)
		if p.Input = inputs[p.Field("X-Input")]; p.Input == nil {
			t.Fatalf("no input %q", p.Field("X-Input"))
		}
		list = append(list, p)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func readPackage(t testing.TB, s *deb822.Stanza, kinds map[string]Kind) Package {
	t.Helper()
	kind, _ := s.Get("X-Kind")
	var p Package
	if err := p.Read(s, kinds[string(kind)]); err != nil {
		t.Fatal(err)
	}
	if p.Architecture == "" {
		p.Architecture = "amd64"
	}
	if seen := p.Field("X-Seen"); seen != "" {
		age, err := parseDuration(seen)
		if err != nil {
			t.Fatal(err)
		}
		p.FirstSeen = noon.Add(-age)
	}
	return p
}

// mustParse reads rules that stand from line 1 on in a file named rules.
func mustParse(t testing.TB, rules string) *Policy {
	t.Helper()
	p, err := Parse("test", "rules", 1, rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// explained lists what became of each package.
func explained(d *Decision) string {
	var b strings.Builder
	for i := range d.Verdicts {
		b.WriteString(d.Set.Packages[i].FullName() + " " + d.Explain(i) + "\n")
	}
	for _, u := range d.Unmet {
		b.WriteString("unmet " + d.Set.Packages[u.Package].FullName() + " " + u.String() + "\n")
	}
	return b.String()
}
