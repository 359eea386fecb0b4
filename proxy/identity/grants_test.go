package identity

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sum = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func newGrants(t testing.TB, rules ...Rule) *Grants {
	t.Helper()
	g, err := NewGrants(rules)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestIdentityPatterns(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"dns:a.example.org", "dns:a.example.org", true},
		{"dns:A.Example.org", "dns:a.example.org", true},
		{"dns:a.example.org", "dns:aa.example.org", false},
		{"dns:a.example.org", "cn:a.example.org", false},
		{"dns:*.branch.example.org", "dns:a.branch.example.org", true},
		{"dns:*.branch.example.org", "dns:a.b.branch.example.org", false},
		{"dns:*.branch.example.org", "dns:branch.example.org", false},
		{"dns:*.branch.example.org", "dns:a.branch.example.org.evil.org", false},
		{"dns:**.example.org", "dns:a.b.branch.example.org", true},
		{"dns:**", "dns:a.b", true},
		{"dns:**", "uri:urn:a", false},
		{"dns:*", "dns:build7", true},
		{"dns:*", "dns:a.b", false},
		{"dns:build?", "dns:build7", true},
		{"dns:build?", "dns:build", false},
		{"dns:a?example.org", "dns:a.example.org", false},
		{"dns:web*.example.org", "dns:web.example.org", true},
		{"uri:spiffe://example.org/*", "uri:spiffe://example.org/a", true},
		{"uri:spiffe://example.org/*", "uri:spiffe://example.org/a/b", false},
		{"uri:spiffe://example.org/**", "uri:spiffe://example.org/a/b", true},
		{"uri:spiffe://example.org/*/apt", "uri:spiffe://example.org/a/apt", true},
		{"cn:*", "cn:any thing.at/all", true},
		{"*", "dns:a.b", true},
		{"*", "uri:spiffe://example.org/a/b", true},
		{"sha256:" + sum, "dns:x", true},
		{"sha256:" + strings.ToUpper(sum[:2]+":"+sum[2:]), "dns:x", true},
		{"sha256:" + strings.Repeat("0", 64), "dns:x", false},
	}
	for _, tt := range tests {
		g := newGrants(t, Rule{Identity: tt.pattern, Read: []string{"*"}})
		if got := g.For(Identity{Name: tt.name, Fingerprint: sum}).MayRead("debian", "stable"); got != tt.want {
			t.Errorf("%s for %s: got %v", tt.pattern, tt.name, got)
		}
	}
}

func TestMayRead(t *testing.T) {
	tests := []struct {
		pattern, repository, suite string
		want                       bool
	}{
		{"debian", "debian", "bookworm", true},
		{"debian", "debian", "", true},
		{"debian", "debian2", "bookworm", false},
		{"*", "debian", "bookworm", true},
		{"site/stable", "site", "stable", true},
		{"site/stable", "site", "testing", false},
		{"site/stable", "site", "", false},
		{"site/stable*", "site", "stable-security/updates", true},
		{"site/*", "site", "", true},
		{"*/stable", "debian", "stable", true},
		{"*/stable", "debian", "testing", false},
		{"ring-?", "ring-1", "stable", true},
		{"ring-?", "ring-10", "stable", false},
	}
	for _, tt := range tests {
		g := newGrants(t, Rule{Identity: "dns:a", Read: []string{tt.pattern}})
		if got := g.For(Identity{Name: "dns:a"}).MayRead(tt.repository, tt.suite); got != tt.want {
			t.Errorf("%s for %s/%s: got %v", tt.pattern, tt.repository, tt.suite, got)
		}
	}
}

func TestGrantIsTheUnionOfItsRules(t *testing.T) {
	g := newGrants(t,
		Rule{Identity: "dns:*.example.org", Read: []string{"debian"}, Where: "aptmirror.toml:93"},
		Rule{Identity: "dns:b.example.org", Read: []string{"site/stable"}},
		Rule{Identity: "dns:a.example.org", Read: []string{"site/stable"}, Upload: []string{"internal"}},
		Rule{Identity: "sha256:" + sum, Status: true},
		Rule{Identity: "cn:root", Admin: true},
	)
	a := g.For(Identity{Name: "dns:a.example.org", Fingerprint: sum})
	want := "dns:a.example.org: read debian (aptmirror.toml:93); read site/stable, upload internal (rule 3); status (rule 4)"
	if got := a.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !a.MayRead("debian", "x") || !a.MayUpload("internal") || a.MayUpload("other") || !a.MayStatus() || a.MayAdmin() {
		t.Errorf("wrong rights: %s", a)
	}
	if diff := cmp.Diff([]string{"debian", "site"}, a.Repositories([]string{"debian", "secret", "site"})); diff != "" {
		t.Errorf("repositories (-want +got):\n%s", diff)
	}
	var places []string
	for _, r := range a.Rules() {
		places = append(places, r.Identity+" "+r.Where)
	}
	if diff := cmp.Diff([]string{"dns:*.example.org aptmirror.toml:93", "dns:a.example.org ", "sha256:" + sum + " "}, places); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if root := g.For(Identity{Name: "cn:root"}); !root.MayAdmin() || !root.MayStatus() || root.MayRead("debian", "x") {
		t.Errorf("wrong rights: %s", root)
	}
}

func TestTheHighestLimitCounts(t *testing.T) {
	g := newGrants(t,
		Rule{Identity: "*", Read: []string{"debian"}},
		Rule{Identity: "dns:**.example.org", Read: []string{"*"}, Rate: 1_000, Connections: 16},
		Rule{Identity: "dns:fast.example.org", Status: true, Rate: 5_000, Connections: 4},
	)
	for name, want := range map[string]struct {
		rate        int64
		connections int
		text        string
	}{
		"dns:other":            {0, 0, "dns:other: read debian (rule 1)"},
		"dns:slow.example.org": {1_000, 16, "dns:slow.example.org: read debian (rule 1); read *, at 1000 bytes a second, 16 requests at a time (rule 2)"},
		"dns:fast.example.org": {5_000, 16, "dns:fast.example.org: read debian (rule 1); read *, at 1000 bytes a second, 16 requests at a time (rule 2); " +
			"status, at 5000 bytes a second, 4 requests at a time (rule 3)"},
	} {
		grant := g.For(Identity{Name: name})
		if grant.Rate() != want.rate || grant.Connections() != want.connections || grant.String() != want.text {
			t.Errorf("%s: %d, %d, %q", name, grant.Rate(), grant.Connections(), grant)
		}
	}
	if (Grant{}).Rate() != 0 || (Grant{}).Connections() != 0 {
		t.Error("nobody has limits")
	}
	for _, r := range []Rule{{Identity: "*", Status: true, Rate: -1}, {Identity: "*", Status: true, Connections: -1}} {
		if _, err := NewGrants([]Rule{r}); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	g := newGrants(t, Rule{Identity: "*", Read: []string{"*"}, Upload: []string{"*"}, Admin: true})
	for name, grant := range map[string]Grant{
		"zero grant":    {},
		"no rules":      newGrants(t).For(Identity{Name: "dns:a"}),
		"zero identity": g.For(Identity{}),
	} {
		if !grant.Empty() || grant.MayRead("debian", "stable") || grant.MayReadSome("debian") || grant.MayUpload("p") || grant.MayStatus() || grant.MayAdmin() {
			t.Errorf("%s: %s", name, grant)
		}
	}
}

func TestRefusalNamesWhoAndWhat(t *testing.T) {
	got := newGrants(t).For(Identity{Name: "dns:a.example.org"}).Refusal("read site/stable\r\nX: y")
	want := &RefusedError{Reason: NotAuthorised, Text: "dns:a.example.org may not read site/stable??X: y, ask your administrator for a grant"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checkText(t, newGrants(t).For(Identity{Name: "dns:" + strings.Repeat("a", 250)}).Refusal("read "+strings.Repeat("b", 999)))
}

func TestNewGrantsRefuses(t *testing.T) {
	read := []string{"*"}
	tests := []struct {
		rule Rule
		want string
	}{
		{Rule{Identity: "dns:a"}, "reading grant rule 1: it gives no right"},
		{Rule{Identity: "a.example.org", Read: read, Where: "f:3"}, `reading grant f:3: identity "a.example.org": write dns:NAME`},
		{Rule{Read: read}, "it is empty"},
		{Rule{Identity: "ip:1.2.3.4", Read: read}, `unknown kind "ip"`},
		{Rule{Identity: "dns:", Read: read}, "write dns:NAME"},
		{Rule{Identity: "dns:a b", Read: read}, "character ' ' cannot be part of a host name"},
		{Rule{Identity: "dns:***", Read: read}, `"***" has no meaning`},
		{Rule{Identity: "sha256:abcd", Read: read}, "64 hexadecimal digits"},
		{Rule{Identity: "sha256:*", Read: read}, "64 hexadecimal digits"},
		{Rule{Identity: "cn:a\n", Read: read}, "printable ASCII"},
		{Rule{Identity: "cn:" + strings.Repeat("a", 300), Read: read}, "at most 300"},
		{Rule{Identity: "dns:a", Read: []string{""}}, `read "": it is empty`},
		{Rule{Identity: "dns:a", Read: []string{"site/"}}, "write REPOSITORY or REPOSITORY/SUITE"},
		{Rule{Identity: "dns:a", Read: []string{"/x"}}, "write REPOSITORY or REPOSITORY/SUITE"},
		{Rule{Identity: "dns:a", Upload: []string{""}}, `upload "": it is empty`},
	}
	for _, tt := range tests {
		if _, err := NewGrants([]Rule{tt.rule}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.rule, err, tt.want)
		}
	}
}

// The matcher agrees with the regular expression that says the same.
func FuzzGlob(f *testing.F) {
	f.Add("dns:*.b.**", "dns:a.b.c.d", byte('.'))
	f.Add("*a*b**c?", "xaybzzc.c", byte('.'))
	f.Add("a*", "a/b", byte('/'))
	f.Add("**", "", byte(0))
	f.Add("a?b", "a.b", byte('.'))
	f.Fuzz(func(t *testing.T, pattern, s string, separator byte) {
		if checkPattern(pattern) != nil || !printable(s) || len(s) > 300 || separator >= 0x80 || strings.IndexByte("*?", separator) >= 0 {
			return
		}
		want := globExpression(pattern, separator).MatchString(s)
		if got := (glob{pattern, separator}).match(s); got != want {
			t.Errorf("pattern %q, text %q, separator %q: got %v, want %v", pattern, s, separator, got, want)
		}
	})
}

func globExpression(pattern string, separator byte) *regexp.Regexp {
	one := "."
	if separator != 0 {
		one = fmt.Sprintf(`[^\x%02x]`, separator)
	}
	e := regexp.QuoteMeta(pattern)
	e = strings.ReplaceAll(e, `\*\*`, "\x00")
	e = strings.ReplaceAll(e, `\*`, one+"*")
	e = strings.ReplaceAll(e, `\?`, one)
	e = strings.ReplaceAll(e, "\x00", ".*")
	return regexp.MustCompile("^(?s:" + e + ")$")
}

func BenchmarkFor(b *testing.B) {
	var rules []Rule
	for i := range 200 {
		rules = append(rules, Rule{Identity: fmt.Sprintf("dns:*.branch%d.example.org", i), Read: []string{"debian", "site/stable"}})
		rules = append(rules, Rule{Identity: fmt.Sprintf("dns:host%d.example.org", i), Read: []string{"debian"}})
	}
	g := newGrants(b, rules...)
	id := Identity{Name: "dns:host.branch150.example.org", Fingerprint: sum}
	b.ReportAllocs()
	for b.Loop() {
		if !g.For(id).MayRead("site", "stable") {
			b.Fatal("refused")
		}
	}
}
