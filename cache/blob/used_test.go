package blob

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
)

func usesByDigest(t *testing.T, s *Store) map[Digest]time.Time {
	t.Helper()
	found := map[Digest]time.Time{}
	for u, err := range s.Uses(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found[u.Digest] = u.Last
	}
	return found
}

func TestLastUseIsWhatTouchSaidAndSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	never, once := mustPut(t, s, []byte("never used")), mustPut(t, s, []byte("used"))
	at := testTime.Add(26*time.Hour + 30*time.Second)
	if err := s.Touch(t.Context(), map[Digest]time.Time{once: at, Sum([]byte("not there")): at}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	want := map[Digest]time.Time{never: testTime, once: at.Truncate(time.Minute)}
	if diff := cmp.Diff(want, usesByDigest(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if u, err := s.LastUse(once); err != nil || !u.Last.Equal(at.Truncate(time.Minute)) || u.Size != 4 {
		t.Errorf("LastUse: %+v, %v", u, err)
	}
	if _, err := s.LastUse(Sum([]byte("not there"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("LastUse of what is not there: %v", err)
	}
}

func TestTouchTakesMoreThanATransaction(t *testing.T) {
	s := openTest(t, Options{})
	used := map[Digest]time.Time{}
	for i := range 2*useBatch + 1 {
		used[mustPut(t, s, fmt.Appendf(nil, "%d", i))] = testTime.Add(time.Duration(i) * time.Minute)
	}
	if err := s.Touch(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(used, usesByDigest(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestLastUseGoesWithItsBlob(t *testing.T) {
	s := openTest(t, Options{})
	data := []byte("comes back")
	d := mustPut(t, s, data)
	touch := func(at time.Time) {
		if err := s.Touch(t.Context(), map[Digest]time.Time{d: at}); err != nil {
			t.Fatal(err)
		}
	}
	touch(testTime.Add(time.Hour))
	if err := s.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, data)
	if got := usesByDigest(t, s)[d]; !got.Equal(testTime) {
		t.Errorf("a new blob was last used %v", got)
	}
}

func TestSweepRemovesTimesWithoutBlob(t *testing.T) {
	s := openTest(t, Options{})
	kept := mustPut(t, s, []byte("kept"))
	if err := s.Touch(t.Context(), map[Digest]time.Time{kept: testTime.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	orphan := useKey(Sum([]byte("orphan")))
	err := s.write(t.Context(), func(txn *badger.Txn) error { return txn.Set(orphan, encodeUse(testTime)) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.view(func(txn *badger.Txn) error { _, err := txn.Get(orphan); return err })
	if !errors.Is(err, badger.ErrKeyNotFound) {
		t.Errorf("the orphan: %v", err)
	}
	if got := usesByDigest(t, s)[kept]; !got.Equal(testTime.Add(time.Hour)) {
		t.Errorf("the blob that is there was last used %v", got)
	}
}

func TestFromStartsAtADigest(t *testing.T) {
	s := openTest(t, Options{})
	for i := range 20 {
		mustPut(t, s, fmt.Appendf(nil, "%d", i))
	}
	var all []Digest
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, info.Digest)
	}
	for i, first := range all {
		var got []Digest
		for info, err := range s.From(t.Context(), first) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, info.Digest)
		}
		if diff := cmp.Diff(all[i:], got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func BenchmarkUses(b *testing.B) {
	s := openTest(b, Options{})
	const blobs = 10000
	used := map[Digest]time.Time{}
	for i := range blobs {
		used[mustPut(b, s, fmt.Appendf(nil, "blob %d", i))] = testTime
	}
	if err := s.Touch(b.Context(), used); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range s.Uses(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blobs, "ns/blob")
}
