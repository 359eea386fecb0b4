package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	badger "github.com/dgraph-io/badger/v4"
	gocmp "github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
)

// poolFile is a binary package of pool "internal" whose bytes are the text.
func (f *fixture) poolFile(name, version, text string) PoolFile {
	f.t.Helper()
	return PoolFile{
		Pool: "internal", Component: "main", Kind: PoolDeb, Path: fmt.Sprintf("main/%.1s/%s/%s_%s_all.deb", name, name, name, version),
		Package: name, Version: version, Architecture: "all", Digest: f.put([]byte(text)), Size: int64(len(text)),
		Stanza: f.put([]byte("Package: " + name + "\n")), Added: testTime, By: "uid 0",
	}
}

func (f *fixture) poolPaths() (paths []string) {
	f.t.Helper()
	files, err := f.PoolFiles(f.t.Context(), "internal")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, file := range files {
		paths = append(paths, file.Path)
	}
	return paths
}

func TestPoolFilesAreAddedAllOrNone(t *testing.T) {
	f := newFixture(t)
	one, two := f.poolFile("one", "1", "first"), f.poolFile("two", "1", "second")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one, two}); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	got, err := f.PoolFiles(t.Context(), "internal")
	if diff := gocmp.Diff([]PoolFile{one, two}, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	changed := f.poolFile("two", "1", "other bytes")
	elsewhere := f.poolFile("two", "1", "bytes of a file elsewhere")
	elsewhere.Path = "contrib/t/two/two_1_all.deb"
	missing := f.poolFile("three", "1", "third")
	missing.Digest = blob.Sum([]byte("nowhere"))
	long := f.poolFile("three", "1", "third")
	long.Size++
	foreign := f.poolFile("three", "1", "third")
	foreign.Pool = "another"
	outside := f.poolFile("three", "1", "third")
	outside.Path = "../three_1_all.deb"
	for name, bad := range map[string]PoolFile{
		"other bytes under the path": changed, "other bytes of the version": elsewhere, "bytes that are not stored": missing,
		"another size than stored": long, "of another pool": foreign, "outside": outside,
	} {
		err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{f.poolFile("new", "1", "new"), bad})
		if err == nil {
			t.Errorf("%s: added", name)
		}
		if conflict := (*PoolConflictError)(nil); errors.As(err, &conflict) != (bad.Package == "two") || conflict != nil && (conflict.Have.Path != two.Path || conflict.New.Path != bad.Path) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := gocmp.Diff([]string{one.Path, two.Path}, f.poolPaths()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAddingAPoolFileAgainKeepsTheFirst(t *testing.T) {
	f := newFixture(t)
	first := f.poolFile("tool", "1", "bytes")
	again := first
	again.By, again.Added = "somebody", testTime.AddDate(0, 0, 1)
	for _, file := range []PoolFile{first, again} {
		if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{file}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.PoolFiles(t.Context(), "internal")
	if err != nil || len(got) != 1 || got[0].By != "uid 0" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{f.poolFile("a", "1", "x"), f.poolFile("a", "1", "y")}); err == nil {
		t.Error("two files that differ are added as one")
	}
}

func TestPoolsAreApart(t *testing.T) {
	f := newFixture(t)
	one := f.poolFile("tool", "1", "bytes")
	other := one
	other.Pool, other.Digest, other.Size = "internal2", f.put([]byte("others")), 6
	for _, file := range []PoolFile{one, other} {
		if err := f.AddPoolFiles(t.Context(), file.Pool, []PoolFile{file}); err != nil {
			t.Fatal(err)
		}
	}
	if paths := f.poolPaths(); len(paths) != 1 {
		t.Errorf("one pool has %v", paths)
	}
	if all, err := f.PoolFiles(t.Context(), ""); err != nil || len(all) != 2 {
		t.Errorf("all pools have %v, %v", all, err)
	}
}

func TestPoolFilesAreRemovedAllOrNone(t *testing.T) {
	f := newFixture(t)
	one, two := f.poolFile("one", "1", "first"), f.poolFile("two", "1", "second")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one, two}); err != nil {
		t.Fatal(err)
	}
	changes := f.PoolChanges()
	if err := f.RemovePoolFiles(t.Context(), "internal", []string{one.Path, "main/x"}, "uid 0", testTime); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing what is not there: %v", err)
	}
	if paths := f.poolPaths(); len(paths) != 2 {
		t.Errorf("left are %v", paths)
	}
	if err := f.RemovePoolFiles(t.Context(), "internal", []string{one.Path}, "uid 0", testTime); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{two.Path}, f.poolPaths()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f.PoolChanges() == changes {
		t.Error("the change is not counted")
	}
}

func TestWhatWasRemovedIsRemembered(t *testing.T) {
	f := newFixture(t)
	one, two := f.poolFile("one", "1", "first"), f.poolFile("one-more", "1", "second")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one, two}); err != nil {
		t.Fatal(err)
	}
	if err := f.RemovePoolFiles(t.Context(), "internal", []string{one.Path, two.Path}, "uid 7", testTime); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	gone, err := f.RemovedPoolFiles(t.Context(), "internal", "one")
	if diff := gocmp.Diff([]RemovedPoolFile{{one, testTime, "uid 7"}}, gone); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	again := f.poolFile("one", "1", "other bytes")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{again}); err != nil {
		t.Fatal(err)
	}
	for pool, want := range map[string]int{"internal": 0, "other": 0} {
		if gone, err := f.RemovedPoolFiles(t.Context(), pool, "one"); len(gone) != want || err != nil {
			t.Errorf("pool %s: %v, %v", pool, gone, err)
		}
	}
	if gone, err := f.RemovedPoolFiles(t.Context(), "internal", "one-more"); len(gone) != 1 || err != nil {
		t.Errorf("the other one: %v, %v", gone, err)
	}
}

func TestManyPoolFilesAreRemovedAtOnce(t *testing.T) {
	f := newFixture(t)
	var files []PoolFile
	var paths []string
	for n := range MaxPoolFiles {
		files = append(files, f.poolFile("tool", fmt.Sprintf("1.%d", n), "bytes"))
		paths = append(paths, files[n].Path)
	}
	if err := f.AddPoolFiles(t.Context(), "internal", files); err != nil {
		t.Fatal(err)
	}
	if err := f.RemovePoolFiles(t.Context(), "internal", paths, "uid 0", testTime); err != nil {
		t.Fatal(err)
	}
	if gone, err := f.RemovedPoolFiles(t.Context(), "internal", "tool"); len(gone) != MaxPoolFiles || err != nil {
		t.Errorf("%d, %v", len(gone), err)
	}
}

// What is known of a pool follows its changes: it is what is found when the rows are read again.
func TestPoolIndexFollowsChanges(t *testing.T) {
	f := newFixture(t)
	known := func() (PoolUse, map[poolName][]PoolVersion) {
		t.Helper()
		use, err := f.PoolUse(t.Context(), "internal")
		if err != nil {
			t.Fatal(err)
		}
		versions := map[poolName][]PoolVersion{}
		for name, of := range f.pools.of["internal"].versions {
			versions[name] = slices.SortedFunc(slices.Values(of), func(a, b PoolVersion) int { return cmp.Compare(a.Path, b.Path) })
		}
		return use, versions
	}
	check := func(what string, files int) {
		t.Helper()
		use, versions := known()
		clear(f.pools.of)
		again, versionsAgain := known()
		if diff := gocmp.Diff(again, use); diff != "" || use.Files != files {
			t.Errorf("%s: %d files (-read again +known):\n%s", what, use.Files, diff)
		}
		if diff := gocmp.Diff(versionsAgain, versions, gocmp.AllowUnexported(PoolVersion{}, poolName{})); diff != "" {
			t.Errorf("%s: (-read again +known):\n%s", what, diff)
		}
	}
	check("empty", 0)
	one, two, other := f.poolFile("tool", "1", "first"), f.poolFile("tool", "2", "second"), f.poolFile("other", "1", "third")
	other.By, other.Component, other.Paths = "uid 7", "contrib", f.put([]byte("usr/bin/other\n"))
	two.StanzaSize = 14 // the others are as an older program has written them
	part := PoolFile{Pool: "internal", Component: "main", Kind: PoolSourceFile, Path: "main/t/tool/tool_1.tar.gz", Package: "tool", Version: "1", Digest: one.Digest, Size: one.Size, By: "uid 0"}
	for i, file := range []PoolFile{one, two, other, part} {
		if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{file}); err != nil {
			t.Fatal(err)
		}
		check("added "+file.Path, i+1)
	}
	if use, _ := known(); use.Packages != 3 || use.Bytes != 5+6+5+5+14+use.Stanzas || use.Stanzas != 14+14+15 || use.By["uid 7"] != 5+15+14 {
		t.Errorf("use %+v", use)
	}
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one, f.poolFile("tool", "2", "other bytes")}); err == nil {
		t.Error("other bytes were added")
	}
	check("added in vain", 4)
	for i, file := range []PoolFile{other, one, part, two} {
		if err := f.RemovePoolFiles(t.Context(), "internal", []string{file.Path}, "uid 0", testTime); err != nil {
			t.Fatal(err)
		}
		check("removed "+file.Path, 3-i)
	}
	if use, versions := known(); use.Bytes != 0 || len(use.By)+len(use.Components)+len(use.Architectures)+len(versions) != 0 {
		t.Errorf("of an empty pool is left %+v, %v", use, versions)
	}
}

// Where it is not known what a commit has left, the rows are read again.
func TestPoolIndexIsForgottenAfterAFault(t *testing.T) {
	f := newFixture(t)
	one := f.poolFile("tool", "1", "first")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one}); err != nil {
		t.Fatal(err)
	}
	f.free = func(string) (int64, error) { return 0, nil }
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{f.poolFile("tool", "2", "second")}); err == nil {
		t.Fatal("added without room")
	}
	if f.pools.of["internal"] != nil {
		t.Error("something is known of the pool after a fault")
	}
}

// A row that cannot be read is removed by its path, and no longer counted.
func TestPoolIndexWithoutADamagedRow(t *testing.T) {
	f := newFixture(t)
	one, two := f.poolFile("tool", "1", "first"), f.poolFile("tool", "2", "second")
	if err := f.AddPoolFiles(t.Context(), "internal", []PoolFile{one, two}); err != nil {
		t.Fatal(err)
	}
	if err := f.db.Update(func(txn *badger.Txn) error { return txn.Set(key('o', "internal", one.Path), []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if err := f.RemovePoolFiles(t.Context(), "internal", []string{one.Path}, "uid 0", testTime); err != nil {
		t.Fatal(err)
	}
	if use, err := f.PoolUse(t.Context(), "internal"); err != nil || use.Files != 1 || use.Bytes != two.Size+use.Stanzas {
		t.Errorf("%+v, %v", use, err)
	}
}
