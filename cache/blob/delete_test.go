package blob

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
)

func TestDeletedBlobIsGoneAndLeavesNoChunks(t *testing.T) {
	s := openTest(t, Options{})
	for _, size := range boundSizes {
		d := mustPut(t, s, testBytes(size))
		if err := s.Delete(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		wantNothing(t, s)
		if err := s.Delete(t.Context(), d); !errors.Is(err, ErrNotFound) {
			t.Errorf("second Delete: %v", err)
		}
	}
}

func TestDeleteLeavesOtherBlobsAlone(t *testing.T) {
	s := openTest(t, Options{})
	a, b := testBytes(2*ChunkSize), testBytes(2*ChunkSize+1)
	da, db := mustPut(t, s, a), mustPut(t, s, b)
	if err := s.Delete(t.Context(), da); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, db, b)
	mustPut(t, s, a)
	wantBlob(t, s, da, a)
}

func TestReaderOfADeletedBlobGetsNotFound(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2 * ChunkSize)
	r := mustOpen(t, s, mustPut(t, s, data))
	if err := s.Delete(t.Context(), Sum(data)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	mustPut(t, s, data)
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("blob stored again: got %v, want ErrNotFound", err)
	}
}

func TestSweepRemovesOrphansAndNothingElse(t *testing.T) {
	s := openTest(t, Options{})
	kept := testBytes(2*ChunkSize + 1)
	mustPut(t, s, kept)
	const orphanID, orphanChunks = 7, 2*deleteBatch + 1
	for i := int64(0); i < orphanChunks; i++ {
		setRaw(t, s, chunkKey(orphanID, i), []byte("left over"))
	}
	data := testBytes(3 * ChunkSize)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	mustWrite(t, w, data)

	if ids, err := s.Orphans(t.Context()); len(ids) != 1 || ids[0] != orphanID || err != nil {
		t.Errorf("Orphans: %x, %v; want %x", ids, err, orphanID)
	}
	if n, err := s.Sweep(t.Context()); n != orphanChunks || err != nil {
		t.Errorf("Sweep: %d, %v; want %d", n, err, orphanChunks)
	}
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("second Sweep: %d, %v", n, err)
	}
	mustCommit(t, w)
	wantBlob(t, s, Sum(data), data)
	wantBlob(t, s, Sum(kept), kept)
}

func setRaw(t *testing.T, s *Store, key, value []byte) {
	t.Helper()
	if err := s.write(t.Context(), func(txn *badger.Txn) error { return txn.Set(key, value) }); err != nil {
		t.Fatal(err)
	}
}

func TestSweepBesideWritersAndDeletes(t *testing.T) {
	s := openTest(t, Options{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 10 {
				data := testBytes(ChunkSize + 100*i + j)
				d, err := s.Put(t.Context(), data, testTime)
				if err != nil {
					t.Error(err)
				}
				if j%2 == 0 {
					err = s.Delete(t.Context(), d)
				} else {
					err = s.Verify(t.Context(), d)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
	}()
	for running := true; running; {
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	if n, _, err := s.Usage(t.Context()); n != 20 || err != nil {
		t.Errorf("%d blobs, %v; want 20", n, err)
	}
	wantNoOrphans(t, s)
}

func TestReclaimGivesSpaceBack(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: 4 << 20}
	s := openAt(t, dir, o)
	const blobs = 48
	for i := range blobs {
		mustPut(t, s, testBytes(ChunkSize+i))
	}
	before := diskUsage(t, s)
	for i := range blobs {
		if i%8 != 0 {
			if err := s.Delete(t.Context(), Sum(testBytes(ChunkSize+i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Alive are 6 MiB; the file in work and the files half alive stay.
	if after := diskUsage(t, s); before < blobs<<20 || after > before/2 {
		t.Errorf("%d MiB on disk, before %d", after>>20, before>>20)
	}
	check := func() {
		for i := 0; i < blobs; i += 8 {
			data := testBytes(ChunkSize + i)
			wantBlob(t, s, Sum(data), data)
		}
		if n, _, err := s.Usage(t.Context()); n != blobs/8 || err != nil {
			t.Errorf("%d blobs, %v", n, err)
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, o)
	check()
}

func TestReaderFindsAChunkThatMovesUnderIt(t *testing.T) {
	s := openTest(t, Options{FileSize: 2 << 20})
	kept := testBytes(ChunkSize / 2)
	mustPut(t, s, kept)
	for i := range 6 {
		d := mustPut(t, s, testBytes(ChunkSize+1+i))
		if err := s.Delete(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { testingOnlyReached = nil })
	found := 0
	testingOnlyReached = func(point string) {
		if point != "chunk found" {
			return
		}
		if found++; found > 1 {
			return
		}
		if err := s.Reclaim(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wantBlob(t, s, Sum(kept), kept)
	if first := filepath.Join(s.dir, "000001.vlog"); found == 0 || fileExists(first) {
		t.Errorf("the chunk did not move, found %d times", found)
	}
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func diskUsage(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := s.DiskUsage()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReclaimBesideReadersAndWriters(t *testing.T) {
	s := openTest(t, Options{FileSize: 2 << 20})
	kept := testBytes(5 * ChunkSize)
	d := mustPut(t, s, kept)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { churn(t, s, i, stop) })
		all.Go(func() { readOver(t, s, d, kept, stop) })
	}
	for range 10 {
		if err := s.Reclaim(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	all.Wait()
	wantNoOrphans(t, s)
	wantBlob(t, s, d, kept)
}

func TestCommitsWaitWhileARewriteBegins(t *testing.T) {
	for name, test := range map[string]struct {
		longest time.Duration
		ends    func(release func())
	}{
		"until it has begun":    {time.Hour, func(release func()) { release() }},
		"and no longer than so": {time.Nanosecond, func(func()) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, Options{})
			release := s.holdCommits(test.longest)
			defer release()
			if test.longest == time.Hour && s.commits.TryRLock() {
				t.Error("a commit would not wait")
			}
			test.ends(release)
			mustPut(t, s, []byte("a file"))
		})
	}
}

func churn(t *testing.T, s *Store, i int, stop <-chan struct{}) {
	for j := 0; !isClosed(stop); j++ {
		d, err := s.Put(t.Context(), testBytes(ChunkSize+1000*i+j%1000), testTime)
		if err == nil {
			err = s.Delete(t.Context(), d)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func readOver(t *testing.T, s *Store, d Digest, want []byte, stop <-chan struct{}) {
	for !isClosed(stop) {
		var got bytes.Buffer
		r, err := s.Open(d)
		if err == nil {
			_, err = r.WriteTo(&got)
		}
		if err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d bytes, other ones, %v", got.Len(), err)
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
