package blob

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	return openAt(t, t.TempDir(), o)
}

func openAt(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// testBytes returns n bytes in which no two pieces are equal.
func testBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func mustPut(t testing.TB, s *Store, b []byte) Digest {
	t.Helper()
	d, err := s.Put(t.Context(), b, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustCreate(t testing.TB, s *Store, d Digest, size int64) *Writer {
	t.Helper()
	w, err := s.Create(t.Context(), d, size, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mustWrite(t testing.TB, w *Writer, b []byte) {
	t.Helper()
	if n, err := w.Write(b); n != len(b) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func mustCommit(t testing.TB, w *Writer) Info {
	t.Helper()
	info, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mustOpen(t testing.TB, s *Store, d Digest) *Reader {
	t.Helper()
	r, err := s.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantBlob(t testing.TB, s *Store, d Digest, want []byte) {
	t.Helper()
	got, err := io.ReadAll(mustOpen(t, s, d))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("blob %v: %d bytes that differ from the %d written", d, len(got), len(want))
	}
	if err := s.Verify(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}
