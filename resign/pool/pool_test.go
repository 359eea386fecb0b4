package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func add(t testing.TB, p *Pool, files ...File) Added {
	t.Helper()
	added, err := p.Add(t.Context(), "tester", files...)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func list(t testing.TB, p *Pool) (paths []string) {
	t.Helper()
	files, err := p.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}

// refused wants an addition to fail for a reason and to leave nothing.
func refused(t testing.TB, p *Pool, reason Reason, text string, files ...File) {
	t.Helper()
	before, blobs := list(t, p), stored(t, p)
	added, err := p.Add(t.Context(), "tester", files...)
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Reason != reason || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, %v; want reason %s and %q", added, err, reason, text)
	}
	if after := list(t, p); !slices.Equal(before, after) {
		t.Errorf("the pool had %v and has %v", before, after)
	}
	if stored(t, p) != blobs {
		t.Error("something got into the store")
	}
}

func stored(t testing.TB, p *Pool) int {
	t.Helper()
	n, _, err := p.Cache.Blobs.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWherePackagesLie(t *testing.T) {
	p := newPool(t, func(c *Config) { c.Component = "site" })
	for _, c := range []struct{ fields, name, want string }{
		{control("hello", "1.0-1", "all", ""), "x.deb", "site/h/hello/hello_1.0-1_all.deb"},
		{control("hello", "1.0-1", "amd64", ""), "x.udeb", "site/h/hello/hello_1.0-1_amd64.udeb"},
		{control("hello", "2:2.0~rc1", "all", "Section: contrib/net\n"), "x.deb", "contrib/h/hello/hello_2.0~rc1_all.deb"},
		{control("libhello5", "1", "all", "Section: libs\nSource: libhello (2)\n"), "x.deb", "site/libh/libhello/libhello5_1_all.deb"},
		{control("lib", "1", "all", ""), "x.deb", "site/l/lib/lib_1_all.deb"},
		{control("0ad", "1", "all", "Section: non-free-firmware/games\n"), "x.deb", "non-free-firmware/0/0ad/0ad_1_all.deb"},
	} {
		added := add(t, p, named(c.name, newDeb(t, c.fields, c.want)))
		if len(added.New) != 1 || added.New[0].Path != c.want {
			t.Errorf("%q: %+v", c.want, added)
		}
	}
	refused(t, p, Malformed, "names no component", newDeb(t, control("x1", "1", "all", "Section: ../net\n"), ""))
	refused(t, p, Malformed, "which has 2000 bytes", newDeb(t, control(strings.Repeat("x", 2000), "1", "all", ""), ""))
	refused(t, p, Malformed, "which has 300 bytes", newDeb(t, control("x1", "1", "all", "Source: "+strings.Repeat("x", 300)+"\n"), ""))
}

func TestWhatIsKept(t *testing.T) {
	p := newPool(t, nil)
	fields := control("hello", "1.0-1", "all", "Section: misc\n")
	f := newDeb(t, fields, "hello")
	got := add(t, p, f).New[0]
	have, err := p.List(t.Context())
	if err != nil || len(have) != 1 {
		t.Fatalf("%v, %v", have, err)
	}
	if diff := cmp.Diff(got, have[0]); diff != "" {
		t.Errorf("said and kept differ:\n%s", diff)
	}
	want := catalog.PoolFile{Pool: "internal", Component: "main", Path: "main/h/hello/hello_1.0-1_all.deb", Kind: catalog.PoolDeb, Package: "hello",
		Version: "1.0-1", Architecture: "all", Digest: blob.Sum(content(t, f)), Size: f.Size, Stanza: got.Stanza, Paths: got.Paths, StanzaSize: int64(len(fields) + len("Installed-Size: 1\n")), PathsSize: int64(len("usr/share/doc/x/data\n")), Added: got.Added, By: "tester"}
	if diff := cmp.Diff(want, got); diff != "" || got.Added.IsZero() {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if paths, err := p.Cache.Blobs.ReadAll(t.Context(), got.Paths, 1<<20); err != nil || string(paths) != "usr/share/doc/x/data\n" {
		t.Errorf("it installs %q, %v", paths, err)
	}
	stanza, err := p.Cache.Blobs.ReadAll(t.Context(), got.Stanza, 1<<20)
	if want := strings.Replace(fields, "Section", "Installed-Size: 1\nSection", 1); err != nil || string(stanza) != want {
		t.Errorf("stanza %q, %v", stanza, err)
	}
	bytes, err := p.Cache.Blobs.ReadAll(t.Context(), got.Digest, 1<<20)
	if err != nil || blob.Sum(bytes) != got.Digest {
		t.Errorf("the package: %v", err)
	}
}

func TestAddingAgainIsNothingNew(t *testing.T) {
	p := newPool(t, nil)
	f := newDeb(t, control("hello", "1.0", "all", ""), "hello")
	first, again := add(t, p, f), add(t, p, named("another-name.deb", f))
	if len(first.New) != 1 || len(again.New) != 0 || len(again.Known) != 1 || again.Known[0] != first.New[0] {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if twice, err := p.Add(t.Context(), "", newDeb(t, control("hello", "2", "all", ""), ""), named("b.deb", newDeb(t, control("hello", "2", "all", ""), ""))); err != nil || len(twice.New) != 1 {
		t.Errorf("twice in one set: %v, %v", twice, err)
	}
}

func TestOtherBytesForTheSame(t *testing.T) {
	p := newPool(t, nil)
	add(t, p, newDeb(t, control("hello", "1.0", "all", ""), "hello"))
	for name, c := range map[string]struct{ fields, text string }{
		"content":   {control("hello", "1.0", "all", ""), "other"},
		"fields":    {control("hello", "1.0", "all", "Depends: x\n"), "hello"},
		"component": {control("hello", "1.0", "all", "Section: contrib/x\n"), "hello"},
		"source":    {control("hello", "1.0", "all", "Source: other\n"), "hello"},
		"epoch":     {control("hello", "1:1.0", "all", ""), "hello"}, // lies at the same path
		"revision":  {control("hello", "1.0-0", "all", ""), "hello"}, // dpkg takes the versions for equal
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, p, Conflict, "other bytes", newDeb(t, c.fields, c.text))
		})
	}
	add(t, p, newDeb(t, control("hello", "1.0", "amd64", ""), "another architecture"), named("b.udeb", newDeb(t, control("hello", "1.0", "all", ""), "for the installer")))
}

func TestAllOrNone(t *testing.T) {
	p := newPool(t, nil)
	good := newDeb(t, control("hello", "1.0", "all", ""), "hello")
	damaged := content(t, newDeb(t, control("world", "1.0", "all", ""), "world"))
	damaged[len(damaged)-6] ^= 1
	refused(t, p, Malformed, "bad.deb", good, file("bad.deb", damaged))
	refused(t, p, Conflict, "other bytes", good, named("b.deb", newDeb(t, control("hello", "1.0", "all", ""), "other")))
	refused(t, p, Incomplete, "neither a package nor named", good, file("notes.txt", "hello"))
	refused(t, p, Malformed, "twice in one set", good, good)
	refused(t, p, Malformed, "not a file name", good, named("../b.deb", good))
	refused(t, p, Malformed, "a set of 0 files")
	refused(t, p, Malformed, "a set of 501 files", slices.Repeat([]File{good}, 501)...)
}

func TestGuard(t *testing.T) {
	p := newPool(t, func(c *Config) {
		c.Guard = func(f catalog.PoolFile, _ Claims) error {
			if f.Package == "libc6" {
				return errors.New("the name is the archive's")
			}
			return nil
		}
	})
	refused(t, p, Reserved, "the name is the archive's", newDeb(t, control("libc6", "99:1", "all", ""), ""))
	add(t, p, newDeb(t, control("hello", "1", "all", ""), ""))
}

// What a guard has looked at in other pools stays as it is until the set is added.
func TestPoolsThatLookAtEachOtherTakeTurns(t *testing.T) {
	var adding sync.Mutex
	p := newPool(t, func(c *Config) {
		c.Adding = &adding
		c.Guard = func(catalog.PoolFile, Claims) error {
			if adding.TryLock() {
				adding.Unlock()
				t.Error("another pool could add at the same time")
			}
			return nil
		}
	})
	add(t, p, newDeb(t, control("hello", "1", "all", ""), ""))
}

// Every component and architecture of a pool costs each suite with it an index more.
func TestPoolsAreNotMadeBroad(t *testing.T) {
	p := newPool(t, nil)
	var files []File
	for i := range maxArchitectures {
		files = append(files, named(fmt.Sprint(i, ".deb"), newDeb(t, control("xx", "1", fmt.Sprint("a", i), ""), "x")))
	}
	add(t, p, files...)
	refused(t, p, Malformed, "the architecture other into the pool, which has 32", newDeb(t, control("xx", "1", "other", ""), "x"))
	add(t, p, newDeb(t, control("xx", "2", "a0", ""), "x"))
	files = nil
	for i := range maxComponents - 1 {
		files = append(files, named(fmt.Sprint(i, ".deb"), newDeb(t, control(fmt.Sprint("xx", i), "1", "a0", fmt.Sprintf("Section: c%d/net\n", i)), "x")))
	}
	add(t, p, files...)
	refused(t, p, Malformed, "the component other into the pool, which has 64", newDeb(t, control("yy", "1", "a0", "Section: other/net\n"), "x"))
	add(t, p, newDeb(t, control("yy", "1", "a0", "Section: c7/net\n"), "x"))
}

func TestStanzasOfAPoolAreBounded(t *testing.T) {
	p := newPool(t, nil)
	one, two := newDeb(t, control("one", "1", "all", ""), "x"), newDeb(t, control("two", "1", "all", ""), "x")
	p.maxStanzas = int64(len(control("one", "1", "all", "")) * 3 / 2)
	add(t, p, one)
	refused(t, p, Malformed, "remove some first", two)
	add(t, p, one)
	p.maxStanzas *= 2
	add(t, p, two)
}

func TestWhatASetHoldsInMemoryIsBounded(t *testing.T) {
	p := newPool(t, nil)
	one, two := newDeb(t, control("one", "1", "all", ""), "x"), newDeb(t, control("two", "1", "all", ""), "x")
	const paths = "usr/share/doc/x/data\n"
	p.maxHeld = int64(2*len(control("one", "1", "all", "")+paths)) - 1
	refused(t, p, Malformed, "two.deb: with it, the control files", named("one.deb", one), named("two.deb", two))
	add(t, p, one)
	add(t, p, two)
}

func TestRemove(t *testing.T) {
	p := newPool(t, nil)
	add(t, p, newDeb(t, control("hello", "1.0", "all", ""), ""), named("b.deb", newDeb(t, control("hello", "2.0-0", "all", ""), "")),
		named("c.deb", newDeb(t, control("hello", "2.0-0", "amd64", ""), "")), named("d.deb", newDeb(t, control("world", "1.0", "all", ""), "")))
	removed, err := p.Remove(t.Context(), "uid 7", Removal{Package: "hello", Version: "2.0"})
	if err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if diff := cmp.Diff([]string{"main/h/hello/hello_1.0_all.deb", "main/w/world/world_1.0_all.deb"}, list(t, p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, version := range []string{"2.0", "", "9"} {
		_, err := p.Remove(t.Context(), "uid 7", Removal{Package: "hello", Version: version})
		if want := version == ""; (err == nil) != want || err != nil && !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%q: %v", version, err)
		}
	}
	if got := list(t, p); len(got) != 1 {
		t.Errorf("left %v", got)
	}
}

func TestWhatWasRemovedDoesNotComeBackByItself(t *testing.T) {
	p := newPool(t, nil)
	one, two := newDeb(t, control("hello", "1.0", "all", ""), ""), named("b.deb", newDeb(t, control("hello", "2.0", "all", ""), ""))
	orig, debian := file("tool_1.0.orig.tar.xz", "orig"), file("tool_1.0-1.debian.tar.xz", "one")
	source := newSource(t, "tool", "1.0-1", orig, debian)
	add(t, p, one, two)
	add(t, p, source, orig, debian)
	for _, name := range []string{"hello", "tool"} {
		if _, err := p.Remove(t.Context(), "uid 7", Removal{Package: name}); err != nil {
			t.Fatal(err)
		}
	}
	other := newDeb(t, control("hello", "1.0-0", "all", "Section: contrib/net\n"), "other bytes of an equal version")
	refused(t, p, Removed, "is hello_1.0_all.deb, which was removed from pool internal on ", one)
	refused(t, p, Removed, " by uid 7. If it shall be so, an administrator can add it with: aptmirror package add --again internal FILE", newDeb(t, control("other", "1", "all", ""), ""), two)
	refused(t, p, Removed, "has other bytes than hello_1.0_all.deb", other)
	refused(t, p, Removed, "is tool_1.0-1.dsc", source, orig, debian)
	refused(t, p, Removed, "has other bytes than tool_1.0.orig.tar.xz", newSource(t, "tool", "1.0-2", file("tool_1.0.orig.tar.xz", "changed"), file("tool_1.0-2.debian.tar.xz", "two")),
		file("tool_1.0.orig.tar.xz", "changed"), file("tool_1.0-2.debian.tar.xz", "two"))
	next := file("tool_1.0-2.debian.tar.xz", "two")
	add(t, p, newSource(t, "tool", "1.0-2", orig, next), orig, next)
	add(t, p, named("c.deb", newDeb(t, control("hello", "3.0", "all", ""), "")))

	for _, f := range []File{two, other} {
		if added, err := p.AddAgain(t.Context(), "uid 0", f); err != nil || len(added.New) != 1 {
			t.Errorf("%s: %v, %v", f.Name, added, err)
		}
	}
	if added := add(t, p, two); len(added.Known) != 1 {
		t.Errorf("what is there again is %v", added)
	}
}

func TestSourceFilesGoWithTheLastThatNamesThem(t *testing.T) {
	p := newPool(t, nil)
	orig, one, two := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0-1.debian.tar.xz", "one"), file("hello_1.0-2.debian.tar.xz", "two")
	add(t, p, newSource(t, "hello", "1.0-1", orig, one), orig, one)
	add(t, p, newSource(t, "hello", "1.0-2", orig, two), two)
	if _, err := p.Remove(t.Context(), "uid 7", Removal{Package: "hello", Version: "1.0-1"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"main/h/hello/hello_1.0-2.debian.tar.xz", "main/h/hello/hello_1.0-2.dsc", "main/h/hello/hello_1.0.orig.tar.xz"}
	if diff := cmp.Diff(want, list(t, p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := p.Remove(t.Context(), "uid 7", Removal{Package: "hello"}); err != nil {
		t.Fatal(err)
	}
	if left := list(t, p); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestAddingEndsWithItsContext(t *testing.T) {
	p := newPool(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Add(ctx, "", newDeb(t, control("hello", "1", "all", ""), "")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestExaminingHasATime(t *testing.T) {
	p := newPool(t, nil)
	f := newDeb(t, control("hello", "1", "all", ""), "")
	var refusal *Error
	if _, err := p.examine(t.Context(), []File{f}, 0); !errors.As(err, &refusal) || refusal.Reason != Malformed || !strings.Contains(err.Error(), "as-it-came.deb: reading and unpacking takes more than the 0s") {
		t.Errorf("got %v", err)
	}
	for size, want := range map[int64]time.Duration{0: 30 * time.Second, 1 << 20: 30 * time.Second, 1 << 30: 30*time.Second + 512*time.Second} {
		if got := allowed([]File{{Size: size / 2}, {Size: size / 2}}); got != want {
			t.Errorf("%d bytes may take %v, want %v", size, got, want)
		}
	}
}

// A file that cannot be read is no fault of who offers it.
func TestUnreadableFiles(t *testing.T) {
	p := newPool(t, nil)
	for _, name := range []string{"x.deb", "x.dsc", "x.changes"} {
		_, err := p.Add(t.Context(), "", File{Name: name, Size: 10, Body: broken{}})
		if refusal := (*Error)(nil); err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestAddingAtTheSameTime(t *testing.T) {
	p := newPool(t, nil)
	var group sync.WaitGroup
	var mu sync.Mutex
	added, conflicts := 0, 0
	for i := range 8 {
		f := newDeb(t, control("hello", "1.0", "all", ""), fmt.Sprint(i%2))
		group.Go(func() {
			got, err := p.Add(t.Context(), "", f)
			mu.Lock()
			defer mu.Unlock()
			if refusal := (*Error)(nil); errors.As(err, &refusal) && refusal.Reason == Conflict {
				conflicts++
			} else if err != nil {
				t.Error(err)
			}
			added += len(got.New)
		})
	}
	group.Wait()
	if added != 1 || conflicts != 4 {
		t.Errorf("added %d, %d conflicts", added, conflicts)
	}
}

func BenchmarkAdd(b *testing.B) {
	p := newPool(b, nil)
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	n := 0
	b.SetBytes(int64(len(noise)))
	b.ReportAllocs()
	for b.Loop() {
		n++
		b.StopTimer()
		f := newDeb(b, control("hello", fmt.Sprint(n), "all", ""), string(noise))
		b.StartTimer()
		if _, err := p.Add(b.Context(), "", f); err != nil {
			b.Fatal(err)
		}
	}
}
