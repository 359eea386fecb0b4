package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLint(t *testing.T) {
	set := makeSet(t, `
		Package: vim
		Version: 9
		Section: editors

		Package: nethack
		Version: 3
		Section: games
		`)
	const last = "the last rule is not for everything; what no rule decides is denied: end with `allow ?true` or `deny ?true`"
	for _, test := range []struct{ name, rules, want string }{
		{"nothing to say", "deny ~sgames\nhold 1d ~T\nallow ?true", ""},
		{"no rules", "# nothing", "rules: there are no rules, so that every package is denied"},
		{"no last rule", "allow ~nvim", "rules:1:1: " + last},
		{"hold is no last rule", "allow ~nvim\nhold 3d ?true", "rules:2:1: " + last},
		{"after a rule for everything", "allow ?or(~F, !~F)\ndeny ~nvim", "rules:2:1: `deny ~nvim` is never reached: `allow ?or(~F, !~F)` in line 1 decides everything that it matches"},
		{"the same pattern written otherwise", "deny ?section(games)\nallow ~sgames with dependencies\nallow ~T", "rules:2:1: `allow ~sgames with dependencies` is never reached: `deny ?section(games)` in line 1 decides everything that it matches"},
		{"a part of an earlier one", "deny ~sgames|~nvim\ndeny ~nvim ~V^9\nallow ~T", "rules:2:1: `deny ~nvim ~V^9` is never reached: `deny ~sgames|~nvim` in line 1 decides everything that it matches"},
		{"hold covers nothing", "hold 1d ~nvim\nhold 3d ~nvim\nkeep 1 ~nvim\nallow ~T", ""},
		{"never true", "deny ?and(~nvim, ~F)\nallow ~T", "rules:1:1: `deny ?and(~nvim, ~F)` matches nothing, whatever there is"},
		{"nothing there", "deny ~nemacs\nallow ~T", "rules:1:1: `deny ~nemacs` matches no package that there is"},
		{"taken before", "deny ~seditors\ndeny ~nvim\nallow ~T", "rules:2:1: `deny ~nvim` is never reached: rules above it decide all that it matches of the packages that there are"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, f := range mustParse(t, test.rules).lint(t, noon, set) {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLintWithoutPackagesLooksAtTheTextAlone(t *testing.T) {
	if found := mustParse(t, "deny ~nemacs\nallow ~T").lint(t, noon); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

func TestDiff(t *testing.T) {
	set := makeSet(t, `
		Package: young
		Version: 1
		X-Seen: 1d

		Package: game
		Version: 1
		Section: games

		Package: vim
		Version: 9

		Package: vim
		Version: 9
		X-Input: vendor

		Package: vim
		Version: 10
		X-Seen: 3d
		`)
	older := makeSet(t, "Package: vim\nVersion: 9\n\nPackage: gone\nVersion: 1\n")
	for _, test := range []struct {
		name, before, after string
		first               *Set
		want                string
	}{
		{"nothing", "allow ~T", "allow ?true", set, ""},
		{"a copy that stays is no change", "allow ~T", "deny ?x-archive(vendor)\nallow ~T", set, ""},
		{"removed and unheld", "hold 2d ~T\nallow ~T", "deny ~sgames\nallow ~T", set, "removed game_1_amd64\nunheld young_1_amd64"},
		{"added and held", "deny ~sgames\nallow ~T", "hold 7d ~nvim\nallow ~T", set, "added game_1_amd64\nheld vim_10_amd64"},
		{"other inputs", "allow ~T", "deny ~sgames\nhold 2d ~T\nallow ~T", older, "removed gone_1_amd64\nadded vim_10_amd64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range Diff(mustParse(t, test.before).decide(t, test.first, noon), mustParse(t, test.after).decide(t, set, noon)) {
				got = append(got, c.Effect.String()+" "+c.Package.FullName())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
