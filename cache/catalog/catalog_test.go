package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
)

func TestRowsSurviveReopening(t *testing.T) {
	f := newFixture(t)
	check := Check{
		Archive: "upstream", Suite: "stable/updates", At: testTime, OK: testTime.Add(-time.Hour), Error: "it is gone", Reason: "unreachable",
		URI: "http://mirror.example.org/debian/", LastModified: "Tue, 03 Nov 2026 12:00:00 GMT", ETag: `"x"`,
		AcceptedDate: testTime, AcceptedRelease: blob.Sum(nil),
	}
	generation := Generation{
		Archive: "upstream", Suite: "stable/updates", Number: 1,
		InRelease: f.put([]byte("1")), Release: f.put([]byte("2")), ReleaseGPG: f.put([]byte("3")), Manifest: f.put([]byte("4")),
		Date: testTime, ValidUntil: testTime.Add(time.Hour), Origin: "o", Label: "l", Signers: []Signer{{"ABC", "name"}},
		Scope: "main; amd64", ByHash: true, Indexes: []string{"a", "b"}, Missing: []string{"c"}, Packages: 3, Bytes: 4, Created: testTime,
	}
	job := Job{Number: 1, Kind: "sync", Names: []string{"upstream"}, By: "uid 0", Started: testTime}
	if _, err := f.AddGeneration(generation); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveCheck(check); err != nil {
		t.Fatal(err)
	}
	if _, err := f.StartJob(job); err != nil {
		t.Fatal(err)
	}
	job.Finished, job.Error, job.Summary = testTime.Add(time.Hour), "no", "nothing"
	if err := f.FinishJob(job); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		gotCheck, err := f.Check("upstream", "stable/updates")
		if diff := cmp.Diff(check, gotCheck); diff != "" || err != nil {
			t.Errorf("check: %v %s", err, diff)
		}
		latest, err := f.Latest(t.Context(), "upstream", "stable/updates")
		if diff := cmp.Diff(generation, latest); diff != "" || err != nil {
			t.Errorf("latest generation: %v %s", err, diff)
		}
		jobs, err := f.Jobs(t.Context(), 10)
		if diff := cmp.Diff([]Job{job}, jobs); diff != "" || err != nil {
			t.Errorf("jobs: %v %s", err, diff)
		}
		f.reopen()
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	f := newFixture(t)
	f.add("stable", entries("stable", "a", nil))
	if _, err := f.Generation("upstream", "stable", 2); err != ErrNotFound {
		t.Errorf("generation: %v", err)
	}
	for _, suite := range []string{"", "stabl", "stable/", "stable/updates"} {
		if _, err := f.Latest(t.Context(), "upstream", suite); err != ErrNotFound {
			t.Errorf("latest of %q: %v", suite, err)
		}
	}
	if got, err := f.Check("upstream", "new"); err != nil || got != (Check{Archive: "upstream", Suite: "new"}) {
		t.Errorf("check of a new suite: %v, %v", got, err)
	}
	if got, err := f.Publications(t.Context()); err != nil || got != nil {
		t.Errorf("publications: %v, %v", got, err)
	}
}

func TestGenerationsAreNumberedBySuite(t *testing.T) {
	f := newFixture(t)
	for n := range uint64(300) { // more than one byte of a number
		for _, suite := range []string{"stable", "stable/updates"} {
			if g := f.add(suite, entries(suite, "a", nil)); g.Number != n+1 {
				t.Fatalf("generation %d of %s, want %d", g.Number, suite, n+1)
			}
		}
	}
	if g, err := f.Latest(t.Context(), "upstream", "stable"); g.Number != 300 || g.Suite != "stable" {
		t.Errorf("latest %d of %s, %v", g.Number, g.Suite, err)
	}
	if all, err := f.Generations(t.Context()); len(all) != 600 || err != nil {
		t.Errorf("%d generations, %v", len(all), err)
	}
}

func TestNumbersAreGivenOnce(t *testing.T) {
	f := newFixture(t)
	const n = 40
	var mu sync.Mutex // guards the two below
	jobs, generations := map[uint64]bool{}, map[uint64]bool{}
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			j, err := f.StartJob(Job{Kind: "sync"})
			number, err2 := f.AddGeneration(Generation{Archive: "upstream", Suite: "stable"})
			if err != nil || err2 != nil {
				t.Error(err, err2)
			}
			mu.Lock()
			defer mu.Unlock()
			jobs[j.Number], generations[number] = true, true
		})
	}
	group.Wait()
	if len(jobs) != n || len(generations) != n {
		t.Errorf("%d jobs have %d numbers, %d generations %d", n, len(jobs), n, len(generations))
	}
}

func TestJobsAreBounded(t *testing.T) {
	f := newFixture(t)
	var first Job
	for i := range keptJobs + 20 {
		j, err := f.StartJob(Job{Kind: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = j
		}
	}
	if err := f.FinishJob(first); err != nil { // its record is gone
		t.Error(err)
	}
	jobs, err := f.Jobs(t.Context(), 10*keptJobs)
	if err != nil || len(jobs) != keptJobs || jobs[0].Kind != fmt.Sprint(keptJobs+19) || jobs[keptJobs-1].Kind != "20" {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	if jobs, err := f.Jobs(t.Context(), 3); len(jobs) != 3 || jobs[2].Number != keptJobs+18 {
		t.Errorf("the newest three are %v, %v", jobs, err)
	}
}

func TestNamesThatWouldMixUpRowsAreRefused(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"", "a\x00b"} {
		if _, err := f.AddGeneration(Generation{Archive: "upstream", Suite: name}); err == nil {
			t.Errorf("a generation of suite %q was recorded", name)
		}
		if err := f.SaveCheck(Check{Archive: name, Suite: "stable"}); err == nil {
			t.Errorf("a check of archive %q was recorded", name)
		}
		g := f.add("stable", entries("stable", "a", nil))
		if _, err := f.Publish(t.Context(), Move{Repository: name, Suite: "stable", Expect: Ref{}, Next: g.Ref()}, testTime); err == nil {
			t.Errorf("repository %q was published", name)
		}
	}
}

func TestOpenRefusesWhatItMightMisread(t *testing.T) {
	for name, change := range map[string]func(*badger.Txn) error{
		"a newer format":       func(txn *badger.Txn) error { return txn.Set([]byte("v"), []byte{formatVersion + 1}) },
		"a longer format":      func(txn *badger.Txn) error { return txn.Set([]byte("v"), []byte{formatVersion, 0}) },
		"a foreign database":   func(txn *badger.Txn) error { return errors.Join(txn.Delete([]byte("v")), txn.Set([]byte("x"), nil)) },
		"a lost format row":    func(txn *badger.Txn) error { return txn.Delete([]byte("v")) },
		"an empty format row":  func(txn *badger.Txn) error { return txn.Set([]byte("v"), nil) },
		"a format before ours": func(txn *badger.Txn) error { return txn.Set([]byte("v"), []byte{0}) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.add("stable", entries("stable", "a", nil))
			if err := f.db.Update(change); err != nil {
				t.Fatal(err)
			}
			if err := f.Catalog.Close(); err != nil {
				t.Fatal(err)
			}
			c, err := Open(f.Catalog.dir, f.blobs, nil)
			if err == nil {
				t.Error("it was opened")
				f.Catalog = c
			}
		})
	}
}

func TestOpenSaysThatTheDirectoryIsInUse(t *testing.T) {
	f := newFixture(t)
	if _, err := Open(f.Catalog.dir, f.blobs, nil); err == nil || !strings.HasPrefix(err.Error(), "opening the catalog: ") {
		t.Errorf("%v", err)
	}
}

func TestNothingIsRecordedOnAFullDisk(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	a, b := f.add("stable", entries("stable", "a", nil)), f.add("stable", entries("stable", "b", nil))
	f.publish("debian", a, testTime)
	f.free = func(string) (int64, error) { return minFree - 1, nil }
	_, err := f.Publish(t.Context(), Move{Repository: "debian", Suite: "stable", Expect: a.Ref(), Next: b.Ref()}, testTime)
	_, jobErr := f.StartJob(Job{})
	for _, err := range []error{err, jobErr, f.SaveCheck(Check{Archive: "a", Suite: "b"})} {
		if !errors.Is(err, blob.ErrNoSpace) {
			t.Errorf("%v, want ErrNoSpace", err)
		}
	}
	f.wantFile("debian", "dists/stable/InRelease", "release a")
	f.free = func(string) (int64, error) { return minFree, nil }
	f.publish("debian", b, testTime)
	f.wantFile("debian", "dists/stable/InRelease", "release b")
}

func TestListingStopsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.add("stable", entries("stable", "a", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Generations(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
