package cache

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
)

const (
	// unit is the size of a package in these tests, in bytes.
	unit = 100_000
	// metadata is more than the Release files, indexes and manifests of a test take.
	metadata = 50_000
)

func packages(n int) (all []file) {
	for i := range n {
		all = append(all, file{fmt.Sprintf("package-%02d", i), unit})
	}
	return all
}

// limited has room for n packages besides what is published.
func limited(t testing.TB, n int) *fixture {
	t.Helper()
	return newFixture(t, Options{MaxSize: int64(n*unit + metadata)})
}

func TestLeastRecentlyUsedFilesGoFirst(t *testing.T) {
	f, all := limited(t, 4), packages(6)
	g := f.generation("stable", all...)
	for _, p := range all[:4] {
		f.mustFill(p)
		f.clock = f.clock.Add(time.Minute)
	}
	f.Begin(all[0].digest()) // read again
	f.End(all[0].digest())
	f.clock = f.clock.Add(time.Minute)
	f.mustFill(all[4], all[5])
	if diff := cmp.Diff([]string{"package-00", "package-03", "package-04", "package-05"}, f.stored(all...)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	f.wantWhole(g)
	space, err := f.Space(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if space.EvictedFiles != 2 || space.Evicted != 2*unit || space.Stored > space.Max || space.Reserved != 0 {
		t.Errorf("%+v", space)
	}
}

func TestOrderOfUseSurvivesAnOrderlyStop(t *testing.T) {
	f, all := limited(t, 3), packages(4)
	f.generation("stable", all...)
	for _, p := range all[:3] {
		f.mustFill(p)
		f.clock = f.clock.Add(time.Hour)
	}
	f.Begin(all[0].digest())
	f.End(all[0].digest())
	if err := f.storeUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.close()
	f.open()
	f.mustFill(all[3])
	if diff := cmp.Diff([]string{"package-00", "package-02", "package-03"}, f.stored(all...)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestFilesThatAreReadStay(t *testing.T) {
	f, all := limited(t, 2), packages(4)
	f.generation("stable", all...)
	f.mustFill(all[0], all[1])
	f.Begin(all[0].digest())
	f.Begin(all[0].digest())
	f.End(all[0].digest())
	f.mustFill(all[2])
	if diff := cmp.Diff([]string{"package-00", "package-02"}, f.stored(all...)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	f.Begin(all[2].digest())
	if err := f.fill(all[3]); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("with everything in use: %v", err)
	}
	f.End(all[0].digest())
	f.victims.barren = time.Time{} // as if some time had passed
	f.mustFill(all[3])
	if diff := cmp.Diff([]string{"package-02", "package-03"}, f.stored(all...)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// Otherwise a store that many ask would never again be looked through.
func TestWhoAsksMeanwhileDoesNotPutOffTheNextLook(t *testing.T) {
	f, all := limited(t, 1), packages(2)
	f.generation("stable", all...)
	f.mustFill(all[0])
	f.Begin(all[0].digest())
	if err := f.fill(all[1]); !errors.Is(err, blob.ErrNoSpace) || f.victims.barren.IsZero() {
		t.Errorf("with everything in use: %v, next look at %v", err, f.victims.barren)
	}
	f.End(all[0].digest())
	next := time.Now().Add(time.Hour)
	f.victims.barren = next
	if err := f.fill(all[1]); !errors.Is(err, blob.ErrNoSpace) || !f.victims.barren.Equal(next) {
		t.Errorf("before the next look: %v, next look at %v instead of %v", err, f.victims.barren, next)
	}
}

func TestFilesOfAGenerationInTheMakingStay(t *testing.T) {
	f, all := limited(t, 2), packages(3)
	index := all[0] // of a Release that was just verified
	release := f.Hold(index.digest())
	f.mustFill(index, all[1], all[2])
	if !f.has(index.digest()) {
		t.Error("an index that is held was removed")
	}
	release()
	f.mustFill(all[1], file{"another", unit})
	if f.has(index.digest()) {
		t.Error("what is no longer held stays for ever")
	}
}

func TestPublishedStateNeverGoes(t *testing.T) {
	f := limited(t, 1)
	f.generation("stable", packages(3)...)
	old := f.generation("stable", packages(2)...)
	current := f.generation("stable", packages(1)...)
	f.publish(old)
	f.publish(current)
	f.mustFill(packages(30)...)
	f.wantWhole(old)
	f.wantWhole(current)
}

// What was only worth fetching again may be part of a newer generation.
func TestAFileThatANewGenerationConsistsOfIsNoLongerAVictim(t *testing.T) {
	f, all := newFixture(t, Options{}), packages(3)
	f.generation("stable", all...)
	f.mustFill(all...)
	index := f.put([]byte("Packages " + fmt.Sprint("testing", all[:1])))
	if err := f.pickVictims(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.victims.queue); n != 4 {
		t.Fatalf("%d victims, want the packages and the index that nothing names", n)
	}
	g := f.generation("testing", all[:1]...)
	if _, err := f.evict(t.Context(), 100*unit); err != nil {
		t.Fatal(err)
	}
	if left := f.stored(all...); left != nil || !f.has(index) {
		t.Errorf("left are packages %v, and the index: %v", left, f.has(index))
	}
	f.wantWhole(g)
}

func TestReserveRefusesWhatCannotFit(t *testing.T) {
	f := limited(t, 2)
	g := f.generation("stable", packages(2)...)
	f.mustFill(packages(2)...)
	if _, err := f.Reserve(t.Context(), f.room.max+1, true); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("a file larger than the store: %v", err)
	}
	if len(f.stored(packages(2)...)) != 2 {
		t.Error("files were evicted for one that never fits")
	}
	if _, err := f.Reserve(t.Context(), unit, false); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("a file for which nothing may go: %v", err)
	}
	f.wantWhole(g)
}

func TestReservationsKeepToTheLimitTogether(t *testing.T) {
	f := limited(t, 5)
	f.generation("stable", packages(40)...)
	var wg sync.WaitGroup
	for _, p := range packages(40) {
		wg.Go(func() {
			if err := f.fill(p); err != nil && !errors.Is(err, blob.ErrNoSpace) {
				t.Error(err)
			}
			if _, stored := f.Blobs.Stored(); stored > f.room.max {
				t.Errorf("%d bytes stored, at most %d promised", stored, f.room.max)
			}
		})
	}
	wg.Wait()
	if space, err := f.Space(t.Context()); err != nil || space.Reserved != 0 {
		t.Errorf("%+v, %v", space, err)
	}
}

func BenchmarkBeginEnd(b *testing.B) {
	f := newFixture(b, Options{})
	var digests []blob.Digest
	for i := range 1000 {
		digests = append(digests, blob.Sum(fmt.Append(nil, i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d := digests[i%len(digests)]
		f.Begin(d)
		f.End(d)
	}
}

// BenchmarkPickVictims looks through a store of 10,000 files.
func BenchmarkPickVictims(b *testing.B) {
	f := newFixture(b, Options{})
	f.generation("stable")
	const files = 10000
	for i := range files {
		f.put(fmt.Append(nil, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := f.pickVictims(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
}
