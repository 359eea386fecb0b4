package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDecide(t *testing.T) {
	for _, test := range []struct{ name, rules, packages, want string }{
		{"the first rule that matches decides", `
			deny ?section(games)   # not on company machines
			allow ?true`, `
			Package: nethack
			Version: 3
			Section: games

			Package: vim
			Version: 9
			Section: editors
			`, `
			nethack_3_amd64 denied: rules:2 ` + "`deny ?section(games)`" + ` (not on company machines)
			vim_9_amd64 allowed: rules:3 ` + "`allow ?true`" + `
			`},
		{"what no rule decides is denied, and comments above a rule explain it", `
			# Editors
			# only
			allow ~seditors`, `
			Package: nethack
			Version: 3
			Section: games

			Package: vim
			Version: 9
			Section: editors
			`, `
			nethack_3_amd64 denied, no rule of the policy test decides it
			vim_9_amd64 allowed: rules:4 ` + "`allow ~seditors`" + ` (Editors only)
			`},
		{"hold takes away what is young, and leaves the rest to later rules", `
			hold 7d !~Asecurity
			deny ?exact-name(c)
			allow ?true`, `
			Package: a
			Version: 1
			X-Seen: 6d

			Package: b
			Version: 1
			X-Seen: 7d

			Package: c
			Version: 1
			X-Seen: 8d

			Package: d
			Version: 1
			X-Seen: 1h
			X-Input: fixes

			Package: e
			Version: 1
			`, `
			a_1_amd64 held until 2026-05-02 12:00 UTC: rules:2 ` + "`hold 7d !~Asecurity`" + `
			b_1_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			c_1_amd64 denied: rules:3 ` + "`deny ?exact-name(c)`" + `
			d_1_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			e_1_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			`},
		{"keep counts versions that reach it, and copies once", `
			hold 7d ?true
			keep 2 ~nlinux
			allow ?true`, `
			Package: linux
			Version: 6.10

			Package: linux
			Version: 6.9

			Package: linux
			Version: 6.9
			X-Input: updates

			Package: linux
			Version: 6.8

			Package: linux
			Version: 6.11
			X-Seen: 1d

			Package: linux
			Version: 6.7
			Architecture: arm64
			`, `
			linux_6.10_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			linux_6.9_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			linux_6.9_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			linux_6.8_amd64 superseded, the oldest version that stays is linux_6.9_amd64 from debian/bookworm: rules:3 ` + "`keep 2 ~nlinux`" + `
			linux_6.11_amd64 held until 2026-05-07 12:00 UTC: rules:2 ` + "`hold 7d ?true`" + `
			linux_6.7_arm64 allowed: rules:4 ` + "`allow ?true`" + `
			`},
		{"sources go the way of their binaries", `
			deny ?section(games)
			deny ?exact-name(lone-denied)
			allow ?true`, `
			Package: game
			Version: 1
			Section: games

			Package: game-data
			Version: 1
			Section: games
			Source: game

			Package: tool
			Version: 2+b1
			Section: utils
			Source: toolbox (2)

			Package: toys
			Version: 2
			Section: games
			Source: toolbox

			Package: game
			Version: 1
			X-Kind: source

			Package: game
			Version: 2
			X-Kind: source

			Package: toolbox
			Version: 2
			Section: games
			X-Kind: source

			Package: lone-denied
			Version: 1
			X-Kind: source
			`, `
			game_1_amd64 denied: rules:2 ` + "`deny ?section(games)`" + `
			game-data_1_amd64 denied: rules:2 ` + "`deny ?section(games)`" + `
			tool_2+b1_amd64 allowed: rules:4 ` + "`allow ?true`" + `
			toys_2_amd64 denied: rules:2 ` + "`deny ?section(games)`" + `
			game_1_source denied, none of the packages built from it is allowed, such as game_1_amd64 from debian/bookworm: rules:2 ` + "`deny ?section(games)`" + `
			game_2_source allowed: rules:4 ` + "`allow ?true`" + `
			toolbox_2_source allowed, tool_2+b1_amd64 from debian/bookworm is built from it: rules:4 ` + "`allow ?true`" + `
			lone-denied_1_source denied: rules:3 ` + "`deny ?exact-name(lone-denied)`" + `
			`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := mustParse(t, test.rules).decide(t, makeSet(t, test.packages), noon)
			if diff := cmp.Diff(unindent(test.want), explained(d)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func unindent(s string) string { return strings.TrimPrefix(strings.ReplaceAll(s, "\t", ""), "\n") }

func TestWithoutPolicyAllIsAllowed(t *testing.T) {
	d := (*Policy)(nil).decide(t, makeSet(t, "Package: a\nVersion: 1\n"), noon)
	if got, want := explained(d), "a_1_amd64 allowed, the suite has no policy\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNextIsWhenTheDecisionChangesByItself(t *testing.T) {
	packages := "Package: a\nVersion: 1\nX-Seen: 1d\n\nPackage: b\nVersion: 1\nX-Seen: 2d\n\nPackage: c\nVersion: 1\nDepends: b\n"
	for _, test := range []struct {
		rules string
		want  time.Duration
	}{
		{"allow ?true", 0},
		{"hold 7d ?true\nallow ?true", 5 * 24 * time.Hour},
		{"hold 7d ~na\nallow ?true", 6 * 24 * time.Hour},
		{"hold 36h ?true\nallow ?true", 12 * time.Hour},
		{"deny ?x-age(< 3d)\nallow ?true", 24 * time.Hour},
		{"deny ~na\ndeny ~nc ?depends(?x-age(< 3d))\nallow ?true", 24 * time.Hour},
		{"hold 1d ?true\nallow ?true", 0},
		{"deny ?true\nhold 7d ?true", 0},
	} {
		set := makeSet(t, packages)
		p := mustParse(t, test.rules)
		d := p.decide(t, set, noon)
		want := noon.Add(test.want)
		if test.want == 0 {
			want = time.Time{}
		}
		if !d.Next.Equal(want) {
			t.Errorf("%q: next change at %v, want %v", test.rules, d.Next, want)
		}
		if d.Next.IsZero() {
			continue
		}
		if same := p.decide(t, set, d.Next.Add(-time.Second)); explained(same) != explained(d) {
			t.Errorf("%q: the decision changed before that", test.rules)
		}
		if other := p.decide(t, set, d.Next); explained(other) == explained(d) {
			t.Errorf("%q: the decision did not change then", test.rules)
		}
	}
}
