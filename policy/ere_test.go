package policy

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRegularExpressions(t *testing.T) {
	for _, test := range []struct {
		expr        string
		match, miss []string
	}{
		{"foo", []string{"foo", "xfooy"}, []string{"fo"}},
		{"^FOO$", []string{"foo"}, []string{"foo1", "xfoo"}},
		{`^libc\+\+$`, []string{"libc++"}, []string{"libc"}},
		{"^(a|b\\.c|D)$", []string{"a", "b.c", "d"}, []string{"bxc", "ab"}},
		{"^(a|)$", []string{"a", ""}, []string{"b"}},
		{"^(ab*|c)$", []string{"a", "abb", "c"}, []string{"b"}},
		{`a\$`, []string{"a$"}, []string{"a", `a\`}},
		{`a\\$`, []string{`a\`}, []string{`a\b`}},
		{"x+?", []string{"x", "xx", ""}, nil},
		{"^x{,2}$", []string{"", "xx"}, []string{"xxx"}},
		{"^[]a]+$", []string{"a]"}, []string{"b"}},
		{`^[\d]$`, []string{"d", `\`}, []string{"1"}},
		{"^[^A-C]$", []string{"d"}, []string{"b"}},
		{"^[[:upper:]]$", []string{"x"}, []string{"1"}},
		{"^[a-]$", []string{"-"}, []string{"b"}},
		{`\bfoo\b`, []string{"a-foo"}, []string{"afoo"}},
		{"a^b", nil, []string{"a^b", "ab"}},
		{"a)", []string{"a)"}, []string{"a"}},
		{"", []string{"", "x"}, nil},
	} {
		m, err := compileERE(test.expr)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		for _, s := range test.match {
			if !m.matchText(s) {
				t.Errorf("%s does not match %q", test.expr, s)
			}
		}
		for _, s := range test.miss {
			if m.matchText(s) {
				t.Errorf("%s matches %q", test.expr, s)
			}
		}
	}
}

// TestRegularExpressionsAreThoseOfTheCLibrary compares with sed -E, which takes
// the same syntax as apt from the same library.
func TestRegularExpressionsAreThoseOfTheCLibrary(t *testing.T) {
	if out, err := exec.Command("sed", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "GNU") {
		t.Skip("no GNU sed on this machine")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	lines := []string{"", "a", "b", "ab", "ba", "aab", "abb", "a.b", "a-b", "a_b1", "A", "aB", "1", "a b", "ab]", "{a", "(a)", "b|a", "a+b"}
	for range 300 {
		expr := randomExpression(rng, 3)
		want, err := sed(t, expr, lines)
		m, ours := compileERE(expr)
		if (ours == nil) != (err == nil) {
			t.Errorf("%s: sed says %v, and we %v", expr, err, ours)
			continue
		}
		if err != nil {
			continue
		}
		got := slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !m.matchText(lower(s)) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-sed +ours)\n%s", expr, diff)
		}
	}
}

func randomExpression(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	var b strings.Builder
	for range 1 + rng.IntN(3) {
		atom := one("a", "b", "A", "ab", ".", "[ab]", "[^a]", "[]b]", "[a-b.]", "[[:alpha:]]", "[^[:digit:]]", `\.`, `\w`, `\-`, "1", "-", "^", "$", "", "[^]a-]", `[\w]`)
		if depth > 0 && rng.IntN(4) == 0 {
			atom = "(" + randomExpression(rng, depth-1) + ")"
		}
		b.WriteString(atom + one("", "", "", "", "*", "+", "?", "{1,2}", "{2}", "{,1}", "{2,}", "**", "+?"))
		if rng.IntN(8) == 0 {
			b.WriteString("|")
		}
	}
	return b.String()
}

// sed gives the lines that match.
func sed(t *testing.T, expr string, lines []string) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sed", "-E", "-n", `\#`+expr+"#Ip")
	if expr == "" {
		cmd = exec.CommandContext(ctx, "sed", "-n", "p")
	}
	cmd.Env = []string{"LC_ALL=C.UTF-8"}
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		return []string{}, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), nil
}
