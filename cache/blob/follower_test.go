package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
)

// wantVisible checks which bytes a follower could read now without waiting.
func wantVisible(t *testing.T, w *Writer, end int64) {
	t.Helper()
	if end > 0 {
		if v, wake, err := w.look(end - 1); wake != nil || err != nil || v.end != end {
			t.Errorf("byte %d: waits %v, %v, end %d; want end %d", end-1, wake != nil, err, v.end, end)
		}
	}
	if end < w.row.size {
		if _, wake, err := w.look(end); wake == nil || err != nil {
			t.Errorf("byte %d can be read, or %v", end, err)
		}
	}
}

func TestFollowerSeesBytesWhenWriteReturns(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3*ChunkSize + HoldBack)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	f := w.Follow(t.Context())
	wantVisible(t, w, 0)
	for off := 0; off < 3*ChunkSize; {
		n := min(77777, 3*ChunkSize-off)
		mustWrite(t, w, data[off:off+n])
		off += n
		wantVisible(t, w, int64(off))
		got := make([]byte, n)
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, data[off-n:off]) {
			t.Fatalf("at %d: other bytes, %v", off, err)
		}
	}
	w.Abort(nil)
}

func TestWriteWakesFollowersThatWait(t *testing.T) {
	s := openTest(t, Options{})
	w := mustCreate(t, s, Digest{1}, ChunkSize)
	defer w.Abort(nil)
	_, wake, err := w.look(0)
	if wake == nil || err != nil {
		t.Fatalf("nothing to wait for, %v", err)
	}
	mustWrite(t, w, []byte{1})
	select {
	case <-wake:
	default:
		t.Error("still waiting after Write")
	}
}

func TestFollowerLooksAgainWhereItsChunksWent(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3 * ChunkSize)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	mustWrite(t, w, data)
	before, err := w.await(t.Context(), 0)
	if err != nil || before.stored == 0 {
		t.Fatalf("%+v, %v; want a stored chunk", before, err)
	}
	mustPut(t, s, data)
	mustCommit(t, w) // drops the chunks that before names
	p := make([]byte, 10)
	_, err = w.copyFrom(before, p, 0)
	wantCorrupt(t, err, Sum(data))
	if !w.changedSince(before, err) {
		t.Error("takes what it found for damage")
	}
	now, err := w.await(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.copyFrom(now, p, 0); n != len(p) || err != nil || !bytes.Equal(p, data[:len(p)]) {
		t.Errorf("looking again: %d, %v", n, err)
	}
}

func TestLastBytesAreHeldBackUntilCommit(t *testing.T) {
	for _, size := range []int{1, HoldBack - 1, HoldBack, HoldBack + 1, ChunkSize, ChunkSize + 1, ChunkSize + HoldBack, 3*ChunkSize + 1} {
		s := openTest(t, Options{})
		data := testBytes(size)
		w := mustCreate(t, s, Sum(data), int64(size))
		mustWrite(t, w, data)
		wantVisible(t, w, int64(max(0, size-HoldBack)))
		mustCommit(t, w)
		wantVisible(t, w, int64(size))
		got, err := io.ReadAll(w.Follow(t.Context()))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("size %d: other bytes after Commit, %v", size, err)
		}
	}
}

func TestHeldBackBytesNeverComeOutOfALie(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(ChunkSize + 2*HoldBack)
	w := mustCreate(t, s, Sum([]byte("the truth")), int64(len(data)))
	f := w.Follow(t.Context())
	var got bytes.Buffer
	done := make(chan error)
	go func() {
		_, err := f.WriteTo(&got)
		done <- err
	}()
	mustWrite(t, w, data)
	if _, err := w.Commit(); err == nil {
		t.Fatal("Commit accepted other bytes")
	}
	err := <-done
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Errorf("follower: %v, want a MismatchError", err)
	}
	if got.Len() > len(data)-HoldBack {
		t.Errorf("%d of %d bytes came out", got.Len(), len(data))
	}
	wantNothing(t, s)
}

func TestManyFollowersOfASlowWriter(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(4*ChunkSize + 321)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	var all sync.WaitGroup
	for i := range 16 {
		f := w.Follow(t.Context())
		all.Go(func() {
			defer f.Close()
			off := int64(i) * ChunkSize / 4
			if _, err := f.Seek(off, io.SeekStart); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(struct{ io.Reader }{f})
			if err != nil || !bytes.Equal(got, data[off:]) {
				t.Errorf("follower %d: %d bytes, other ones, %v", i, len(got), err)
			}
		})
	}
	for rest := data; len(rest) > 0; {
		n := min(10000, len(rest))
		mustWrite(t, w, rest[:n])
		rest = rest[n:]
	}
	mustCommit(t, w)
	all.Wait()
}

func TestFollowersGetTheReasonOfAbort(t *testing.T) {
	s := openTest(t, Options{})
	for _, reason := range []error{nil, errors.New("upstream went away")} {
		w := mustCreate(t, s, Digest{1}, 3*ChunkSize)
		f := w.Follow(t.Context())
		got := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, f)
			got <- err
		}()
		mustWrite(t, w, testBytes(ChunkSize+5))
		w.Abort(reason)
		want := reason
		if want == nil {
			want = ErrAborted
		}
		if err := <-got; !errors.Is(err, want) {
			t.Errorf("waiting follower: %v, want %v", err, want)
		}
		if _, err := w.Follow(t.Context()).Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("later follower: %v, want %v", err, want)
		}
	}
	wantNothing(t, s)
}

func TestFollowerStopsWaitingWithItsContext(t *testing.T) {
	s := openTest(t, Options{})
	w := mustCreate(t, s, Digest{1}, ChunkSize)
	defer w.Abort(nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	f := w.Follow(ctx)
	got := make(chan error)
	go func() {
		_, err := f.Read(make([]byte, 1))
		got <- err
	}()
	stop := errors.New("client went away")
	cancel(stop)
	if err := <-got; !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
}

func TestFollowerOfASecondWriterReadsTheFirstOnesBlob(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3 * ChunkSize)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	f := w.Follow(t.Context())
	mustWrite(t, w, data)
	if _, err := io.ReadFull(f, make([]byte, ChunkSize/2)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, data)
	mustCommit(t, w)
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, data[ChunkSize/2:]) {
		t.Errorf("%d bytes, other ones, %v", len(got), err)
	}
	wantNoOrphans(t, s)
}

func TestFollowerOfADeletedBlobEndsInAnError(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2 * ChunkSize)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	f := w.Follow(t.Context())
	mustWrite(t, w, data)
	mustCommit(t, w)
	if err := s.Delete(t.Context(), Sum(data)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, f); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestFollowerKeepsTheContractsOfIO(t *testing.T) {
	s := openTest(t, Options{})
	for _, size := range []int{0, 1, pieceSize + 1, 2*pieceSize + 1} {
		data := testBytes(size)
		w := mustCreate(t, s, Sum(data), int64(size))
		mustWrite(t, w, data)
		mustCommit(t, w)
		f := w.Follow(t.Context())
		if err := iotest.TestReader(f, data); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		if info := f.Info(); info.Size != int64(size) || info.Digest != Sum(data) {
			t.Errorf("Info: %+v", info)
		}
		var part bytes.Buffer
		if n, err := f.WriteRange(&part, 0, int64(size)); n != int64(size) || err != nil || !bytes.Equal(part.Bytes(), data) {
			t.Errorf("size %d: WriteRange: %d, %v", size, n, err)
		}
		if _, err := f.WriteRange(&part, 0, int64(size)+1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("size %d: WriteRange beyond the end: %v", size, err)
		}
	}
}
