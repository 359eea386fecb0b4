package changelog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/upstream/deb822"
)

func TestPath(t *testing.T) {
	for text, want := range map[string]Query{
		"main/a/apt/apt_1.1":                     {"main", "apt", "1.1"},
		"contrib/liba/libapt/libapt_2.0-1":       {"contrib", "libapt", "2.0-1"},
		"updates/main/a/apt/apt_1.1":             {"updates/main", "apt", "1.1"},
		"a/apt/apt_1.1":                          {"", "apt", "1.1"},
		"main/lib/lib/lib_1":                     {"main", "lib", "1"},
		"main/g/g++-x/g++-x_1.0~rc1+dfsg_really": {"main", "g++-x", "1.0~rc1+dfsg_really"},
	} {
		if got, ok := Path(text); !ok || got != want {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "apt", "a/apt/apt", "a/apt/_1.1", "a/apt/apt_", "b/apt/apt_1.1", "main/l/libapt/libapt_1", "a/apt/other_1.1", "//", "a//_", "main/a/apt/apt_1.1/"} {
		if q, ok := Path(text); ok {
			t.Errorf("%q is %+v", text, q)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("main/a/apt/apt_1.1")
	f.Add("//_")
	f.Fuzz(func(t *testing.T, text string) {
		q, ok := Path(text)
		if again := strings.TrimPrefix(q.Component+"/"+prefixed(q.Source)+q.Source+"/"+q.Source+"_"+q.Version, "/"); ok && again != strings.TrimPrefix(text, "/") {
			t.Errorf("%q is %+v, which is %q", text, q, again)
		}
	})
}

func prefixed(source string) string {
	if source == "" {
		return ""
	}
	return prefixOf(source) + "/"
}

func TestSourceOf(t *testing.T) {
	for stanza, want := range map[string][2]string{
		"Package: a\nVersion: 1\n":                         {"a", "1"},
		"Package: a\nVersion: 1:2-3\n":                     {"a", "2-3"},
		"Package: a\nVersion: 1+b1\nSource: s (1)\n":       {"s", "1"},
		"Package: a\nVersion: 2:1\nSource: s\n":            {"s", "1"},
		"Package: a\nVersion: 1\nSource: s (3:1.2-1)\n":    {"s", "1.2-1"},
		"Package: a\nVersion: 1\nSource: s(9)\n":           {"s", "9"},
		"Package: a\nVersion: 1\nSource: s (\nX: broken\n": {"s", ""},
	} {
		s, err := deb822.ParseOne([]byte(stanza), deb822.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		name, version := sourceOf(s)
		if diff := cmp.Diff(want, [2]string{name, version}); diff != "" {
			t.Errorf("%q: %s", stanza, diff)
		}
	}
}

func TestRecentKeepsWhatWasUsedLast(t *testing.T) {
	r := recent[string, int]{max: 10}
	r.put("a", 1, 4)
	r.put("b", 2, 4)
	r.get("a")
	r.put("c", 3, 4)
	r.put("larger than all", 4, 11)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "larger than all": false} {
		if _, ok := r.get(key); ok != want {
			t.Errorf("%s is kept: %v", key, ok)
		}
	}
	if r.cost != 8 || r.order.Len() != 2 {
		t.Errorf("cost %d of %d", r.cost, r.order.Len())
	}
}
