package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const text = "# All of it\n\ndeny ?section(games)\t# not here\n\n# Kernels,\n#\tand more\nkeep 2 ~e\"^linux$ #\"\nhold 36h ?not(?archive(stable-security))  \n" +
		"allow ?name(^a$) with dependencies\nallow ~nb with dependencies and recommends # both\r\nallow ?true"
	p, err := Parse("workstations", "site.toml", 40, text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Rules {
		got = append(got, fmt.Sprintf("%d %s %v %d [%s] deps %v %v (%s)", r.Line, r.Action, r.For, r.Keep, r.Pattern, r.Dependencies, r.Recommends, r.Comment))
	}
	want := []string{
		"42 deny 0s 0 [?section(games)] deps false false (not here)",
		`46 keep 0s 2 [~e"^linux$ #"] deps false false (Kernels, and more)`,
		"47 hold 36h0m0s 0 [?not(?archive(stable-security))] deps false false ()",
		"48 allow 0s 0 [?name(^a$)] deps true false ()",
		"49 allow 0s 0 [~nb] deps true true (both)",
		"50 allow 0s 0 [?true] deps false false ()",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseNamesThePlaceOfFaults(t *testing.T) {
	for _, test := range []struct{ rules, want string }{
		{"permit ?true", `r:7:1: a rule begins with allow, deny, hold DURATION or keep NUMBER, not with "permit"`},
		{"allow", "r:7:6: a pattern such as ?name(REGEX) or ~nREGEX is expected here"},
		{"  allow firefox", "r:7:9: a pattern such as ?name(REGEX) or ~nREGEX is expected here; for a package's name write ?exact-name(firefox)"},
		{"hold ?true", `r:7:6: after hold: "?true" is no duration: a number and one of m, h, d, w, such as 7d`},
		{"hold 20000d ?true", `r:7:6: after hold: "20000d" is longer than ten years`},
		{"keep 0 ?true", `r:7:6: after keep: "0" is no number of versions, 1 or more`},
		{"allow ?true foo", "r:7:13: \"foo\" is neither a pattern nor `with dependencies`; for a package's name write ?exact-name(foo)"},
		{"deny ?true with dependencies", "r:7:12: only allow can be `with dependencies`"},
		{"allow ?true with dependencies or", "r:7:31: after `with dependencies` can stand `and recommends`, and nothing else"},
		{"allow ?true with dependencies and recommends now", `r:7:46: the end of the rule is expected here, not "now"`},
		{"allow ?nmae(foo)", "r:7:7: there is no pattern ?nmae; did you mean ?name?"},
		{"allow ?installed", "r:7:7: ?installed asks what is installed, and a repository is no installed system"},
		{"allow ~nfoo | ~U", "r:7:15: ?upgradable asks what is installed in an older version, and a repository is no installed system"},
		{"allow ?name(^(a|b)$)", "r:7:14: a comma or the closing parenthesis of ?name is expected here; put a word with '(' in double quotes"},
		{"allow ?name(a, b)", "r:7:7: ?name has 2 arguments, and takes 1"},
		{"allow ?true()", "r:7:7: ?true has no arguments"},
		{"allow ?name", "r:7:7: ?name needs its argument in parentheses"},
		{"allow ?not(foo)", `r:7:12: a pattern is expected here, "foo" is a word; for a package's name write ?exact-name(foo)`},
		{"allow ?name(?true)", "r:7:13: a word is expected here, ?true is a pattern"},
		{`allow ?name("a(b")`, `r:7:15: in the regular expression "a(b": ( has no closing )`},
		{`allow ?name(a\d+)`, `r:7:14: in the regular expression "a\\d+": apt takes \d for the letter d; for a digit write [0-9]`},
		{`allow ?name("(a)\1")`, `r:7:17: in the regular expression "(a)\\1": a reference back to group 1 does not work here`},
		{"allow ?name(*-dev)", `r:7:13: in the regular expression "*-dev": '*' has nothing before it to repeat`},
		{"allow ?x-version(1.2)", `r:7:18: "1.2" does not begin with a comparison: one of << <= = >= >>, as in Depends`},
		{"allow ?x-age(7d)", `r:7:14: "7d" is neither < nor >= with a duration, as in >= 7d`},
		{"allow ?x-kind(rpm)", `r:7:15: "rpm" is no kind; there are deb, udeb, source`},
		{"allow ?priority(high)", `r:7:17: "high" is no priority; there are required, important, standard, optional, extra`},
		{"allow ~zfoo", "r:7:7: apt-patterns(7) has no short form like this one"},
		{"allow (~nfoo", "r:7:7: ( has no closing )"},
		{"allow \x01", "r:7:7: a control character"},
		{"allow \xff", "r:7:1: the line is not in UTF-8"},
		{"allow ?true\nfoo\n\nbar", "r:8:1: a rule begins with allow, deny, hold DURATION or keep NUMBER, not with \"foo\"\n" +
			"r:10:1: a rule begins with allow, deny, hold DURATION or keep NUMBER, not with \"bar\""},
	} {
		_, err := Parse("p", "r", 7, test.rules)
		if err == nil {
			t.Errorf("%q was taken", test.rules)
			continue
		}
		if err.Error() != test.want {
			t.Errorf("%q\n got %s\nwant %s", test.rules, err, test.want)
		}
		var fault *SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%q: the error is %T", test.rules, err)
		}
	}
}

func TestCaretStandsBelowTheFault(t *testing.T) {
	_, err := Parse("p", "r", 1, "\tallow ?nmae(ä)")
	var fault *SyntaxError
	if !errors.As(err, &fault) {
		t.Fatal(err)
	}
	if got, want := fault.Caret(), "\tallow ?nmae(ä)\n\t      ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseIsBounded(t *testing.T) {
	for name, rules := range map[string]string{
		"text":      strings.Repeat("#", maxRulesBytes+1),
		"line":      "allow ?name(" + strings.Repeat("a", maxRuleBytes) + ")",
		"rules":     strings.Repeat("allow ~T\n", maxRules+1),
		"nesting":   "allow " + strings.Repeat("(", maxDepth+1) + "~T" + strings.Repeat(")", maxDepth+1),
		"not":       "allow " + strings.Repeat("?not(", maxDepth+1) + "~T" + strings.Repeat(")", maxDepth+1),
		"regex":     "allow ?name(" + strings.Repeat("a", maxRegexBytes+1) + ")",
		"groups":    `allow ?name("` + strings.Repeat("(", maxNesting+1) + "a" + strings.Repeat(")", maxNesting+1) + `")`,
		"repeat":    "allow ?name(a{1001})",
		"explosion": `allow ?name("((a{1000}){1000}){1000}")`,
	} {
		if _, err := Parse("p", "r", 1, rules); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"deny ?section(games) # no\nhold 7d ?not(?archive(stable-security))\nkeep 2 ?source-package(^linux$)\nallow ?true",
		`allow (~nfoo|!~D"a b") ?x-version(>= 1, << 2) with dependencies and recommends`,
		"allow ?and(?or(~T,~F,),?narrow(~V^1[[:digit:]]{2,}$))", `deny ?name("a|b(c)?\\.[]x-z]")`, "keep 3 ?x-age(< 3d)\n#", "allow ~RPre-Depends:?virtual",
	} {
		f.Add(seed)
	}
	set := makeSet(f, "Package: foo\nVersion: 1\nDepends: bar | baz:any (>= 2)\nX-Seen: 1d\n\nPackage: Bar\nVersion: 2\nProvides: baz (= 3)\nEssential: yes\n\nPackage: foo\nVersion: 1\nX-Kind: source\n")
	f.Fuzz(func(t *testing.T, rules string) {
		p, err := Parse("p", "f", 1, rules)
		if err != nil {
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				checkFault(t, one, rules)
			}
			return
		}
		d := p.decide(t, set, noon)
		p.lint(t, noon, set)
		explained(d)
		if !d.Next.IsZero() && !d.Next.After(noon) {
			t.Errorf("the next change is at %v", d.Next)
		}
		again, err := Parse("p", "f", 1, written(p))
		if err != nil {
			t.Fatalf("what was read does not read again: %v", err)
		}
		if diff := cmp.Diff(d.Verdicts, again.decide(t, set, noon.Add(time.Nanosecond)).Verdicts); diff != "" {
			t.Errorf("read again, the rules decide differently\n%s", diff)
		}
	})
}

func checkFault(t *testing.T, err error, rules string) {
	t.Helper()
	var fault *SyntaxError
	if !errors.As(err, &fault) {
		t.Fatalf("%T: %v", err, err)
	}
	if fault.Line < 1 || fault.Line > strings.Count(rules, "\n")+1 || fault.Column < 1 || fault.Column > len(rules)+1 {
		t.Errorf("the fault is at %d:%d", fault.Line, fault.Column)
	}
	fault.Caret()
}

// written gives each rule in a line of its own, which stands where it stood.
func written(p *Policy) string {
	var lines []string
	for _, r := range p.Rules {
		for len(lines) < r.Line-1 {
			lines = append(lines, "")
		}
		lines = append(lines, r.Text)
	}
	return strings.Join(lines, "\n")
}
