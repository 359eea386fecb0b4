package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadFromStoresWhatAReaderHas(t *testing.T) {
	for _, size := range []int{0, 1, readStep, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3*ChunkSize + 7} {
		for name, reader := range map[string]func([]byte) io.Reader{
			"at once":     func(b []byte) io.Reader { return bytes.NewReader(b) },
			"in halves":   func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
			"with an end": func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
		} {
			t.Run(fmt.Sprint(size, " ", name), func(t *testing.T) {
				s := openTest(t, Options{})
				data := testBytes(size)
				w := mustCreate(t, s, Sum(data), int64(size))
				if n, err := w.ReadFrom(reader(data)); n != int64(size) || err != nil {
					t.Fatalf("ReadFrom: %d, %v", n, err)
				}
				mustCommit(t, w)
				wantBlob(t, s, Sum(data), data)
				wantNoOrphans(t, s)
			})
		}
	}
}

func TestReadFromGoesOnAfterABrokenReader(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2*ChunkSize + 9)
	w := mustCreate(t, s, Sum(data), int64(len(data)))
	broken := errors.New("broken")
	n, err := w.ReadFrom(io.MultiReader(bytes.NewReader(data[:ChunkSize+3]), iotest.ErrReader(broken)))
	if n != ChunkSize+3 || err != broken {
		t.Fatalf("ReadFrom: %d, %v", n, err)
	}
	mustWrite(t, w, data[n:n+10])
	if _, err := w.ReadFrom(bytes.NewReader(data[n+10:])); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, w)
	wantBlob(t, s, Sum(data), data)
}

func TestReadFromRefusesSurplus(t *testing.T) {
	for _, size := range []int{0, 5000, ChunkSize, 2*ChunkSize + 5} {
		s := openTest(t, Options{})
		data := testBytes(size + 1)
		w := mustCreate(t, s, Sum(data[:size]), int64(size))
		var mismatch *MismatchError
		if n, err := w.ReadFrom(bytes.NewReader(data)); n != int64(size) || !errors.As(err, &mismatch) || mismatch.GotSize != int64(size)+1 {
			t.Errorf("size %d: ReadFrom: %d, %v", size, n, err)
		}
		wantNothing(t, s)
	}
}
