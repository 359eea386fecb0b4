package catalog

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// What the child below does in a store that prepareRows made.
var rowChanges = map[string]func(f *fixture) error{
	"pool": func(f *fixture) error {
		return f.AddPoolFiles(f.t.Context(), "internal", []PoolFile{f.poolFile("one", "1", "first"), f.poolFile("two", "1", "second")})
	},
	"snapshot": func(f *fixture) error {
		p, err := f.Publication("site", "stable")
		return errors.Join(err, f.AddSnapshot(f.t.Context(), Snapshot{Name: "new", Pins: []Pin{pinOf(p)}}))
	},
	"removal": func(f *fixture) error { return f.RemoveSnapshot(f.t.Context(), "june") },
	"sight": func(f *fixture) error {
		return f.Sight(f.t.Context(), "debian", "stable", benchKeys(1000), testTime.Add(time.Hour))
	},
	"move": func(f *fixture) error {
		g, err := f.Generation("@site", "stable", 1)
		if err != nil {
			return err
		}
		_, err = f.Publish(f.t.Context(), Move{Repository: "site", Suite: "stable", Expect: g.Ref(), Next: g.Ref(), Signed: f.signed(g, testTime.Add(time.Hour))}, testTime.Add(time.Hour))
		return err
	},
}

func prepareRows(f *fixture) {
	g := f.built("stable", "1", nil)
	f.snapshot("june", f.move("site", g, testTime))
	f.move("site/snapshot/june", g, testTime)
}

// TestChildThatIsKilledAtARow runs in the process that the next test starts.
func TestChildThatIsKilledAtARow(t *testing.T) {
	point := os.Getenv("CATALOG_ROW_POINT")
	if point == "" {
		t.Skip("runs as part of TestKilledWhileARowIsWrittenItIsThereOrNot only")
	}
	testingOnlyReached = func(p string) {
		if p == point {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	f := &fixture{t: t, dir: os.Getenv("CATALOG_ROW_DIR")}
	f.open()
	t.Error("the point was not reached", rowChanges[os.Getenv("CATALOG_ROW_CHANGE")](f))
}

func TestKilledWhileARowIsWrittenItIsThereOrNot(t *testing.T) {
	for _, c := range []struct {
		change, point string
		done          bool
	}{
		{"pool", "pool files to be added", false}, {"pool", "pool files added", true},
		{"snapshot", "snapshot to be added", false}, {"snapshot", "snapshot added", true},
		{"removal", "snapshot to be removed", false}, {"removal", "snapshot removed", true},
		{"sight", "sightings recorded", false},
		{"move", "pointer to be moved", false}, {"move", "pointer moved", true},
	} {
		t.Run(c.point, func(t *testing.T) {
			t.Parallel()
			f := &fixture{t: t, dir: t.TempDir()}
			f.open()
			prepareRows(f)
			f.close()
			killedAt(t, f.dir, c.change, c.point)
			f.open()
			defer f.close()
			f.wantChanged(c.change, c.done)
			if c.done {
				return
			}
			if err := rowChanges[c.change](f); err != nil {
				t.Errorf("doing it again: %v", err)
			}
			f.wantChanged(c.change, true)
		})
	}
}

func killedAt(t *testing.T, dir, change, point string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildThatIsKilledAtARow$")
	child.Env = append(os.Environ(), "CATALOG_ROW_CHANGE="+change, "CATALOG_ROW_POINT="+point, "CATALOG_ROW_DIR="+dir, "TMPDIR="+t.TempDir())
	said, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, said)
	}
}

// wantChanged expects all of a change, or nothing of it.
func (f *fixture) wantChanged(change string, done bool) {
	f.t.Helper()
	state, err := f.State(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var got bool
	switch change {
	case "pool":
		paths := f.poolPaths()
		if got = len(paths) == 2; !got && len(paths) != 0 {
			f.t.Errorf("half of the files were added: %v", paths)
		}
	case "snapshot":
		_, err := f.Snapshot("new")
		got = err == nil
	case "removal":
		_, err := f.Publication("site/snapshot/june", "stable")
		if got = len(state.Snapshots) == 0; got != errors.Is(err, ErrNotFound) {
			f.t.Errorf("half of the snapshot was removed: %v", err)
		}
	case "sight":
		// Cut short, a first sight has no end yet; made again, all is old.
		got = f.isMarked()
	case "move":
		p, _ := f.Publication("site", "stable")
		moves, err := f.History(f.t.Context(), "site", "stable", 5)
		if got = p.Signed.Date.After(testTime); got != (len(moves) == 2) || err != nil {
			f.t.Errorf("the record says otherwise: %v, %v", moves, err)
		}
		f.wantSigned(p)
	}
	if got != done {
		f.t.Errorf("%s done: %v, want %v", change, got, done)
	}
}

func (f *fixture) isMarked() bool {
	f.t.Helper()
	known, err := f.has(key('F', "debian", "stable"))
	if err != nil {
		f.t.Fatal(err)
	}
	at, seen := f.sightings("debian").First(benchKeys(1)[0])
	if known && (!seen || !at.IsZero()) {
		f.t.Errorf("after the first sight, a version is of %s, %v", at, seen)
	}
	return known
}

// wantSigned expects the files of a publication to be readable.
func (f *fixture) wantSigned(p Publication) {
	f.t.Helper()
	for name, d := range p.Signed.Files() {
		if err := f.blobs.Verify(f.t.Context(), d); err != nil {
			f.t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStoreOfTheFormatBeforeIsTakenOver(t *testing.T) {
	f := newFixture(t)
	f.publish("debian", f.add("stable", entries("stable", "1", nil)), testTime)
	if err := f.db.Update(func(txn *badger.Txn) error { return txn.Set(formatKey, []byte{oldestVersion}) }); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.serve("debian", "stable")
	f.wantFile("debian", "dists/stable/main/binary-amd64/Packages", "index 1")
	if version, err := f.format(); err != nil || version[0] != formatVersion {
		t.Errorf("format %x, %v", version, err)
	}
}
