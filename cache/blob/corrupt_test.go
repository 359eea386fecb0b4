package blob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func wantCorrupt(t *testing.T, err error, d Digest) {
	t.Helper()
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Digest != d {
		t.Errorf("got %v, want a CorruptError for %v", err, d)
	}
}

// flip changes one bit of the n-th byte of part where part lies in the store's value log.
func flip(dir string, part []byte, n int) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if at := bytes.Index(text, part); at >= 0 {
			return writeAt(name, []byte{text[at+n] ^ 4}, int64(at+n))
		}
	}
	return errors.New("not found in the value log")
}

func writeAt(name string, b []byte, off int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, off)
	return errors.Join(err, f.Close())
}

func TestFlippedBitIsFoundWhereverItIs(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
	}{
		{"first byte", 0}, {"last byte of a piece", pieceSize - 1}, {"later piece", 5*pieceSize + 17}, {"checksum", ChunkSize + 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openTest(t, Options{})
			data := testBytes(2*ChunkSize + 5)
			d := mustPut(t, s, data)
			if err := flip(s.dir, data[:1000], c.at); err != nil {
				t.Fatal(err)
			}
			r := mustOpen(t, s, d)
			var got bytes.Buffer
			_, err := r.WriteTo(&got)
			wantCorrupt(t, err, d)
			if !bytes.HasPrefix(data, got.Bytes()) {
				t.Error("wrong bytes came out")
			}
			wantCorrupt(t, s.Verify(t.Context(), d), d)
			if n, err := r.ReadAt(make([]byte, 10), ChunkSize); n != 10 || err != nil {
				t.Errorf("the sound chunk: %d, %v", n, err)
			}
		})
	}
}

func TestDamageWhileClosedIsFound(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: 2 << 20}
	s := openAt(t, dir, o)
	bad, good := testBytes(3*ChunkSize), testBytes(3*ChunkSize+1)
	mustPut(t, s, bad)
	mustPut(t, s, good)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := flip(dir, bad[ChunkSize:ChunkSize+100], 50); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, o)
	wantCorrupt(t, s.Verify(t.Context(), Sum(bad)), Sum(bad))
	wantBlob(t, s, Sum(good), good)
	// Deleted and stored again it is whole.
	if err := s.Delete(t.Context(), Sum(bad)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, bad)
	wantBlob(t, s, Sum(bad), bad)
}

func TestChunkOfAnotherKeyIsNotTaken(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(3 * ChunkSize)
	d := mustPut(t, s, data)
	r, err := s.findRow(d)
	if err != nil {
		t.Fatal(err)
	}
	// What badger would return if a pointer of its key tree led to a neighbour.
	one := append(make([]byte, 0, sealedSize(ChunkSize)), data[ChunkSize:2*ChunkSize]...)
	setRaw(t, s, chunkKey(r.id, 2), sealChunk(chunkKey(r.id, 1), one))
	wantCorrupt(t, s.Verify(t.Context(), d), d)
}

func TestMissingAndEmptyChunksAreDamage(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(2 * ChunkSize)
	d := mustPut(t, s, data)
	r, err := s.findRow(d)
	if err != nil {
		t.Fatal(err)
	}
	setRaw(t, s, chunkKey(r.id, 1), nil)
	wantCorrupt(t, s.Verify(t.Context(), d), d)
	if err := s.deleteChunks(t.Context(), r.id, 2); err != nil {
		t.Fatal(err)
	}
	wantCorrupt(t, s.Verify(t.Context(), d), d)
}

func TestUnreadableRowIsReportedAndCanBeDeleted(t *testing.T) {
	s := openTest(t, Options{})
	whole := testBytes(5)
	mustPut(t, s, whole)
	d := mustPut(t, s, testBytes(10))
	setRaw(t, s, rowKey(d), []byte("nonsense"))
	_, err := s.Stat(d)
	wantCorrupt(t, err, d)
	seen := 0
	for info, err := range s.All(t.Context()) {
		if seen++; info.Digest == d {
			wantCorrupt(t, err, d)
		} else if err != nil {
			t.Error(err)
		}
	}
	if seen != 2 {
		t.Errorf("All gave %d blobs", seen)
	}
	if _, err := s.Sweep(t.Context()); err == nil {
		t.Error("Sweep ran although a row cannot be read")
	}
	if err := s.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep: %d, %v; want 1", n, err)
	}
	wantBlob(t, s, Sum(whole), whole)
}

func TestRowsWithWrongSHA256AreFoundByVerify(t *testing.T) {
	s := openTest(t, Options{})
	d := mustPut(t, s, testBytes(100))
	r, err := s.findRow(d)
	if err != nil {
		t.Fatal(err)
	}
	lie := Sum([]byte("other"))
	setRaw(t, s, rowKey(lie), r.encode())
	wantCorrupt(t, s.Verify(t.Context(), lie), lie)
}

// Damage to badger's own structures can leave its locks and goroutines behind, so it happens in a process of its own.
func TestDamageBelowTheDatabaseIsAnErrorNotACrash(t *testing.T) {
	for _, damage := range []string{"truncate", "header", "remove"} {
		t.Run(damage, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), "BLOB_TEST_CHILD=damage", "BLOB_TEST_POINT="+damage, "BLOB_TEST_DIR="+t.TempDir())
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func damageChild(dir, damage string) error {
	s, err := Open(dir, Options{FileSize: 2 << 20})
	if err != nil {
		return err
	}
	bad, good := testBytes(2*ChunkSize), testBytes(3*ChunkSize)
	for _, b := range [][]byte{bad, good} {
		if _, err := s.Put(ctxForChild, b, testTime); err != nil {
			return err
		}
	}
	if err := damageFirstFile(dir, damage); err != nil {
		return err
	}
	for range 2 {
		var corrupt *CorruptError
		if err := s.Verify(ctxForChild, Sum(bad)); damage != "remove" && !errors.As(err, &corrupt) {
			return fmt.Errorf("damaged blob: %v", err)
		}
	}
	if err := s.Verify(ctxForChild, Sum(good)); err != nil {
		return fmt.Errorf("sound blob: %v", err)
	}
	if err := s.Reclaim(ctxForChild); err == nil && damage != "remove" {
		return errors.New("Reclaim did not refuse")
	}
	s.Close() // may say that it could not finish, but must return
	return checkAfterDamage(dir, Sum(bad), Sum(good))
}

// damageFirstFile damages the value-log file that holds the first blob and nothing else.
func damageFirstFile(dir, damage string) error {
	name := filepath.Join(dir, "000001.vlog")
	switch damage {
	case "truncate": // the mapping stays: reading behind the first page is a SIGBUS
		return os.Truncate(name, int64(os.Getpagesize()))
	case "header": // lengths of key and value that do not fit
		return writeAt(name, binary.AppendUvarint(binary.AppendUvarint([]byte{0, 0}, 1<<31), 1<<31-5), 20)
	}
	return os.Remove(name)
}

// checkAfterDamage opens a copy, because Close may not have come to releasing the lock.
func checkAfterDamage(dir string, bad, good Digest) error {
	to := dir + "-copy"
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		return err
	}
	defer os.RemoveAll(to)
	s, err := Open(to, Options{FileSize: 2 << 20})
	if err != nil {
		return err
	}
	var corrupt *CorruptError
	if err := s.Verify(ctxForChild, bad); !errors.As(err, &corrupt) {
		return fmt.Errorf("damaged blob after restart: %v", err)
	}
	if err := s.Verify(ctxForChild, good); err != nil {
		return fmt.Errorf("sound blob after restart: %v", err)
	}
	return nil
}

func FuzzDecodeRow(f *testing.F) {
	f.Add(row{id: 1, size: 5, chunkSize: ChunkSize, modified: -5}.encode())
	f.Add(make([]byte, rowSize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRow(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.encode(), b) {
			t.Errorf("%x reads as %+v, which writes %x", b, r, r.encode())
		}
		if n := r.chunks(); n < 0 || n > 0 && (r.chunkLen(n-1) <= 0 || r.chunkLen(n-1) > r.chunkSize) || n >= 1<<32 {
			t.Errorf("%+v has %d chunks", r, n)
		}
	})
}

func FuzzDecodeFormat(f *testing.F) {
	f.Add(encodeFormat(3))
	f.Add([]byte{2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if epoch, err := decodeFormat(b); err == nil && !bytes.Equal(encodeFormat(epoch), b) {
			t.Errorf("%x reads as %d", b, epoch)
		}
	})
}

// FuzzCopyChecked changes a sealed chunk and wants either the right bytes or an error.
func FuzzCopyChecked(f *testing.F) {
	f.Add(uint32(100), uint32(50), byte(1), 0, uint16(10))
	f.Add(uint32(pieceSize+1), uint32(pieceSize), byte(0), 0, uint16(1))
	f.Add(uint32(3*pieceSize), uint32(2*pieceSize), byte(255), -1, uint16(1))
	key := chunkKey(5, 6)
	data := testBytes(3*pieceSize + 100)
	f.Fuzz(func(t *testing.T, size, at uint32, change byte, grow int, want uint16) {
		n := 1 + int(size)%len(data)
		value := sealChunk(key, bytes.Clone(data[:n]))
		value[int(at)%len(value)] ^= change
		if grow = max(-len(value), min(grow%10, 10)); grow < 0 {
			value = value[:len(value)+grow]
		} else {
			value = append(value, make([]byte, grow)...)
		}
		off := int(at) % n
		p := make([]byte, min(int(want), n-off))
		err := copyChecked(p, value, key, int64(n), int64(off))
		if err == nil && !bytes.Equal(p, data[off:off+len(p)]) {
			t.Error("wrong bytes came out")
		}
		if err != nil && (!errors.Is(err, errUnreadable) || change == 0 && grow == 0) {
			t.Error(err)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	f.Add(Sum(nil).String())
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err != nil {
			return
		}
		if back, err := ParseDigest(d.String()); back != d || err != nil {
			t.Errorf("%q: %v, %v", s, back, err)
		}
	})
}

var _ io.ReadSeekCloser = (*Follower)(nil)
