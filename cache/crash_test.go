package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"aptmirror/cache/catalog"
)

// TestChild is no test: it is what the test below runs in a process of its
// own, in a store that it finds, and that ends at the n-th time that a point is
// reached.
func TestChild(t *testing.T) {
	point, count, ok := strings.Cut(os.Getenv("CACHE_TEST_POINT"), "/")
	if !ok {
		t.Skip("runs as part of TestKilledAtAnyPointNothingNeededIsMissing only")
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	var times atomic.Int64
	testingOnlyReached = func(p string) {
		if p == point && times.Add(1) == int64(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	f := &fixture{t: t, dir: os.Getenv("CACHE_TEST_DIR"), clock: testTime.AddDate(0, 1, 0)}
	f.o = Options{MaxSize: 6*unit + metadata, Now: f.now}
	f.open()
	for i := range 3 {
		f.mustFill(file{fmt.Sprintf("late-%d", i), 2 * unit})
		g := f.heldGeneration("testing", packages(i)...)
		f.publish(g)
		f.collected(false)
		if err := f.Blobs.Reclaim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the point was not reached")
}

func TestKilledAtAnyPointNothingNeededIsMissing(t *testing.T) {
	for _, point := range []string{
		"file to be evicted/1", "file evicted/1", "file evicted/2",
		"file to be collected/1", "file collected/1", "file collected/4",
	} {
		t.Run(point, func(t *testing.T) {
			f := newFixture(t, Options{MaxSize: 6*unit + metadata})
			generations, _, _ := history(f)
			f.close()
			runUntilKilled(t, f.dir, point)
			f.open()
			f.wantWhole(generations[len(generations)-1])
			all, err := f.Catalog.Generations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range all {
				f.wantWhole(g)
			}
			f.wantServed(generations[len(generations)-1])
			f.clock = testTime.AddDate(0, 2, 0)
			f.collected(false)
			if again := f.collected(false); again.Files != 0 {
				t.Errorf("a second collection finds more: %+v", again)
			}
			if ids, err := f.Blobs.Orphans(t.Context()); err != nil || len(ids) != 0 {
				t.Errorf("orphans %v, %v", ids, err)
			}
			for info, err := range f.Blobs.All(t.Context()) {
				if err == nil {
					err = f.Blobs.Verify(t.Context(), info.Digest)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func runUntilKilled(t *testing.T, dir, point string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "CACHE_TEST_POINT="+point, "CACHE_TEST_DIR="+dir)
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	err := child.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out.String())
	}
}

// wantServed fails unless repository "debian" serves g.
func (f *fixture) wantServed(g catalog.Generation) {
	f.t.Helper()
	if err := f.Catalog.Serve(f.t.Context(), map[string][]string{"debian": {g.Suite}}); err != nil {
		f.t.Fatal(err)
	}
	found, err := f.Catalog.Resolve("debian", catalog.SuiteDir(g.Suite)+"InRelease", func(string) bool { return true })
	if err != nil || found.Digest != g.InRelease {
		f.t.Errorf("served is %v, %v", found.Digest, err)
	}
	if damaged := f.Catalog.Damaged(); damaged != nil {
		f.t.Errorf("damaged: %v", damaged)
	}
}
