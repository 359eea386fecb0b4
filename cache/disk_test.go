package cache

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// smallDisk mounts a file system of its own, so that a test can fill it.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small file system to fill: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk takes all but left bytes, as somebody else's files would.
func fillDisk(t *testing.T, dir string, left int64) (remove func()) {
	t.Helper()
	free, err := freeSpace(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "somebody-elses")
	if err := allocate(name, free-left); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// onDisk is a store with files of 16 MiB on a disk of 700 MiB, of which 288 MiB
// must stay free.
func onDisk(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: smallDisk(t, "700m"), clock: testTime}
	f.o = Options{MaxSize: 1 << 30, Now: f.now}
	f.open()
	t.Cleanup(f.close)
	return f
}

func TestAFullDiskLeavesWhatIsServedAndHeals(t *testing.T) {
	f := onDisk(t)
	all := packages(20)
	g := f.generation("stable", all...)
	f.publish(g)
	f.mustFill(all[:10]...)
	remove := fillDisk(t, f.dir, 0)
	if err := f.fill(all[11]); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("filling on a full disk: %v", err)
	}
	if _, err := f.Blobs.Put(t.Context(), []byte("a new Release"), testTime); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("storing a Release: %v", err)
	}
	if _, err := f.Catalog.AddGeneration(g); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("recording a generation: %v", err)
	}
	if _, err := f.Collect(t.Context(), false, catalog.Gone{}); err != nil && !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("collecting: %v", err)
	}
	f.maintain(t.Context(), func(err error) {
		if !errors.Is(err, blob.ErrNoSpace) {
			t.Errorf("maintaining: %v", err)
		}
	})
	f.wantWhole(g)
	f.wantServed(g)
	remove()
	f.mustFill(all[11])
	next := f.generation("stable", all[:5]...)
	f.publish(next)
	f.wantServed(next)
}

func TestLeastRecentlyUsedFilesMakeRoomOnAFullDisk(t *testing.T) {
	f := onDisk(t)
	all := fillUp(f, 150e6)
	g := f.generation("stable", all...)
	f.publish(g)
	remove := fillDisk(t, f.dir, 288<<20+1e6) // one more package would be too many
	late := file{"late", 3_000_000}
	stored := 0
	for range 20 {
		err := f.fill(late)
		if err == nil {
			stored++
			break
		}
		if !errors.Is(err, blob.ErrNoSpace) {
			t.Fatal(err)
		}
		f.reclaims.tried = testTime // as if some seconds had passed
		if err := f.reclaim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := len(f.stored(all...))
	if stored != 1 || left < len(all)/2 || left == len(all) {
		t.Errorf("stored %d, and %d of %d packages are left", stored, left, len(all))
	}
	f.wantServed(g)
	remove()
}

func TestTheBallastMakesOpeningPossibleOnAFullDisk(t *testing.T) {
	f := onDisk(t)
	g := f.generation("stable", packages(2)...)
	f.publish(g)
	if err := f.keepBallast(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(ballastPath(f.dir)); err != nil || info.Size() != ballastSize {
		t.Fatalf("no ballast: %v", err)
	}
	f.close()
	remove := fillDisk(t, f.dir, 1<<20)
	f.open()
	f.wantServed(g)
	remove()
	if err := f.keepBallast(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.mustFill(packages(2)...)
	remove = fillDisk(t, f.dir, 0)
	f.close() // writes what it has in memory
	f.open()
	f.wantServed(g)
	if names := f.stored(packages(2)...); len(names) != 2 {
		t.Errorf("after closing on a full disk only %v are left", names)
	}
	if _, err := os.Stat(ballastPath(f.dir)); err == nil {
		t.Error("the ballast is still there")
	}
	if err := f.keepBallast(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ballastPath(f.dir)); err == nil {
		t.Error("a ballast was made on a full disk")
	}
	remove()
	if err := f.keepBallast(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ballastPath(f.dir)); err != nil {
		t.Errorf("no new ballast: %v", err)
	}
}
