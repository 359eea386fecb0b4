package blob

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// wantNothing checks that nothing is left of any blob, nor of any reservation.
func wantNothing(t *testing.T, s *Store) {
	t.Helper()
	if n, _, err := s.Usage(t.Context()); n != 0 || err != nil {
		t.Errorf("%d blobs left, %v", n, err)
	}
	wantNoOrphans(t, s)
	wantNoWriters(t, s)
}

func wantNoOrphans(t *testing.T, s *Store) {
	t.Helper()
	if ids, err := s.Orphans(t.Context()); len(ids) != 0 || err != nil {
		t.Errorf("orphans %x left, %v", ids, err)
	}
}

func wantNoWriters(t *testing.T, s *Store) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.writing) != 0 || s.reserved != 0 {
		t.Errorf("%d writers and %d bytes still reserved", len(s.writing), s.reserved)
	}
}

func TestMismatchLeavesNothing(t *testing.T) {
	for _, size := range []int{2, 5000, ChunkSize, 2*ChunkSize + 5} {
		data := testBytes(size)
		for _, c := range []struct {
			name   string
			digest Digest
			size   int64
			want   MismatchError
		}{
			{"other bytes", Sum([]byte("other")), int64(size), MismatchError{Got: Sum(data), GotSize: int64(size)}},
			{"too few bytes", Sum(data), int64(size) + 1, MismatchError{GotSize: int64(size)}},
			{"too many bytes", Sum(data), int64(size) - 1, MismatchError{GotSize: int64(size)}},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := openTest(t, Options{})
				err := writeAll(s, t.Context(), c.digest, c.size, data)
				c.want.Want, c.want.WantSize = c.digest, c.size
				var got *MismatchError
				if !errors.As(err, &got) || *got != c.want {
					t.Errorf("size %d: got %v, want %v", size, err, &c.want)
				}
				wantNothing(t, s)
			})
		}
	}
}

func writeAll(s *Store, ctx context.Context, d Digest, size int64, data []byte) error {
	w, err := s.Create(ctx, d, size, testTime)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	_, err = w.Commit()
	return err
}

func TestSurplusIsRefusedBeforeItIsKept(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(100)
	w := mustCreate(t, s, Sum(data[:50]), 50)
	mustWrite(t, w, data[:40])
	n, err := w.Write(data[40:])
	var mismatch *MismatchError
	if n != 0 || !errors.As(err, &mismatch) {
		t.Errorf("Write: %d, %v", n, err)
	}
	if _, err := w.Commit(); !errors.As(err, &mismatch) {
		t.Errorf("Commit after it: %v", err)
	}
	wantNothing(t, s)
}

func TestEmptyBlobMustHaveTheDigestOfNothing(t *testing.T) {
	s := openTest(t, Options{})
	var mismatch *MismatchError
	if _, err := s.Create(t.Context(), Sum([]byte("x")), 0, testTime); !errors.As(err, &mismatch) {
		t.Errorf("got %v, want a MismatchError", err)
	}
	wantNothing(t, s)
}

func TestSizesOutOfBoundsAreRefused(t *testing.T) {
	s := openTest(t, Options{})
	for _, size := range []int64{-1, MaxSize + 1} {
		if _, err := s.Create(t.Context(), Digest{1}, size, testTime); err == nil {
			t.Errorf("size %d was accepted", size)
		}
	}
	wantNothing(t, s)
}

func TestAbortLeavesNothing(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3*ChunkSize + 9)
	for _, n := range []int{0, 1, ChunkSize, ChunkSize + 1, 2*ChunkSize + 1, len(data)} {
		w := mustCreate(t, s, Sum(data), int64(len(data)))
		mustWrite(t, w, data[:n])
		w.Abort(nil)
		w.Abort(errors.New("second"))
		if _, err := w.Write(nil); !errors.Is(err, ErrAborted) {
			t.Errorf("Write after Abort: %v", err)
		}
		if _, err := w.Commit(); !errors.Is(err, ErrAborted) {
			t.Errorf("Commit after Abort: %v", err)
		}
		wantNothing(t, s)
	}
}

func TestAbortAfterCommitDoesNothing(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(ChunkSize + 1)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	mustWrite(t, w, data)
	mustCommit(t, w)
	w.Abort(nil)
	wantBlob(t, s, Sum(data), data)
	if _, err := w.Write(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Commit: %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Commit: %v", err)
	}
	wantNoWriters(t, s)
}

func TestEndedContextEndsTheWriter(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3 * ChunkSize)
	ctx, cancel := context.WithCancelCause(t.Context())
	w, err := s.Create(ctx, Sum(data), int64(len(data)), testTime)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, w, data[:ChunkSize+1])
	stop := errors.New("stop")
	cancel(stop)
	_, err = w.Write(data[ChunkSize+1:])
	if err == nil {
		_, err = w.Commit()
	}
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	wantNothing(t, s)
}

func TestFirstOfTwoWritersOfOneDigestWins(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2*ChunkSize + 1)
	first := mustCreate(t, s, Sum(data), int64(len(data)))
	second, err := s.Create(t.Context(), Sum(data), int64(len(data)), testTime.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, first, data)
	mustWrite(t, second, data)
	one := mustCommit(t, first)
	if two := mustCommit(t, second); two != one {
		t.Errorf("second Commit: %+v, want %+v", two, one)
	}
	wantBlob(t, s, Sum(data), data)
	wantNoOrphans(t, s)
	if _, err := s.Put(t.Context(), data, testTime.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Stat(Sum(data)); info != one || err != nil {
		t.Errorf("after Put: %+v, %v; want %+v", info, err, one)
	}
	wantNoWriters(t, s)
}

func TestManyWritersOfOneDigest(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(ChunkSize + 1000)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := writeAll(s, t.Context(), Sum(data), int64(len(data)), data); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantBlob(t, s, Sum(data), data)
	wantNoOrphans(t, s)
	wantNoWriters(t, s)
}

// fakeDisk is a file system with so many bytes free.
type fakeDisk struct {
	mu   sync.Mutex
	free int64
}

func (f *fakeDisk) set(free int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = free
}

func (f *fakeDisk) get(string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.free, nil
}

func TestFullDiskIsRefusedBeforeItIsFull(t *testing.T) {
	const floor = 100 << 20
	disk := &fakeDisk{free: floor + 10}
	s := openTest(t, Options{FreeFloor: floor, free: disk.get})
	mustPut(t, s, testBytes(10))
	if _, err := s.Put(t.Context(), testBytes(11), testTime); !errors.Is(err, ErrNoSpace) {
		t.Errorf("Put: %v, want ErrNoSpace", err)
	}
	if _, err := s.Create(t.Context(), Digest{1}, 11, testTime); !errors.Is(err, ErrNoSpace) {
		t.Errorf("Create: %v, want ErrNoSpace", err)
	}
	wantNoWriters(t, s)
}

func TestWritersInProgressCountAgainstFreeSpace(t *testing.T) {
	const floor = 100 << 20
	disk := &fakeDisk{free: floor + 1000}
	s := openTest(t, Options{FreeFloor: floor, free: disk.get})
	w := mustCreate(t, s, Digest{1}, 600)
	if _, err := s.Create(t.Context(), Digest{2}, 600, testTime); !errors.Is(err, ErrNoSpace) {
		t.Errorf("second Create: %v, want ErrNoSpace", err)
	}
	w.Abort(nil)
	mustCreate(t, s, Digest{2}, 600).Abort(nil)
	wantNothing(t, s)
}

func TestDiskThatFillsUpEndsTheWriter(t *testing.T) {
	const floor = 100 << 20
	disk := &fakeDisk{free: 1 << 40}
	s := openTest(t, Options{FreeFloor: floor, free: disk.get})
	data := testBytes(4 * ChunkSize)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	mustWrite(t, w, data[:2*ChunkSize])
	disk.set(floor)
	_, err := w.Write(data[2*ChunkSize:])
	if err == nil {
		_, err = w.Commit()
	}
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	wantNothing(t, s)
}

func TestOpenOnAFullDiskIsRefused(t *testing.T) {
	disk := &fakeDisk{free: openFloor - 1}
	s, err := Open(t.TempDir(), Options{free: disk.get})
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	if err == nil {
		s.Close()
	}
}

func TestBlockedWritesAreTriedAgainUntilTheContextEnds(t *testing.T) {
	s := openTest(t, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	tries := 0
	err := s.write(ctx, func(*badger.Txn) error {
		if tries++; tries == 3 {
			cancel(stop)
		}
		return badger.ErrBlockedWrites
	})
	if !errors.Is(err, stop) || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestASecondWriterOfABlobLeavesNothingBehind(t *testing.T) {
	for _, size := range []int{1, ChunkSize, ChunkSize + 1, 2 * ChunkSize} {
		s := openTest(t, Options{})
		data := testBytes(size)
		first := mustCreate(t, s, Sum(data), int64(size))
		second := mustCreate(t, s, Sum(data), int64(size))
		mustWrite(t, first, data)
		mustWrite(t, second, data)
		mustCommit(t, first)
		mustCommit(t, second)
		wantBlob(t, s, Sum(data), data)
		wantNoOrphans(t, s)
		wantNoWriters(t, s)
	}
}
