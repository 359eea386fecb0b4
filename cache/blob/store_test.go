package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// boundSizes lie around every bound that the code has: threshold, piece, hold-back, chunk.
var boundSizes = []int{0, 1, 1023, 1024, 1025, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize,
	ChunkSize - 1, ChunkSize, ChunkSize + 1, ChunkSize + HoldBack, 2*ChunkSize - 1, 3*ChunkSize + 17}

func TestBlobsReadBackAsWritten(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	for _, size := range boundSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := testBytes(size)
			d := mustPut(t, s, data)
			if d != Sum(data) {
				t.Errorf("digest %v, want %v", d, Sum(data))
			}
			wantBlob(t, s, d, data)
			want := Info{Digest: d, Size: int64(size), Modified: testTime}
			if got, err := s.Stat(d); got != want || err != nil {
				t.Errorf("Stat: %+v, %v; want %+v", got, err, want)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	for _, size := range boundSizes {
		data := testBytes(size)
		wantBlob(t, s, Sum(data), data)
	}
}

func TestWritesOfAnySizeMakeTheSameBlob(t *testing.T) {
	s := openTest(t, Options{})
	for _, step := range []int{1000, pieceSize, ChunkSize - 1, ChunkSize, ChunkSize + 1, 4 * ChunkSize} {
		data := testBytes(3*ChunkSize + step)
		w := mustCreate(t, s, Sum(data), int64(len(data)))
		for rest := data; len(rest) > 0; {
			n := min(step, len(rest))
			mustWrite(t, w, rest[:n])
			rest = rest[n:]
		}
		if info := mustCommit(t, w); info.Size != int64(len(data)) || !info.Modified.Equal(testTime) {
			t.Errorf("step %d: Commit: %+v", step, info)
		}
		wantBlob(t, s, Sum(data), data)
	}
}

func TestReaderKeepsTheContractsOfIO(t *testing.T) {
	s := openTest(t, Options{})
	for _, size := range []int{0, 1, pieceSize + 1, 2*pieceSize + 1} {
		data := testBytes(size)
		r := mustOpen(t, s, mustPut(t, s, data))
		if err := iotest.TestReader(r, data); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestRangesGiveTheBytesOfTheRange(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2*ChunkSize + 12345)
	r := mustOpen(t, s, mustPut(t, s, data))
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		off := rnd.IntN(len(data))
		n := rnd.IntN(min(len(data)-off, 3*pieceSize) + 1)
		var got bytes.Buffer
		if c, err := r.WriteRange(&got, int64(off), int64(n)); c != int64(n) || err != nil {
			t.Fatalf("WriteRange(%d, %d): %d, %v", off, n, c, err)
		}
		if !bytes.Equal(got.Bytes(), data[off:off+n]) {
			t.Fatalf("WriteRange(%d, %d): other bytes", off, n)
		}
		p := make([]byte, n)
		if c, err := r.ReadAt(p, int64(off)); c != n || err != nil || !bytes.Equal(p, data[off:off+n]) {
			t.Fatalf("ReadAt(%d, %d): %d, %v", off, n, c, err)
		}
	}
}

func TestRangesOutsideTheBlobAreErrors(t *testing.T) {
	s := openTest(t, Options{})
	r := mustOpen(t, s, mustPut(t, s, testBytes(100)))
	for _, c := range []struct {
		off, n, written int64
		err             bool
	}{
		{0, 100, 100, false}, {100, 0, 0, false}, {0, 101, 100, true}, {100, 1, 0, true},
		{1000, 1, 0, true}, {-1, 1, 0, true}, {0, -1, 0, true},
	} {
		n, err := r.WriteRange(io.Discard, c.off, c.n)
		if n != c.written || (err != nil) != c.err {
			t.Errorf("WriteRange(%d, %d): %d, %v; want %d", c.off, c.n, n, err, c.written)
		}
	}
}

func TestWriteRangeStopsAtTheErrorOfTheClient(t *testing.T) {
	s := openTest(t, Options{})
	r := mustOpen(t, s, mustPut(t, s, testBytes(10*pieceSize)))
	gone := errors.New("client gone")
	var calls int
	n, err := r.WriteTo(writerFunc(func(p []byte) (int, error) {
		if calls++; calls == 3 {
			return 7, gone
		}
		return len(p), nil
	}))
	if n != 2*pieceSize+7 || !errors.Is(err, gone) || calls != 3 {
		t.Errorf("WriteTo: %d, %v after %d calls", n, err, calls)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestUnknownDigestIsNotFound(t *testing.T) {
	s := openTest(t, Options{})
	d := Sum([]byte("nothing"))
	_, statErr := s.Stat(d)
	_, openErr := s.Open(d)
	for _, err := range []error{statErr, openErr, s.Delete(t.Context(), d), s.Verify(t.Context(), d)} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
}

func TestClosedStoreRefusesEverything(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2 * ChunkSize)
	d := mustPut(t, s, data)
	r := mustOpen(t, s, d)
	w := mustCreate(t, s, Sum(data[1:]), int64(len(data)-1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, statErr := s.Stat(d)
	_, readErr := r.Read(make([]byte, 1))
	_, putErr := s.Put(t.Context(), data[2:], testTime)
	_, writeErr := w.Write(data[1:])
	if writeErr == nil {
		_, writeErr = w.Commit()
	}
	_, sweepErr := s.Sweep(t.Context())
	for i, err := range []error{statErr, readErr, putErr, writeErr, sweepErr, s.Sync(), s.Delete(t.Context(), d), s.Reclaim(t.Context())} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("call %d: got %v, want ErrClosed", i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestCloseWhileReadingGivesRightBytesOrErrClosed(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(4 * ChunkSize)
	d := mustPut(t, s, data)
	const readers = 8
	started, result := make(chan struct{}, readers), make(chan error, readers)
	for range readers {
		go func() {
			var err error
			for first := true; err == nil; first = false {
				err = readOnce(s, d, data)
				if first {
					started <- struct{}{}
				}
			}
			result <- err
		}()
	}
	for range readers {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range readers {
		if err := <-result; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}

func readOnce(s *Store, d Digest, want []byte) error {
	r, err := s.Open(d)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, want) {
		return errors.New("other bytes")
	}
	return err
}

func TestSecondOpenIsLockedAndNamesTheProcess(t *testing.T) {
	s := openTest(t, Options{})
	_, err := Open(s.dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v, want ErrLocked with process %d", err, os.Getpid())
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BLOB_TEST_CHILD=hold", "BLOB_TEST_DIR="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("open\n"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	in.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Options{})
}

func TestForeignDatabasesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, key, value, want string }{
		{"newer format", "m", "\x02\x00\x00\x00more", "format version 2 is not known"},
		{"no format row", "k", "v", "not a blob store"},
		{"broken format row", "m", "\x01\x00\x00\x00\x00", "format row of 5 bytes"},
		{"no epoch left", "m", "\x01\x00\x00\x00\xff\xff\xff\xff", "no epoch is left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			rawDatabase(t, dir, func(txn *badger.Txn) error { return txn.Set([]byte(c.key), []byte(c.value)) })
			s, err := Open(dir, Options{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			rawDatabase(t, dir, func(txn *badger.Txn) error {
				if _, err := txn.Get([]byte(c.key)); err != nil {
					t.Errorf("the database changed: %v", err)
				}
				return nil
			})
		})
	}
}

// rawDatabase does one transaction on the database in dir, behind the store's back.
func rawDatabase(t *testing.T, dir string, fn func(txn *badger.Txn) error) {
	t.Helper()
	db, err := badger.OpenManaged(databaseOptions(dir, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	txn := db.NewTransactionAt(1<<63, true)
	if err := errors.Join(fn(txn), txn.CommitAt(db.MaxVersion()+1, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryOpenStartsAnEpoch(t *testing.T) {
	dir := t.TempDir()
	seen := map[uint64]bool{}
	for i := range 3 {
		s := openAt(t, dir, Options{})
		d := mustPut(t, s, fmt.Appendf(nil, "blob %d", i))
		r, err := s.findRow(d)
		if err != nil || seen[r.id] {
			t.Errorf("data id %x again, %v", r.id, err)
		}
		seen[r.id] = true
		if err := s.Delete(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogGetsTheDatabasesMessages(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	l := &databaseLog{logger}
	l.Infof("quiet %d", 1)
	l.Warningf("loud %s\n", strings.Repeat("x", 10*maxMessage))
	got := out.String()
	if strings.Contains(got, "quiet") || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "loud") {
		t.Errorf("log: %s", got)
	}
	if len(got) > 2*maxMessage {
		t.Errorf("a message of %d bytes was not cut", len(got))
	}
	(&databaseLog{}).Errorf("discarded")
}

func TestErrorsDoNotCarryTheStoredBytes(t *testing.T) {
	s := openTest(t, Options{FileSize: 2 << 20})
	err := s.write(t.Context(), func(txn *badger.Txn) error { return txn.Set([]byte("k"), testBytes(3<<20)) })
	if err == nil || len(err.Error()) > 2*maxMessage {
		t.Errorf("got %v", err)
	}
}

func TestFileSizesThatCannotWorkAreRefused(t *testing.T) {
	for _, n := range []int64{-1, 1 << 20, 2 << 30} {
		if s, err := Open(t.TempDir(), Options{FileSize: n}); err == nil {
			s.Close()
			t.Errorf("%d was accepted", n)
		}
	}
}

func TestReadAllGivesTheWholeBlobWithinTheLimit(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(pieceSize + 1)
	d := mustPut(t, s, data)
	if got, err := s.ReadAll(t.Context(), d, int64(len(data))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := s.ReadAll(t.Context(), d, int64(len(data))-1); err == nil {
		t.Errorf("%d bytes beyond the limit", len(got))
	}
	if _, err := s.ReadAll(t.Context(), Digest{}, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestAllAndUsage(t *testing.T) {
	s := openTest(t, Options{})
	want := map[Digest]int64{}
	var wantBytes int64
	for i := range 2*iteratePage + 5 {
		b := fmt.Appendf(nil, "%0*d", i%50, i)
		want[mustPut(t, s, b)] = int64(len(b))
		wantBytes += int64(len(b))
	}
	got := map[Digest]int64{}
	var last Digest
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Compare(info.Digest[:], last[:]) <= 0 {
			t.Fatalf("%v after %v", info.Digest, last)
		}
		last, got[info.Digest] = info.Digest, info.Size
	}
	if len(got) != len(want) {
		t.Fatalf("All: %d blobs, want %d", len(got), len(want))
	}
	for d, size := range want {
		if got[d] != size {
			t.Errorf("%v: %d bytes, want %d", d, got[d], size)
		}
	}
	if n, b, err := s.Usage(t.Context()); n != len(want) || b != wantBytes || err != nil {
		t.Errorf("Usage: %d, %d, %v; want %d, %d", n, b, err, len(want), wantBytes)
	}
}

func TestAllEndsWithItsContextAndWithItsCaller(t *testing.T) {
	s := openTest(t, Options{})
	mustPut(t, s, []byte("one"))
	mustPut(t, s, []byte("two"))
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	for _, err := range s.All(ctx) {
		if !errors.Is(err, stop) {
			t.Errorf("got %v, want %v", err, stop)
		}
	}
	n := 0
	for range s.All(t.Context()) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d blobs after break", n)
	}
}

func TestParseDigest(t *testing.T) {
	d := Sum([]byte("x"))
	for _, s := range []string{d.String(), strings.ToUpper(d.String())} {
		if got, err := ParseDigest(s); got != d || err != nil {
			t.Errorf("ParseDigest(%q): %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", d.String()[1:], d.String() + "0", "g" + d.String()[1:]} {
		if got, err := ParseDigest(s); err == nil || got != (Digest{}) {
			t.Errorf("ParseDigest(%q): %v, %v; want an error", s, got, err)
		}
	}
}

func TestModificationTimeIsKeptInSeconds(t *testing.T) {
	s := openTest(t, Options{})
	for i, m := range []time.Time{{}, time.Unix(0, 0), testTime.Add(999 * time.Millisecond), testTime.In(time.FixedZone("", 3600))} {
		d, err := s.Put(t.Context(), []byte{byte(i)}, m)
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.Stat(d)
		if want := m.Truncate(time.Second).UTC(); !info.Modified.Equal(want) || info.Modified.Location() != time.UTC || err != nil {
			t.Errorf("got %v, %v; want %v", info.Modified, err, want)
		}
	}
}
