package pool

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
)

// aged is a pool with several versions of packages, of which the order of names is not that of versions.
func aged(t *testing.T) *Pool {
	t.Helper()
	p := newPool(t, nil)
	deb := func(name, version, arch, more string) {
		t.Helper()
		add(t, p, newDeb(t, control(name, version, arch, more), name))
	}
	for _, version := range []string{"1.9", "1.10", "1.2", "1:0.1"} {
		deb("hello", version, "all", "")
	}
	deb("hello", "1.0", "amd64", "")
	deb("world", "1", "all", "")
	orig := file("tool_1.orig.tar.gz", "orig")
	for n := range 3 {
		version := fmt.Sprintf("1-%d", n+1)
		part := file("tool_"+version+".debian.tar.xz", version)
		add(t, p, newSource(t, "tool", version, orig, part), orig, part)
		deb("tool", version, "all", "")
	}
	deb("tool-extra", "1-1", "all", "Source: tool\n") // no later version builds it
	return p
}

func TestRemoveAllButTheNewest(t *testing.T) {
	var all []string
	for _, test := range []struct {
		removal Removal
		want    []string // names of files
	}{
		{Removal{Keep: 4}, nil},
		{Removal{Keep: 2}, []string{"hello_1.2_all.deb", "hello_1.9_all.deb", "tool_1-1_all.deb"}},
		{Removal{Keep: 1}, []string{"hello_1.10_all.deb", "hello_1.2_all.deb", "hello_1.9_all.deb", "tool_1-1_all.deb", "tool_1-2.debian.tar.xz", "tool_1-2.dsc", "tool_1-2_all.deb"}},
		{Removal{Keep: 1, Package: "hello"}, []string{"hello_1.10_all.deb", "hello_1.2_all.deb", "hello_1.9_all.deb"}},
		{Removal{Keep: 1, Package: "world"}, nil},
	} {
		p := aged(t)
		if all = list(t, p); len(all) != 17 {
			t.Fatalf("the pool has %d files", len(all))
		}
		test.removal.DryRun = true
		told, err := p.Remove(t.Context(), "uid 0", test.removal)
		if err != nil || len(list(t, p)) != len(all) {
			t.Errorf("%+v: %v, left %v", test.removal, err, list(t, p))
		}
		test.removal.DryRun = false
		removed, err := p.Remove(t.Context(), "uid 0", test.removal)
		if err != nil || !slices.Equal(removed, told) {
			t.Errorf("%+v: %v, removed %v, told %v", test.removal, err, removed, told)
		}
		var names []string
		for _, f := range removed {
			names = append(names, path.Base(f.Path))
		}
		slices.Sort(names)
		if diff := cmp.Diff(test.want, names); diff != "" || len(list(t, p)) != len(all)-len(names) {
			t.Errorf("%+v: left %v (-want +got):\n%s", test.removal, list(t, p), diff)
		}
	}
}

func TestRemoveNothingByMistake(t *testing.T) {
	p := newPool(t, nil)
	add(t, p, newDeb(t, control("hello", "1", "all", ""), ""))
	for _, r := range []Removal{{}, {Keep: -1}, {Package: "other", Keep: 1}, {Version: "1"}} {
		if _, err := p.Remove(t.Context(), "uid 0", r); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if got := list(t, p); len(got) != 1 {
		t.Errorf("left %v", got)
	}
}

// One call removes more than the catalog does at once.
func TestRemoveMany(t *testing.T) {
	p := newPool(t, nil)
	const n = 2*catalog.MaxPoolFiles + 500
	fill(t, p, n)
	removed, err := p.Remove(t.Context(), "uid 0", Removal{Keep: 1})
	if err != nil || len(removed) != n-n/10 || len(list(t, p)) != n/10 {
		t.Errorf("%d removed, %d left, %v", len(removed), len(list(t, p)), err)
	}
}
