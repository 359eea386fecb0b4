package bundle

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/upstream/upstreamtest"
)

func (s *site) tryTree(dir string, partial bool) (TreeWritten, error) {
	x := &TreePlanner{Blobs: s.Blobs, Tables: s.Catalog, Partial: partial}
	tree, err := x.PlanTree(s.t.Context(), s.snapshot("monday", day))
	if err != nil {
		return TreeWritten{}, err
	}
	return tree.Write(s.t.Context(), dir, Stored{s.Blobs}, nil)
}

func (s *site) writeTree(dir string) TreeWritten {
	s.t.Helper()
	out, err := s.tryTree(dir, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// pathsIn gives all files below a folder.
func pathsIn(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// wantTree fails unless what the archive serves now is in the tree, as far as
// the site has it.
func wantTree(t *testing.T, dir string, a *upstreamtest.Archive, s *site) {
	t.Helper()
	g, err := s.Catalog.Latest(t.Context(), "test", "stable")
	if err != nil {
		t.Fatal(err)
	}
	table, err := s.Catalog.Table(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range table.All() {
		if _, err := s.Blobs.Stat(e.Digest); err != nil {
			continue
		}
		n++
		data, err := os.ReadFile(filepath.Join(dir, "test", e.Path))
		if err != nil || !bytes.Equal(data, a.Get(e.Path)) {
			t.Errorf("%s: %d bytes, %v", e.Path, len(data), err)
		}
	}
	if n < 5 {
		t.Errorf("only %d files were compared", n)
	}
}

func TestATreeFollowsItsArchive(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	first := from.writeTree(dir)
	wantTree(t, dir, a, from)
	if again := from.writeTree(dir); again.New != 0 || again.Removed != 0 || again.Files != first.Files {
		t.Errorf("once more: %+v, at first %+v", again, first)
	}
	before := pathsIn(t, dir)
	p := a.AddPackage(upstreamtest.Package{Name: "delta"})
	a.RemovePackage("alpha")
	a.Publish()
	from.refresh()
	second := from.writeTree(dir)
	wantTree(t, dir, a, from)
	if second.New >= first.New || second.Bytes < int64(len(p.Deb)) || second.Removed != 0 {
		t.Errorf("the second export: %+v", second)
	}
	for _, path := range before {
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Errorf("clients of the former state miss %s", path)
		}
	}
	third := from.writeTree(dir)
	if third.Removed == 0 || third.New != 0 {
		t.Errorf("the third export: %+v", third)
	}
	for _, path := range pathsIn(t, dir) {
		if strings.Contains(path, "alpha") || strings.Contains(path, "unfinished") {
			t.Errorf("%s is still there", path)
		}
	}
	wantTree(t, dir, a, from)
}

// apt and web servers tell two states of InRelease apart by seconds.
func TestReleaseFilesOfATreeAreDatedOneAfterTheOther(t *testing.T) {
	a := newArchive(t)
	s := connected(t, a)
	dir := t.TempDir()
	var last time.Time
	for i := range 3 {
		if i > 0 {
			a.AddPackage(upstreamtest.Package{Name: "more", Version: string(rune('0' + i))})
			a.Publish()
			s.refresh()
		}
		s.writeTree(dir)
		info, err := os.Stat(filepath.Join(dir, "test/dists/stable/InRelease"))
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().Unix() <= last.Unix() {
			t.Errorf("state %d is dated %v, the one before %v", i+1, info.ModTime(), last)
		}
		last = info.ModTime()
	}
}

func TestATreeLeavesWhatIsNotItsOwn(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	writeFile(t, dir, "notes.txt", []byte("mine"))
	from.writeTree(dir)
	if err := os.MkdirAll(filepath.Join(dir, "test/pool/mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "test/pool/mine/x.deb", []byte("mine"))
	a.RemovePackage("alpha")
	a.Publish()
	from.refresh()
	from.writeTree(dir)
	from.writeTree(dir)
	for _, name := range []string{"notes.txt", "test/pool/mine/x.deb"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "mine" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func TestATreeIsNotWrittenOverSomethingElse(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "test/dists/stable"), 0o755); err != nil {
		t.Fatal(err)
	}
	release := writeFile(t, dir, "test/dists/stable/InRelease", []byte("of another program"))
	if _, err := from.tryTree(dir, false); err == nil || !strings.Contains(err.Error(), "test/dists/stable/InRelease") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(release); err != nil || string(data) != "of another program" {
		t.Errorf("it has %q, %v", data, err)
	}
}

func TestNothingLeadsOutOfATree(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	outside := t.TempDir()
	writeFile(t, outside, "precious", []byte("mine"))
	for name, link := range map[string]string{"the source": "test", "dists": "test/dists", "a suite": "test/dists/stable", "the pool": "test/pool", "what is unfinished": unfinished} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(link)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
			_, err := from.tryTree(dir, false)
			if err == nil && link != unfinished {
				t.Error("it was followed")
			}
			if got := pathsIn(t, outside); !slices.Equal(got, []string{"precious"}) {
				t.Errorf("outside there is %v", got)
			}
		})
	}
	t.Run("the record", func(t *testing.T) {
		dir := t.TempDir()
		from.writeTree(dir)
		writeFile(t, dir, recordName, []byte(recordHeader+"\nformer "+strings.Repeat("0", 64)+" 4 0 ../"+filepath.Base(outside)+"/precious\n"))
		if _, err := from.tryTree(dir, false); err == nil {
			t.Error("the record was believed")
		}
		if got := pathsIn(t, outside); !slices.Equal(got, []string{"precious"}) {
			t.Errorf("outside there is %v", got)
		}
	})
}

func TestATreeMendsWhatWasChanged(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	from.writeTree(dir)
	for i, path := range []string{"test/dists/stable/InRelease", "test/dists/stable/Release"} {
		at := filepath.Join(dir, path)
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= byte(1 + i)
		if err := os.WriteFile(at, data[:len(data)-i], 0o644); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(at, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if out := from.writeTree(dir); out.New != 2 {
		t.Errorf("%+v", out)
	}
	wantTree(t, dir, a, from)
}

func TestAReleaseFileThatIsNoLongerThereIsRemovedAtOnce(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	from.writeTree(dir)
	a.Suite.OmitInRelease = true
	a.Publish()
	from.refresh()
	from.writeTree(dir)
	if _, err := os.Stat(filepath.Join(dir, "test/dists/stable/InRelease")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("InRelease: %v", err)
	}
	wantTree(t, dir, a, from)
}

func TestAnIncompleteTreeIsWrittenOnRequestOnly(t *testing.T) {
	a := newArchive(t)
	from := newSite(t, a, a.URL()+"/")
	if _, err := from.up.Refresh(t.Context(), from.archive, "stable"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err := from.tryTree(dir, false)
	if incomplete := (*IncompleteError)(nil); !errors.As(err, &incomplete) || len(filesIn(t, dir)) != 0 {
		t.Fatalf("got %v, and %v", err, filesIn(t, dir))
	}
	if _, err := from.tryTree(dir, true); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, a, from)
}

func TestAKilledTreeIsFinishedByRunningItAgain(t *testing.T) {
	a := newArchive(t)
	store := closedSite(t, a)
	base := t.TempDir()
	t.Run("before", func(t *testing.T) { openSite(t, a, store, cache.Options{}).writeTree(base) })
	want := pathsIn(t, base)
	for _, point := range []string{"tree file written/1", "tree file written/3", "all but Release written/1", "tree file written/9", "Release written/1"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			killed(t, a, "tree", point, store, "", dir)
			s := openSite(t, a, store, cache.Options{})
			if _, err := os.Stat(filepath.Join(dir, "test/dists/stable/InRelease")); err == nil {
				wantTree(t, dir, a, s)
			}
			s.writeTree(dir)
			wantTree(t, dir, a, s)
			if got := pathsIn(t, dir); !slices.Equal(got, want) {
				t.Errorf("the tree has %v\nwant %v", got, want)
			}
		})
	}
}

func TestAPTReadsATree(t *testing.T) {
	apt := upstreamtest.NewAPT(t)
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	from.writeTree(dir)
	apt.Sources("deb [signed-by=" + a.KeyringFile() + "] file:" + filepath.Join(dir, "test") + " stable main")
	if out, err := apt.Get("update", "--error-on=any"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := apt.Get("download", "alpha"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(recordHeader + "\nnow " + strings.Repeat("ab", 32) + " 1 2 test/pool/a b.deb\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		of, err := parseRecord(bytes.NewReader(data))
		for p := range of {
			if err == nil && !filepath.IsLocal(p) {
				t.Errorf("%q leads out of the tree", p)
			}
		}
	})
}
