package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGuards(t *testing.T) {
	set := makeSet(t, `
		Package: corp-tool
		Version: 9
		X-Input: vendor

		Package: corp-tool
		Version: 1
		X-Input: internal

		Package: nginx
		Version: 2
		X-Input: stable

		Package: nginx
		Version: 1
		X-Input: internal

		Package: nginx
		Version: 2
		X-Kind: source

		Package: bash
		Version: 5

		Package: bash
		Version: 6
		X-Input: internal

		Package: own
		Version: 1
		X-Input: internal

		Package: lab-thing
		Version: 1
		X-Input: internal
		`)
	set.Pools = []Pool{
		{Name: "internal", Names: []string{"corp-*"}, Shadows: []string{"ng?nx*"}},
		{Name: "lab", Names: []string{"lab-*"}},
	}
	want := unindent(`
		corp-tool_9_amd64 refused, its name is reserved for another pool
		corp-tool_1_amd64 allowed: rules:1 ` + "`allow ?true`" + `
		nginx_2_amd64 refused, nginx_1_amd64 from pool internal replaces it
		nginx_1_amd64 allowed: rules:1 ` + "`allow ?true`" + `
		nginx_2_source denied, none of the packages built from it is allowed, such as nginx_2_amd64 from debian/bookworm
		bash_5_amd64 allowed: rules:1 ` + "`allow ?true`" + `
		bash_6_amd64 refused, it would shadow bash_5_amd64 from debian/bookworm; name it in ` + "`shadows`" + ` of the pool to replace that
		own_1_amd64 allowed: rules:1 ` + "`allow ?true`" + `
		lab-thing_1_amd64 refused, its name is reserved for another pool
		`)
	if diff := cmp.Diff(want, explained(mustParse(t, "allow ?true").decide(t, set, noon))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	without := strings.ReplaceAll(want, ": rules:1 `allow ?true`", ", the suite has no policy")
	if diff := cmp.Diff(without, explained((*Policy)(nil).decide(t, set, noon))); diff != "" {
		t.Errorf("without a policy: (-want +got)\n%s", diff)
	}
}

// A vendor must not be able to take a private package away by giving one of its
// own a name that is reserved, nor bring it in through dependencies.
func TestReservedNamesFromElsewhereNeitherShadowNorServe(t *testing.T) {
	set := makeSet(t, `
		Package: corp-tool
		Version: 9
		X-Input: vendor

		Package: app
		Version: 1
		X-Input: vendor
		Depends: corp-tool
		`)
	set.Pools = []Pool{{Name: "internal", Names: []string{"corp-tool"}}}
	d := mustParse(t, "allow ~napp with dependencies\ndeny ~T").decide(t, set, noon)
	if diff := cmp.Diff([]string{"app_1"}, allowed(d)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(d.Unmet) != 1 {
		t.Errorf("unmet: %v", d.Unmet)
	}
}

func TestConflicts(t *testing.T) {
	a, b := "SHA256: "+strings.Repeat("aa", 32), "SHA256: "+strings.Repeat("bb", 32)
	packages := "Package: same\nVersion: 1\n" + a + "\n\nPackage: same\nVersion: 1\nX-Input: vendor\n" + a +
		"\n\nPackage: other\nVersion: 1\n" + a + "\n\nPackage: other\nVersion: 1\nX-Input: vendor\n" + b + "\n\nPackage: other\nVersion: 1\nX-Input: fixes\n" + a
	found := mustParse(t, "allow ?true").decide(t, makeSet(t, packages), noon).Conflicts()
	if len(found) != 1 {
		t.Fatalf("%d conflicts: %v", len(found), found)
	}
	for _, part := range []string{"other_1_amd64 from debian/bookworm", "vendor/any", "aaaa", "bbbb", "?x-archive(vendor)"} {
		if !strings.Contains(found[0].Error(), part) {
			t.Errorf("%q is not in: %v", part, found[0])
		}
	}
	rule := found[0].Error()[strings.Index(found[0].Error(), "`")+1:]
	rule = rule[:strings.Index(rule, "`")]
	if left := mustParse(t, rule+"\nallow ?true").decide(t, makeSet(t, packages), noon).Conflicts(); len(left) != 0 {
		t.Errorf("the advice %q leaves %v", rule, left)
	}
}
