package blob

import (
	"fmt"
	"sync"
	"testing"
)

func wantStored(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	blobs, bytes := s.Stored()
	wantBlobs, wantBytes, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if int(blobs) != wantBlobs || bytes != wantBytes {
		t.Errorf("Stored: %d blobs, %d bytes; the rows have %d, %d", blobs, bytes, wantBlobs, wantBytes)
	}
}

func TestStoredIsExactAfterCount(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	for i := range 50 {
		mustPut(t, s, fmt.Appendf(nil, "old %d", i))
	}
	mustPut(t, s, testBytes(2*ChunkSize))
	wantStored(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	mustPut(t, s, []byte("new"))
	if err := s.Delete(t.Context(), Sum([]byte("old 7"))); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s)
	mustPut(t, s, []byte("new")) // once more is no second blob
	mustPut(t, s, []byte("newer"))
	if err := s.Delete(t.Context(), Sum(testBytes(2*ChunkSize))); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s)
	if blobs, _ := s.Stored(); blobs != 51 {
		t.Errorf("%d blobs, want 51", blobs)
	}
}

func TestStoredIsExactWhereBlobsChangeDuringCount(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	const blobs = 400
	for i := range blobs {
		mustPut(t, s, fmt.Appendf(nil, "old %d", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range blobs / 2 {
			mustPut(t, s, fmt.Appendf(nil, "new %d", i))
		}
	})
	wg.Go(func() {
		for i := range blobs / 2 {
			if err := s.Delete(t.Context(), Sum(fmt.Appendf(nil, "old %d", i))); err != nil {
				t.Error(err)
			}
		}
	})
	if err := s.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	wantStored(t, s)
}

func BenchmarkCount(b *testing.B) {
	dir := b.TempDir()
	const blobs = 10000
	s := openAt(b, dir, Options{})
	for i := range blobs {
		mustPut(b, s, fmt.Appendf(nil, "blob %d", i))
	}
	for b.Loop() {
		s.tally.complete.Store(false)
		s.tally.counted = [256]bool{}
		if err := s.Count(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blobs, "ns/blob")
}
