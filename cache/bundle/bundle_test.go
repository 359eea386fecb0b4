package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/upstream/upstreamtest"
)

func TestABundleCarriesASuite(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	data := from.export(from.snapshot("monday", day), nil)
	in, err := to.take(inMemory("monday.tar", data))
	if err != nil {
		t.Fatal(err)
	}
	to.wantSame(from)
	if in.List.Name != "monday" || in.List.Suites[0].Present != in.List.Suites[0].Wanted || in.New.Files != in.List.Files.Count {
		t.Errorf("the list is %+v, new %+v", in.List, in.New)
	}
	imports, err := Imports(to.Catalog)
	if err != nil || len(imports) != 1 || imports[0].ID != in.List.ID {
		t.Errorf("the record of imports: %+v, %v", imports, err)
	}
}

func TestTheSameSnapshotIsTheSameBundle(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	first, second := from.export(from.snapshot("monday", day), nil), from.export(from.snapshot("monday", day), nil)
	to := isolated(t, a, from)
	one, err := to.take(inMemory("a", first))
	if err != nil {
		t.Fatal(err)
	}
	again, err := to.take(inMemory("b", second))
	if err != nil {
		t.Fatalf("importing it again: %v", err)
	}
	if one.List.ID != again.List.ID || again.New.Files != 0 {
		t.Errorf("ids %s and %s, new %+v", one.List.ID, again.List.ID, again.New)
	}
}

func TestABundleThatBuildsOnAnotherHasOnlyWhatIsNew(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	monday := from.snapshot("monday", day)
	full := from.export(monday, nil)
	p := a.AddPackage(upstreamtest.Package{Name: "delta", Size: 2000})
	a.Publish()
	from.refresh()
	tuesday := from.snapshot("tuesday", day.AddDate(0, 0, 1))
	rest := from.export(tuesday, &monday)
	if len(rest) > len(full) || !bytes.Contains(rest, p.Deb) {
		t.Errorf("the bundle has %d bytes, the full one %d; new package inside: %v", len(rest), len(full), bytes.Contains(rest, p.Deb))
	}
	_, err := to.take(inMemory("tuesday.tar", rest))
	if refusal(err) != BaseMissing || !strings.Contains(err.Error(), "monday") || !strings.Contains(err.Error(), snapshotID(monday)) {
		t.Fatalf("without its base: %v", err)
	}
	for _, b := range [][]byte{full, rest} {
		if _, err := to.take(inMemory("bundle", b)); err != nil {
			t.Fatal(err)
		}
	}
	to.wantSame(from)
	_, err = to.take(inMemory("monday.tar", full))
	if refusal(err) != Replayed || !strings.Contains(err.Error(), "tuesday") {
		t.Errorf("the older one again: %v", err)
	}
}

func TestFilesOfTheBaseThatHaveGoneAreMissed(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	monday := from.snapshot("monday", day)
	if _, err := to.take(inMemory("monday", from.export(monday, nil))); err != nil {
		t.Fatal(err)
	}
	a.AddPackage(upstreamtest.Package{Name: "delta"})
	a.Publish()
	from.refresh()
	table, err := from.Catalog.Table(t.Context(), monday.Suites[0].Generation)
	if err != nil {
		t.Fatal(err)
	}
	for e := range table.All() {
		if wanted(e) {
			if err := to.Blobs.Delete(t.Context(), e.Digest); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	before := to.state()
	_, err = to.take(inMemory("tuesday", from.export(from.snapshot("tuesday", day.AddDate(0, 0, 1)), &monday)))
	if refusal(err) != Incomplete || !strings.Contains(err.Error(), "monday") {
		t.Errorf("got %v", err)
	}
	if to.state() != before {
		t.Error("something changed")
	}
}

func TestAnIncompleteSnapshotIsExportedOnRequestOnly(t *testing.T) {
	a := newArchive(t)
	from := newSite(t, a, a.URL()+"/")
	if _, err := from.up.Refresh(t.Context(), from.archive, "stable"); err != nil {
		t.Fatal(err)
	}
	x := from.exporter()
	var out bytes.Buffer
	_, err := x.Prepare(t.Context(), from.snapshot("monday", day))
	incomplete := (*IncompleteError)(nil)
	if !errors.As(err, &incomplete) || incomplete.Files != 3 {
		t.Fatalf("got %v", err)
	}
	x.Partial = true
	w, err := from.writer(x, from.snapshot("monday", day))
	if err == nil {
		_, err = w.WriteStream(t.Context(), &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	to := isolated(t, a, from)
	in, err := to.take(inMemory("monday", out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if s := in.List.Suites[0]; s.Wanted.Files != 3 || s.Present.Files != 0 {
		t.Errorf("the list has %+v", s)
	}
}

// writeParts exports in parts that have room for one package each.
func writeParts(t *testing.T, from *site, s Snapshot, dir string) []string {
	t.Helper()
	x := from.exporter()
	x.PartSize = 36 << 10
	out, err := from.write(x, s, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Files) < 3 {
		t.Fatalf("there are %d parts", len(out.Files))
	}
	for _, f := range out.Files {
		if info, err := os.Stat(f); err != nil || info.Size() > x.PartSize {
			t.Errorf("%s: %v, %v", f, info.Size(), err)
		}
	}
	return out.Files
}

func TestPartsComeInAnyOrder(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	files := writeParts(t, from, from.snapshot("monday", day), dir)
	bundles, err := Find(dir)
	if err != nil || len(bundles) != 1 || len(bundles[0]) != len(files) {
		t.Fatalf("found %v, %v", bundles, err)
	}
	t.Run("backwards", func(t *testing.T) {
		to := isolated(t, a, from)
		parts := slices.Clone(bundles[0])
		slices.Reverse(parts)
		if _, err := to.take(parts...); err != nil {
			t.Fatal(err)
		}
		to.wantSame(from)
	})
	t.Run("one at a time", func(t *testing.T) {
		to := isolated(t, a, from)
		for i, p := range bundles[0] {
			before := to.state()
			_, err := to.take(p)
			switch last := i == len(bundles[0])-1; {
			case last && err != nil:
				t.Fatal(err)
			case !last && refusal(err) != PartMissing:
				t.Fatalf("part %d alone: %v", i+1, err)
			case !last && to.state() != before:
				t.Errorf("part %d alone changed something", i+1)
			}
		}
		to.wantSame(from)
	})
	t.Run("of two bundles", func(t *testing.T) {
		to := isolated(t, a, from)
		other := t.TempDir()
		writeParts(t, from, from.snapshot("tuesday", day.AddDate(0, 0, 1)), other)
		both, err := Find(other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.take(bundles[0][0], both[0][1]); refusal(err) != Mixed {
			t.Errorf("got %v", err)
		}
	})
}

func TestNextIsAskedForWhatIsMissing(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	files := writeParts(t, from, from.snapshot("monday", day), t.TempDir())
	to := isolated(t, a, from)
	var asked [][]int
	im := &Importer{Blobs: to.Blobs, Room: to, Keyring: to.takes, Now: now}
	im.Next = func(_ ctx, in *Incoming, missing []int) (Part, error) {
		asked = append(asked, missing)
		return partOf(files[missing[0]-1])
	}
	first, err := partOf(files[1])
	if err != nil {
		t.Fatal(err)
	}
	in, err := im.Receive(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	in.Release()
	if len(asked) != len(files)-1 || asked[0][0] != 1 || asked[1][0] != 3 {
		t.Errorf("asked for %v", asked)
	}
}

func TestPartsThatAreTooSmallAreRefused(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	x := from.exporter()
	x.PartSize = 26 << 10
	dir := t.TempDir()
	if _, err := from.write(x, from.snapshot("monday", day), dir); err == nil || !strings.Contains(err.Error(), "too small") {
		t.Errorf("got %v", err)
	}
	if names := filesIn(t, dir); len(names) != 0 {
		t.Errorf("the folder has %v", names)
	}
}

func TestBundlesInAFolderFollowTheOnesTheyBuildOn(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	monday := from.snapshot("z-monday", day)
	a.AddPackage(upstreamtest.Package{Name: "delta"})
	a.Publish()
	from.refresh()
	x := from.exporter()
	x.Since = &monday
	for _, s := range []struct {
		x *Exporter
		s Snapshot
	}{{x, from.snapshot("a-tuesday", day.AddDate(0, 0, 1))}, {from.exporter(), monday}} {
		if _, err := from.write(s.x, s.s, dir); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, dir, "other.tar", []byte("something else"))
	writeFile(t, dir, "notes.txt", []byte("something else"))
	if want := []string{"a-tuesday-since-z-monday.tar", "notes.txt", "other.tar", "z-monday.tar"}; !slices.Equal(filesIn(t, dir), want) {
		t.Errorf("the folder has %v", filesIn(t, dir))
	}
	bundles, err := Find(dir)
	if err != nil || len(bundles) != 2 {
		t.Fatalf("found %v, %v", bundles, err)
	}
	to := isolated(t, a, from)
	for _, parts := range bundles {
		if _, err := to.take(parts...); err != nil {
			t.Fatal(err)
		}
	}
	to.wantSame(from)
	if _, err := Find(t.TempDir()); refusal(err) != NotABundle {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestTarReadsABundle(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	data := from.export(from.snapshot("monday", day), nil)
	r := tar.NewReader(bytes.NewReader(data))
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || h.Mode != 0o644 {
			t.Errorf("%s: %+v", h.Name, h)
		}
		names = append(names, h.Name)
	}
	if !slices.Equal(names[:4], []string{headName, listName, signatureName, filesName}) || !strings.HasPrefix(names[4], blobFolder) {
		t.Errorf("the members are %v", names)
	}
	var big bytes.Buffer
	if err := writeHeader(&big, "large", 20<<30); err != nil {
		t.Fatal(err)
	}
	if h, err := tar.NewReader(&big).Next(); err != nil || h.Size != 20<<30 {
		t.Errorf("a member of 20 GiB: %+v, %v", h, err)
	}
}

func TestAFileHasItsNameOnlyWhenItIsWhole(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	x := from.exporter()
	stop := errors.New("stop")
	ctx, cancel := withCause(t)
	a.AddPackage(upstreamtest.Package{Name: "large", Size: 6 << 20})
	a.AddPackage(upstreamtest.Package{Name: "later", Size: 6 << 20})
	a.Publish()
	from.refresh()
	s := from.snapshot("monday", day)
	w, err := from.writer(x, s)
	if err != nil {
		t.Fatal(err)
	}
	w.Progress = func(done, total int64) { cancel(stop) }
	if _, err := w.Write(ctx, filepath.Join(dir, "out.tar")); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	if names := filesIn(t, dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	w.Progress = nil
	writeFile(t, dir, ".out.tar.unfinished", bytes.Repeat([]byte("left by a kill"), 1<<20))
	out, err := w.Write(t.Context(), filepath.Join(dir, "out.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if names := filesIn(t, dir); !slices.Equal(names, []string{"out.tar"}) {
		t.Errorf("the folder has %v", names)
	}
	if info, err := os.Stat(out.Files[0]); err != nil || info.Size() != out.Bytes {
		t.Errorf("%+v, %v", out, err)
	}
	to := isolated(t, a, from)
	bundles, err := Find(out.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.take(bundles[0]...); err != nil {
		t.Fatal(err)
	}
}

func TestAnExportFollowsNoSymbolicLink(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	victim := writeFile(t, t.TempDir(), "victim", []byte("mine"))
	if err := os.Symlink(victim, filepath.Join(dir, ".out.tar.unfinished")); err != nil {
		t.Fatal(err)
	}
	if _, err := from.write(from.exporter(), from.snapshot("monday", day), filepath.Join(dir, "out.tar")); err == nil {
		t.Error("it followed the link")
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "mine" {
		t.Errorf("the file behind the link: %q, %v", data, err)
	}
}

func TestABundleForWhichThereIsNoRoomIsRefusedUnread(t *testing.T) {
	a := newArchive(t)
	a.AddPackage(upstreamtest.Package{Name: "large", Size: 3 << 20})
	a.Publish()
	from := connected(t, a)
	to := openSite(t, a, t.TempDir(), cache.Options{MaxSize: 2 << 20})
	to.takes = from.keyring()
	_, err := to.take(inMemory("monday", from.export(from.snapshot("monday", day), nil)))
	if !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("got %v", err)
	}
	if n, _, err := to.Blobs.Usage(t.Context()); err != nil || n != 0 {
		t.Errorf("%d files were read, %v", n, err)
	}
}

func TestASnapshotThatWasExportedWholeIsKnown(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	s := from.snapshot("monday", day)
	for _, want := range []bool{false, true} {
		if got, err := Exported(from.Catalog, s); got != want || err != nil {
			t.Errorf("exported: %v, %v", got, err)
		}
		w, err := from.writer(from.exporter(), s)
		if err != nil {
			t.Fatal(err)
		}
		partial := *w.List
		partial.ID, partial.Suites = "another", []ListedSuite{{Wanted: Count{Files: 1}}}
		for _, l := range []*List{w.List, w.List, &partial} {
			if err := RecordExport(from.Catalog, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ids, err := exports(from.Catalog); len(ids) != 1 || err != nil {
		t.Errorf("%v, %v", ids, err)
	}
}
