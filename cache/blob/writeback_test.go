package blob

import (
	"os"
	"testing"
)

func TestWritebackFollowsTheFileThatIsWrittenTo(t *testing.T) {
	const size = 1 << 20
	w := &writeback{dir: t.TempDir(), fileSize: size}
	file := func(number int, bytes int64) {
		if err := os.WriteFile(valueLog(w.dir, number), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(valueLog(w.dir, number), bytes); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		what   string
		change func()
		want   int
	}{
		{"no file", func() {}, 0},
		{"files of earlier", func() { file(7, size); file(12, 2*size) }, 12},
		{"still being written", func() { file(13, 2*size) }, 12},
		{"full, and the next gone already", func() { file(12, size+10); file(13, size); file(1000001, 2*size) }, 1000001},
		{"removed", func() { os.Remove(valueLog(w.dir, 1000001)) }, 13},
	} {
		c.change()
		if w.ask(); w.file != c.want {
			t.Errorf("%s: file %d, want %d", c.what, w.file, c.want)
		}
	}
}

func TestWritebackIsDueOncePerStep(t *testing.T) {
	w := &writeback{}
	var due int
	for range 4 * writebackStep / ChunkSize {
		if w.due(ChunkSize) {
			due++
		}
	}
	if due != 4 {
		t.Errorf("%d times, want 4", due)
	}
}

// The names and sizes that writeback relies on are the database's.
func TestWritebackFindsTheDatabasesFile(t *testing.T) {
	s := openTest(t, Options{FileSize: 4 << 20})
	for i := range 4 {
		mustPut(t, s, append(testBytes(3<<20), byte(i)))
		s.writeback.running.Lock()
		s.writeback.ask()
		got := s.writeback.file
		s.writeback.running.Unlock()
		info, err := os.Stat(valueLog(s.dir, got))
		if err != nil || info.Size() < 2*s.writeback.fileSize || got != newestValueLog(s.dir) {
			t.Errorf("after %d blobs it looks at file %d: %v", i+1, got, err)
		}
	}
	if got := newestValueLog(s.dir); got < 2 {
		t.Errorf("the newest file is %d: the database did not change to another", got)
	}
}
