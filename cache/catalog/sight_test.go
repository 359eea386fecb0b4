package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

func (f *fixture) sightings(archive string) *Sightings {
	f.t.Helper()
	s, err := f.Sightings(f.t.Context(), archive)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) see(suite string, now time.Time, keys ...uint64) {
	f.t.Helper()
	if err := f.Sight(f.t.Context(), "debian", suite, keys, now); err != nil {
		f.t.Fatal(err)
	}
}

func TestSightRemembersWhenAVersionWasFirstSeen(t *testing.T) {
	f := newFixture(t)
	old, later := SightKey("hello", "1", "amd64", blob.Digest{}), SightKey("hello", "2", "amd64", blob.Digest{})
	other, never := SightKey("tool", "1", "all", blob.Digest{}), SightKey("tool", "2", "all", blob.Digest{})
	f.see("stable", testTime, old)
	f.see("stable", testTime.Add(time.Hour), old, later)
	f.see("stable", testTime.Add(2*time.Hour), later)
	f.see("updates", testTime.Add(3*time.Hour), later, other) // a suite that is new
	if err := f.Sight(t.Context(), "another", "stable", []uint64{never}, testTime); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	s := f.sightings("debian")
	for _, c := range []struct {
		name string
		key  uint64
		want time.Time
		seen bool
	}{
		{"there at the beginning", old, time.Time{}, true},
		{"new in a known suite", later, testTime.Add(time.Hour), true},
		{"there when its suite was new", other, time.Time{}, true},
		{"never there", never, time.Time{}, false},
	} {
		if got, seen := s.First(c.key); !got.Equal(c.want) || seen != c.seen {
			t.Errorf("%s: %s, %v", c.name, got, seen)
		}
	}
	if s.Len() != 3 {
		t.Errorf("%d versions, want 3", s.Len())
	}
}

func TestAFirstSightWithoutPackagesIsTheFirst(t *testing.T) {
	f := newFixture(t)
	f.see("stable", testTime)
	f.see("stable", testTime.Add(time.Hour), 7)
	if at, seen := f.sightings("debian").First(7); !seen || !at.Equal(testTime.Add(time.Hour)) {
		t.Errorf("%s, %v", at, seen)
	}
}

func TestSightingsAreAsASimpleMapHasThem(t *testing.T) {
	f := newFixture(t)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[uint64]int64{}
	for i := range 30 {
		var keys []uint64
		for range random.IntN(2000) {
			k := random.Uint64() >> (random.IntN(2) * 60) // many in the first shard, and again
			if _, ok := want[k]; !ok {
				want[k] = int64(i)
			}
			keys = append(keys, k)
		}
		f.see("stable", time.Unix(int64(i), 0), keys...)
	}
	s := f.sightings("debian")
	for k, at := range want {
		got, seen := s.First(k)
		if !seen || at == 0 && !got.IsZero() || at != 0 && got.Unix() != at {
			t.Fatalf("%x is of %s, %v; want %d", k, got, seen, at)
		}
	}
	if s.Len() != len(want) {
		t.Errorf("%d versions, want %d", s.Len(), len(want))
	}
}

func TestSightKeysTellFieldsApart(t *testing.T) {
	keys := []uint64{SightKey("a", "1", "all", blob.Digest{}), SightKey("a1", "", "all", blob.Digest{}), SightKey("", "a1", "all", blob.Digest{}), SightKey("a", "1a", "ll", blob.Digest{}), SightKey("a", "1", "", blob.Digest{}), SightKey("a", "1", "all", blob.Digest{1})}
	slices.Sort(keys)
	if n := len(slices.Compact(keys)); n != 6 {
		t.Errorf("%d different keys", n)
	}
}

func benchKeys(n int) (keys []uint64) {
	for i := range n {
		keys = append(keys, SightKey(fmt.Sprintf("lib%05d-dev", i), "1.2.3-4", "amd64", blob.Digest{}))
	}
	return keys
}

// BenchmarkSight records 300 new versions of a suite of 60,000 packages.
func BenchmarkSight(b *testing.B) {
	f := newFixture(b)
	keys := benchKeys(benchPackages)
	f.see("stable", testTime, keys...)
	now := testTime
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Hour)
		for i := range 300 {
			keys[i*200] = SightKey("new", fmt.Sprint(now.Unix(), i), "all", blob.Digest{})
		}
		f.see("stable", now, keys...)
	}
}

func BenchmarkSightOfNothingNew(b *testing.B) {
	f := newFixture(b)
	keys := benchKeys(benchPackages)
	f.see("stable", testTime, keys...)
	b.ReportAllocs()
	for b.Loop() {
		f.see("stable", testTime, keys...)
	}
}

func BenchmarkSightings(b *testing.B) {
	f := newFixture(b)
	f.see("stable", testTime, benchKeys(benchPackages)...)
	b.ReportAllocs()
	for b.Loop() {
		if f.sightings("debian").Len() != benchPackages {
			b.Fatal("not all are there")
		}
	}
}
