package catalog

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

func (f *fixture) loadedSuites() int {
	f.lazy.mu.Lock()
	defer f.lazy.mu.Unlock()
	return len(f.lazy.loaded)
}

func TestRepositoriesLoadWhenTheyAreAskedFor(t *testing.T) {
	f := newFixture(t)
	for i := range keptSuites + 3 {
		g := f.built("stable", fmt.Sprint(i), nil)
		f.move(SnapshotRepository("site", fmt.Sprint("s", i)), g, testTime)
		f.ServeRepository(SnapshotRepository("site", fmt.Sprint("s", i)), []string{"stable", "other"})
	}
	if n := f.loadedSuites(); n != 0 {
		t.Errorf("%d suites are loaded before the first request", n)
	}
	for range 2 {
		for i := range keptSuites + 3 {
			f.wantFile(SnapshotRepository("site", fmt.Sprint("s", i)), "dists/stable/main/binary-amd64/Packages", fmt.Sprint("index ", i))
		}
	}
	if n := f.loadedSuites(); n != keptSuites {
		t.Errorf("%d suites stay loaded, want %d", n, keptSuites)
	}
	name := SnapshotRepository("site", "s0")
	if _, err := f.Resolve(name, "dists/other/Release", anySuite); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("of a suite that was not published: %v", err)
	}
	if _, err := f.Resolve(name, "pool/nothing", anySuite); !errors.Is(err, ErrNoPath) {
		t.Errorf("of a path that is not there: %v", err)
	}
	if _, err := f.Resolve(name, "dists/stable/Release", func(suite string) bool { return suite == "other" }); !errors.Is(err, ErrNoPath) {
		t.Errorf("of a suite that may not be looked into: %v", err)
	}
	f.serve("debian", "stable") // a reload leaves them
	if !f.HasRepository(name) || !f.HasRepository("debian") {
		t.Error("a repository has gone")
	}
	f.Unserve(name)
	if _, err := f.Resolve(name, "dists/stable/Release", anySuite); !errors.Is(err, ErrNoRepository) {
		t.Errorf("of a repository that is no longer served: %v", err)
	}
}

func TestALoadedSuiteFollowsItsPublication(t *testing.T) {
	f := newFixture(t)
	f.ServeRepository("site/snapshot/x", []string{"stable"})
	if _, err := f.Resolve("site/snapshot/x", "dists/stable/Release", anySuite); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("before it is published: %v", err)
	}
	g := f.built("stable", "1", nil)
	for i := range 3 {
		p := f.move("site/snapshot/x", g, testTime.Add(time.Duration(i)*time.Hour))
		if file := f.resolve("site/snapshot/x", "dists/stable/InRelease"); file.Digest != p.Signed.InRelease || !file.Modified.Equal(p.Published) {
			t.Errorf("signed %d times, it is %+v", i+1, file)
		}
	}
}

func TestALazySuiteThatIsDamagedSaysSo(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", map[string]string{"pool/internal/main/t/tool.deb": "tool"})
	f.move("site/snapshot/x", g, testTime)
	if err := f.blobs.Delete(t.Context(), g.Manifest); err != nil {
		t.Fatal(err)
	}
	f.ServeRepository("site/snapshot/x", []string{"stable"})
	for _, name := range []string{"dists/stable/InRelease", "pool/internal/main/t/tool.deb"} {
		if _, err := f.Resolve("site/snapshot/x", name, anySuite); !errors.Is(err, ErrNoGeneration) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManyAskForLazySuitesAtOnce(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", nil)
	var all sync.WaitGroup
	for i := range 2 * keptSuites {
		name := fmt.Sprint("site/snapshot/", i)
		f.ServeRepository(name, []string{"stable"})
		f.move(name, g, testTime)
		for range 4 {
			all.Go(func() {
				for range 20 {
					if _, err := f.Resolve(name, "dists/stable/InRelease", anySuite); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() { f.move(name, g, testTime.Add(time.Hour)) })
	}
	all.Wait()
}

func TestPublicationsOfOneGenerationShareItsTable(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", nil)
	if err := f.Serve(t.Context(), map[string][]string{"site": {"stable"}, "production": {"stable"}}); err != nil {
		t.Fatal(err)
	}
	f.move("site", g, testTime)
	f.move("production", g, testTime)
	f.move("site/snapshot/x", g, testTime)
	f.ServeRepository("site/snapshot/x", []string{"stable"})
	f.resolve("site/snapshot/x", "dists/stable/InRelease")
	table := f.view.Load().repositories["site"][0].current.table
	if f.view.Load().repositories["production"][0].current.table != table || f.lazy.loaded[0].view.current.table != table {
		t.Error("a generation is loaded more than once")
	}
	f.serve("nothing")
	f.Unserve("site/snapshot/x")
	table = nil
	for range 100 {
		runtime.GC()
		if f.tables.get(g.Manifest) == nil {
			return
		}
	}
	t.Error("a table that nobody uses stays in memory")
}

func TestWithdrawTakesEverythingOfARepositoryBack(t *testing.T) {
	f := newFixture(t)
	f.serve("site", "stable")
	g := f.built("stable", "1", nil)
	f.move("site", g, testTime)
	f.move("site/snapshot/x", g, testTime)
	f.move("site/snapshot/x2", g, testTime)
	f.ServeRepository("site/snapshot/x", []string{"stable"})
	if err := f.Withdraw("site/snapshot/x"); err != nil {
		t.Fatal(err)
	}
	if f.HasRepository("site/snapshot/x") {
		t.Error("it is served")
	}
	if err := f.Withdraw("site"); err == nil {
		t.Error("a repository of the configuration is withdrawn")
	}
	if all, err := f.Publications(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("left are %+v, %v", all, err)
	}
}
