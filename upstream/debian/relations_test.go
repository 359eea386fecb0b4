package debian

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRelations(t *testing.T) {
	for in, want := range map[string]Relations{
		"":  nil,
		" ": nil,
		"a": {{{Name: "a"}}},
		"libc6 (>= 2.36), g++-12:any|x.y , z,": {
			{{Name: "libc6", Op: LaterEqual, Version: "2.36"}},
			{{Name: "g++-12", Qualifier: "any"}, {Name: "x.y"}},
			{{Name: "z"}},
		},
		"a(<<1:2-3)|b ( = 1~ )":   {{{Name: "a", Op: Earlier, Version: "1:2-3"}, {Name: "b", Op: Equal, Version: "1~"}}},
		"a (< 1), a (> 1), a (1)": {{{Name: "a", Op: EarlierEqual, Version: "1"}}, {{Name: "a", Op: LaterEqual, Version: "1"}}, {{Name: "a", Op: Equal, Version: "1"}}},
		"a:amd64 (>> 1) [amd64 !linux-any] <!nocheck> <cross !stage1>": {{{Name: "a", Qualifier: "amd64", Op: Later, Version: "1",
			Architectures: []string{"amd64", "!linux-any"}, Profiles: [][]string{{"!nocheck"}, {"cross", "!stage1"}}}}},
		"a\n [ amd64 ],\n b<x>": {{{Name: "a", Architectures: []string{"amd64"}}}, {{Name: "b", Profiles: [][]string{{"x"}}}}},
	} {
		got, err := ParseRelations(in)
		if err != nil {
			t.Errorf("ParseRelations(%q): %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseRelations(%q) (-want +got):\n%s", in, diff)
		}
		if again, err := ParseRelations(got.String()); err != nil || !cmp.Equal(again, got) {
			t.Errorf("ParseRelations(%q) is written as %q and read again as %v, %v", in, got, again, err)
		}
	}
}

func TestParseRelationsSaysWhereItStops(t *testing.T) {
	for in, want := range map[string]string{
		",":                  `column 1: "" is no package name`,
		"a, , b":             `column 4: "" is no package name`,
		"a |":                `column 4: "" is no package name`,
		"a b":                `column 3: 'b' where a comma or the end is expected`,
		"a, ${misc:Depends}": "column 4: substitution variable",
		"a (>= ${v})":        "column 7: substitution variable",
		"-a":                 `column 1: "-a" is no package name`,
		"a: any":             `column 3: "" is no architecture`,
		"a :any":             `column 3: ':' where a comma`,
		"a (>= 1":            "column 8: no closing parenthesis",
		"a (>= 1 2)":         "column 9: no closing parenthesis",
		"a (>= )":            "column 7: version",
		"a (== 1)":           "column 5: version",
		"a (>= 1/2)":         "column 8: no closing parenthesis",
		"a [amd64":           `column 4: no closing "]"`,
		"a []":               `column 4: nothing before "]"`,
		"a [amd64,i386]":     `column 4: "amd64,i386" is no architecture`,
		"a [!!amd64]":        `column 4: "!amd64" is no architecture`,
		"a <>":               `column 4: nothing before ">"`,
		"a <!>":              `column 4: "" is no build profile`,
		"a <x> [amd64]":      `column 7: '[' where a comma`,
		"a (= 1) (= 2)":      `column 9: '(' where a comma`,
		"\u00e4":             `column 1: "" is no package name`,
	} {
		_, err := ParseRelations(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRelations(%q) error = %v, want ...%s...", in, err, want)
		}
	}
}

func TestParseRelationsIsBounded(t *testing.T) {
	many := strings.Repeat("a|", maxRelations-1) + "a"
	if _, err := ParseRelations(many); err != nil {
		t.Errorf("%d packages: %v", maxRelations, err)
	}
	if _, err := ParseRelations(many + ",a"); err == nil {
		t.Errorf("%d packages were accepted", maxRelations+1)
	}
}

func TestRelationMatches(t *testing.T) {
	for op, want := range map[Op][3]bool{ // of 1.0, 1.5, 2.0 against 1.5
		NoOp: {true, true, true}, Earlier: {true, false, false}, EarlierEqual: {true, true, false},
		Equal: {false, true, false}, LaterEqual: {false, true, true}, Later: {false, false, true},
	} {
		for i, version := range []string{"1.0", "1.5", "2.0"} {
			if got := (Relation{Name: "a", Op: op, Version: "1.5"}).Matches(version); got != want[i] {
				t.Errorf("%s meets %q 1.5: %v", version, op, got)
			}
		}
	}
}

// TestRelationsAgreeWithDpkgDeps has Dpkg::Deps read and write the same fields.
func TestRelationsAgreeWithDpkgDeps(t *testing.T) {
	const program = `use Dpkg::Deps; while (<STDIN>) { chomp;
		my $d = eval { deps_parse($_, build_dep => 1, reduce_arch => 0) }; print defined $d ? "$d" : "refused", "\n" }`
	if exec.CommandContext(t.Context(), "perl", "-MDpkg::Deps", "-e", "1").Run() != nil {
		t.Skip("perl with Dpkg::Deps is not installed")
	}
	fields := []string{
		"a", "a,b", "a|b", "a ,b | c", "a(>=1)", "a (<< 1:2~3-4+b5)", "a (< 1)", "a (> 1)", "a:any", "a:amd64 (= 1)",
		"a [amd64]", "a [amd64 !i386 any-arm64]", "a <!nocheck>", "a <!nocheck !stage1> <cross>", "a (>= 1) [linux-any] <x>|b, c",
		"g++ (>= 4:12), lib.x+y-z", "a b", "a (>= 1", "a [amd64", "a <x", "a (~ 1)", "a (>= 1) (<< 2)", "_a", "a | | b",
	}
	for i, want := range run(t, strings.Join(fields, "\n")+"\n", "perl", "-e", program) {
		got := "refused"
		if rs, err := ParseRelations(fields[i]); err == nil {
			got = rs.String()
		}
		if got != want {
			t.Errorf("%q is read as %q, by Dpkg::Deps as %q", fields[i], got, want)
		}
	}
}

func FuzzParseRelations(f *testing.F) {
	f.Add("libc6 (>= 2.36), g++-12:any|x.y , z,")
	f.Add("a:amd64 (>> 1) [amd64 !linux-any] <!nocheck> <cross !stage1>")
	f.Add("a (< 1), a (1)\n , ${x}")
	f.Fuzz(func(t *testing.T, s string) {
		rs, err := ParseRelations(s)
		if err != nil {
			return
		}
		again, err := ParseRelations(rs.String())
		if err != nil || !cmp.Equal(again, rs) {
			t.Errorf("%q is written as %q and read again as %v, %v", s, rs, again, err)
		}
	})
}

func BenchmarkParseRelations(b *testing.B) {
	const field = "libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 11), perl:any, default-mta | mail-transport-agent"
	b.SetBytes(int64(len(field)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRelations(field); err != nil {
			b.Fatal(err)
		}
	}
}
