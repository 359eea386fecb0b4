package intake

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/resign/pool"
)

// folder is a drop folder of a site.
type folder struct {
	*dropFolder
	site *site
	t    *testing.T
}

func newFolder(t *testing.T, name string) *folder {
	t.Helper()
	s := poolSite(t, func(c *config.Config) {
		for i := range c.Pools {
			c.Pools[i].Incoming = t.TempDir()
		}
	})
	return &folder{s.dropFolder(s.InForce().Pool(name)), s, t}
}

func (f *folder) put(u upload) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, u.name), u.data, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// looks looks that often, with the pause of a serving daemon.
func (f *folder) looks(times int) {
	f.t.Helper()
	for range times {
		f.site.now = f.site.now.Add(lookInterval)
		f.look(f.t.Context())
	}
}

// has wants these files below the folder.
func (f *folder) has(want ...string) {
	f.t.Helper()
	var got []string
	err := filepath.WalkDir(f.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(f.dir, path)
			got = append(got, name)
		}
		return err
	})
	if err != nil || !slices.Equal(got, want) {
		f.t.Errorf("the folder has %q, want %q: %v", got, want, err)
	}
}

func (f *folder) reason(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "rejected", name+".reason"))
	if err != nil {
		f.t.Error(err)
	}
	return string(text)
}

func (f *folder) poolHas(want ...string) {
	f.t.Helper()
	for i := range want {
		want[i] += " by the folder " + f.dir
	}
	if got := f.site.poolHas(f.t, f.pool.Name); !slices.Equal(got, want) {
		f.t.Errorf("the pool has %q, want %q", got, want)
	}
}

func TestPackagesOfAFolderAreTaken(t *testing.T) {
	f := newFolder(t, "internal")
	f.put(newDeb(t, "hello", "1"))
	f.looks(1)
	f.has("hello_1_all.deb") // it may have been written to just now
	f.looks(1)
	f.has()
	f.poolHas("hello 1")
	f.put(newDeb(t, "hello", "1"))
	f.looks(2)
	f.has() // the pool has it already
	f.site.nothingHeld(t)
}

func TestFilesHalfWrittenAreLeftAlone(t *testing.T) {
	f := newFolder(t, "internal")
	whole := newDeb(t, "hello", "1")
	for n := 100; n < len(whole.data); n += 100 {
		f.put(upload{whole.name, whole.data[:n]})
		f.looks(5) // the writer is slow
		f.has(whole.name)
	}
	f.put(whole)
	f.looks(2)
	f.has()
	f.poolHas("hello 1")
}

func TestWhatCannotBeTakenIsRejected(t *testing.T) {
	f := newFolder(t, "internal")
	f.put(upload{"bad.deb", []byte("no package")})
	f.looks(int(patience/lookInterval) - 1)
	f.has("bad.deb")
	f.looks(3)
	f.has("rejected/bad.deb", "rejected/bad.deb.reason")
	if got := f.reason("bad.deb"); !strings.Contains(got, "does not begin as an ar archive") {
		t.Errorf("the reason is %q", got)
	}
	f.put(upload{"bad.deb", []byte("no package")})
	f.looks(int(patience/lookInterval) + 2)
	f.has("rejected/bad.deb", "rejected/bad.deb.reason") // in place of the one before
}

func TestReasonsAreFilesOfTheirOwn(t *testing.T) {
	f := newFolder(t, "internal")
	f.put(upload{"linked.deb", []byte("no package")})
	f.put(upload{"piped.deb", []byte("no package")})
	if err := os.Mkdir(filepath.Join(f.dir, "rejected"), 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(precious, filepath.Join(f.dir, "rejected", "linked.deb.reason")); err != nil {
		t.Skip("no hard links between temporary folders:", err)
	}
	if err := syscall.Mkfifo(filepath.Join(f.dir, "rejected", "piped.deb.reason"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.looks(int(patience/lookInterval) + 2)
	f.has("rejected/linked.deb", "rejected/linked.deb.reason", "rejected/piped.deb", "rejected/piped.deb.reason")
	if got, err := os.ReadFile(precious); string(got) != "precious" || err != nil {
		t.Errorf("the file of another is now %q, %v", got, err)
	}
	for _, name := range []string{"linked.deb", "piped.deb"} {
		if got := f.reason(name); !strings.Contains(got, "ar archive") {
			t.Errorf("the reason of %s is %q", name, got)
		}
	}
}

func TestSignaturesAreAskedForInFoldersToo(t *testing.T) {
	f := newFolder(t, "strict")
	f.put(newDeb(t, "hello", "1"))
	f.looks(int(patience/lookInterval) + 2)
	f.poolHas()
	if got := f.reason("hello_1_all.deb"); !strings.Contains(got, "debsigs") {
		t.Errorf("the reason is %q", got)
	}
}

func TestSetsOfAFolder(t *testing.T) {
	f := newFolder(t, "internal")
	one, two := newDeb(t, "one", "1"), newDeb(t, "two", "1")
	f.put(newChanges("x.changes", one, two))
	f.looks(2)
	f.put(one)
	f.looks(10)
	f.has("one_1_all.deb", "x.changes") // the other is still to come
	f.put(two)
	f.looks(2)
	f.has()
	f.poolHas("one 1", "two 1")
}

func TestSetsAreRejectedWhole(t *testing.T) {
	f := newFolder(t, "internal")
	one, two := newDeb(t, "one", "1"), newDeb(t, "two", "1")
	f.put(newChanges("x.changes", one, two))
	f.put(one)
	f.put(upload{two.name, []byte("something else")})
	f.looks(int(patience/lookInterval) + 2)
	f.has("rejected/one_1_all.deb", "rejected/one_1_all.deb.reason", "rejected/two_1_all.deb", "rejected/two_1_all.deb.reason", "rejected/x.changes", "rejected/x.changes.reason")
	f.poolHas()
	f.site.nothingHeld(t)
}

func TestFilesThatNobodyNamesWaitLonger(t *testing.T) {
	f := newFolder(t, "internal")
	f.put(upload{"hello_1.orig.tar.xz", []byte("orig")})
	f.looks(int(patience/lookInterval) + 5)
	f.has("hello_1.orig.tar.xz")
	f.site.now = f.site.now.Add(forgotten)
	f.looks(1)
	f.has("rejected/hello_1.orig.tar.xz", "rejected/hello_1.orig.tar.xz.reason")
}

func TestOtherThingsInAFolderStay(t *testing.T) {
	f := newFolder(t, "internal")
	f.put(upload{".hidden.deb", []byte("x")})
	outside := filepath.Join(t.TempDir(), "outside.deb")
	if err := os.WriteFile(outside, newDeb(t, "outside", "1").data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(f.dir, "link.deb")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(f.dir, "pipe.deb"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(f.dir, "dir.deb"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.site.now = f.site.now.Add(2 * forgotten)
	f.looks(int(patience/lookInterval) + 2)
	f.has(".hidden.deb", "link.deb", "pipe.deb")
	f.poolHas()
}

// A pipe or a link that takes a file's place is not waited for or followed.
func TestFilesThatBecomeSomethingElse(t *testing.T) {
	f := newFolder(t, "internal")
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := syscall.Mkfifo(filepath.Join(f.dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(f.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "link", "none"} {
		if file, err := openPlain(root, name); err == nil {
			file.Close()
			t.Errorf("%s was opened", name)
		}
	}
}

// What takes the place of a file while that is being added is not removed with it.
func TestFilesThatAreReplacedStay(t *testing.T) {
	f := newFolder(t, "internal")
	first, second := newDeb(t, "hello", "1"), newDeb(t, "hello", "2")
	const name = "latest.deb"
	replace := func() {
		f.put(upload{"new", second.data})
		if err := os.Rename(filepath.Join(f.dir, "new"), filepath.Join(f.dir, name)); err != nil {
			t.Error(err)
		}
	}
	guard := f.pool.Guard
	f.pool.Guard = func(p catalog.PoolFile, claims pool.Claims) error {
		if p.Version == "1" {
			replace()
		}
		return guard(p, claims)
	}
	f.put(upload{name, first.data})
	f.looks(2)
	f.has(name)
	f.looks(2)
	f.has()
	f.poolHas("hello 1", "hello 2")

	f.put(upload{"other.deb", []byte("no package")})
	f.looks(3)
	f.site.now = f.site.now.Add(patience)
	replaced := f.dropFolder.seen["other.deb"]
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f.put(upload{"other.deb", []byte("no package either")})
	if _, err := f.add(t.Context(), root, []string{"other.deb"}); err != errChanged {
		t.Errorf("of %v more came: %v", replaced, err)
	}
	f.site.nothingHeld(t)
}

func TestLongNamesAreRejectedToo(t *testing.T) {
	f := newFolder(t, "internal")
	name := strings.Repeat("x", 251) + ".deb"
	f.put(upload{name, []byte("no package")})
	f.looks(3)
	f.site.now = f.site.now.Add(patience)
	f.looks(1)
	f.has(filepath.Join("rejected", reasonOf(name)), filepath.Join("rejected", name))
}

func TestAFolderThatIsNotThere(t *testing.T) {
	f := newFolder(t, "internal")
	if err := os.Remove(f.dir); err != nil {
		t.Fatal(err)
	}
	f.looks(2)
	if len(f.told) != 1 {
		t.Errorf("told %v", f.told)
	}
	if err := os.Mkdir(f.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.put(newDeb(t, "hello", "1"))
	f.looks(2)
	f.poolHas("hello 1")
	if len(f.told) != 0 {
		t.Errorf("told %v", f.told)
	}
}
