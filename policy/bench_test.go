package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"aptmirror/upstream/deb822"
)

// tenRules are of the sort that sites have.
const tenRules = `
deny    ?section(games)                        # not on company machines
deny    ?name("^(nethack|angband|moria)-")
deny    ?x-component(non-free) !?name(firmware)
hold 7d ?not(?archive(stable-security))
keep 2  ?source-package(^linux$)
deny    ?priority(extra) ?section(oldlibs)
deny    ?version("~(rc|alpha|beta)[0-9]+")
deny    ?exact-name(telnetd)
deny    ?origin(Vendor) ?not(?name(^vendor-))
allow   ?true
`

// manyPackages makes a suite of n packages whose stanzas have the size of
// Debian's, and the text that they are in.
func manyPackages(b *testing.B, n int) (*Set, []byte) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	sections := []string{"libs", "libdevel", "python", "admin", "games", "oldlibs", "net", "utils", "doc", "perl"}
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "Package: package-%d\nSource: source-%d\nVersion: 1.%d-%d\nInstalled-Size: %d\nMaintainer: Some Body <somebody@example.org>\nArchitecture: amd64\n", i, i/3, i%17, i%5, i)
		if i > 10 {
			fmt.Fprintf(&text, "Depends: package-%d (>= 1.0), package-%d | package-%d, virtual-%d\n", rng.IntN(i), rng.IntN(i), rng.IntN(i), i%50)
		}
		if i%20 == 0 {
			fmt.Fprintf(&text, "Provides: virtual-%d (= 1)\n", i%1000/20)
		}
		fmt.Fprintf(&text, "Description: %s\nDescription-md5: %032x\nSection: %s\nPriority: optional\nFilename: pool/main/p/package-%d/package-%d_1_amd64.deb\nSize: 1000\nSHA256: %064x\n\n",
			strings.Repeat("what it does ", 30), i, sections[rng.IntN(len(sections))], i, i, i)
	}
	raw := []byte(text.String())
	return readMany(b, raw), raw
}

func readMany(b *testing.B, raw []byte) *Set {
	b.Helper()
	s := &Set{Architectures: []string{"amd64"}}
	sc := deb822.NewBytesScanner(raw, deb822.Limits{})
	for sc.Scan() {
		p := Package{Input: stable}
		if len(s.Packages)%10 == 0 {
			p.Input = fixes
		}
		if len(s.Packages)%7 == 0 {
			p.FirstSeen = noon.Add(-time.Duration(len(s.Packages)%20) * 24 * time.Hour)
		}
		if err := p.Read(sc.Stanza(), Deb); err != nil {
			b.Fatal(err)
		}
		s.Packages = append(s.Packages, p)
	}
	return s
}

func BenchmarkDecide(b *testing.B) {
	set, raw := manyPackages(b, 60_000)
	for _, test := range []struct{ name, rules string }{
		{"10 rules", tenRules},
		{"allow-list of 200 names", "allow ?name(\"^(" + strings.Join(names200(), "|") + ")$\")\ndeny ?true"},
		{"200 rules", strings.Repeat("deny ?exact-name(nothing)\n", 199) + "allow ?true"},
		{"relations", "deny ?depends(~nvirtual-7)\nallow ?true"},
		{"with dependencies", "allow ?name(\"^package-[0-9]*77$\") with dependencies\ndeny ?true"},
	} {
		b.Run(test.name, func(b *testing.B) {
			p := mustParse(b, test.rules)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				p.decide(b, &Set{Packages: set.Packages, Architectures: set.Architectures}, noon)
			}
		})
	}
}

func names200() []string {
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprintf("package-%d", i*50))
	}
	return list
}

func BenchmarkRead(b *testing.B) {
	_, raw := manyPackages(b, 60_000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		readMany(b, raw)
	}
}

func BenchmarkDiff(b *testing.B) {
	set, _ := manyPackages(b, 60_000)
	before := mustParse(b, tenRules).decide(b, set, noon)
	after := mustParse(b, "deny ?section(doc)\n"+tenRules).decide(b, set, noon)
	b.ReportAllocs()
	for b.Loop() {
		Diff(before, after)
	}
}

func BenchmarkConflicts(b *testing.B) {
	set, _ := manyPackages(b, 60_000)
	d := mustParse(b, tenRules).decide(b, set, noon)
	b.ReportAllocs()
	for b.Loop() {
		d.Conflicts()
	}
}

func BenchmarkLint(b *testing.B) {
	set, _ := manyPackages(b, 60_000)
	p := mustParse(b, tenRules)
	b.ReportAllocs()
	for b.Loop() {
		p.lint(b, noon, set)
	}
}
