package blob

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// writebackStep is after how many bytes of chunks (8 MiB) the kernel is asked to begin with writing them to disk.
	writebackStep = 8 << 20

	// syncFileRangeWrite is SYNC_FILE_RANGE_WRITE: begin, and wait for nothing.
	syncFileRangeWrite = 2
)

// writeback lets the disk work while chunks are made. On its own the kernel begins half a minute or some GiB later, so that all
// of it would be left to Sync, and to the pause in which the database changes to its next value-log file. What is done here is
// advice and has no errors: that bytes are on disk, Sync alone says, and it gets the errors of pages written before.
type writeback struct {
	dir      string
	fileSize int64        // bytes; the database keeps the file it writes to at twice that
	waiting  atomic.Int64 // bytes stored since the kernel was asked last

	work    sync.WaitGroup
	running sync.Mutex // held by the one goroutine that asks
	file    int        // number of the value-log file that was asked for last; guarded by running
}

// due counts n more bytes and says whether it is time to ask.
func (w *writeback) due(n int64) bool {
	if w.waiting.Add(n) < writebackStep {
		return false
	}
	w.waiting.Store(0)
	return true
}

// start asks in a goroutine of its own, unless one is asking: a congested disk can make that wait.
func (w *writeback) start() {
	if !w.running.TryLock() {
		return
	}
	w.work.Go(func() {
		defer w.running.Unlock()
		w.ask()
	})
}

// ask looks for the newest file once the one of the last time is full or gone. The end of a full one was written when the
// database left it.
func (w *writeback) ask() {
	if info, err := os.Stat(valueLog(w.dir, w.file)); err != nil || info.Size() < 2*w.fileSize {
		w.file = newestValueLog(w.dir)
	}
	f, err := os.OpenFile(valueLog(w.dir, w.file), os.O_RDWR, 0)
	if err != nil {
		return // Reclaim removed it, or there is none yet
	}
	defer f.Close()
	_ = syscall.SyncFileRange(int(f.Fd()), 0, 0, syncFileRangeWrite)
}

// newestValueLog returns the highest number of a value-log file, 0 where there is none.
func newestValueLog(dir string) (newest int) {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.vlog"))
	for _, p := range paths {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(p), "%d.vlog", &n); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

func valueLog(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.vlog", number))
}

// startWriteback is called after n bytes of chunks were stored.
func (s *Store) startWriteback(n int64) {
	if !s.writeback.due(n) {
		return
	}
	s.gate.RLock() // Close waits for what starts before it
	defer s.gate.RUnlock()
	if !s.closed {
		s.writeback.start()
	}
}
