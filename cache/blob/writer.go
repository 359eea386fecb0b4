package blob

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"
)

const (
	// HoldBack is the number of bytes at the end of a blob (64 KiB) that nobody can read before Commit. A file of
	// which any part is missing fails its client's checks, so whoever follows a writer that turns out
	// wrong has nothing usable.
	HoldBack = 64 << 10

	// readStep is how much is read at a time, in bytes (256 KiB): it is still in the processor's cache when it is hashed.
	readStep = 256 << 10

	// dropTimeout is how long an abandoned writer tries to remove its chunks. Sweep removes what is left.
	dropTimeout = 10 * time.Second
)

// Writer stores one blob. Its methods belong to one goroutine; followers may be anywhere. It must end with Commit
// or Abort. It holds two chunks, or the blob where that is smaller: while one is stored the next is filled.
type Writer struct {
	store *Store
	ctx   context.Context // ends the writer
	want  Digest          // of a writer without a name: not before Commit
	named bool            // want is what the bytes must have, not what they turn out to have
	row   row             // of our own chunks
	hash  hash.Hash       // SHA-256 of everything written; nil where the caller computed want from the bytes

	pending chan error // the result of storing the chunk on its way; nil = none

	// mu guards the fields below. Only the writer's goroutine changes them, and it reads them without.
	mu      sync.RWMutex
	stored  int64         // bytes of the blob that are in the database
	storing []byte        // the chunk after them, on its way there; empty = none
	chunk   []byte        // the bytes so far of the chunk after that
	state   writerState   // working, or how it ended
	final   row           // where the bytes are once committed
	err     error         // why it was aborted
	wake    chan struct{} // closed at the next change, nil while nobody waits
}

type writerState int

const (
	working writerState = iota
	committed
	aborted
)

// Create starts a blob of which digest and size are known, with size 0 <= size <= MaxSize. The modification time is
// kept in whole seconds. When ctx ends, writing fails. The error is ErrNoSpace where size would leave less than
// the floor of free space.
func (s *Store) Create(ctx context.Context, want Digest, size int64, modified time.Time) (*Writer, error) {
	w, err := s.newWriter(ctx, want, size, modified)
	if err != nil {
		return nil, fmt.Errorf("creating blob %v: %w", want, err)
	}
	w.hash, w.named = sha256.New(), true
	// An empty blob needs no Write and no waiting, so it has to be right from the start.
	if size == 0 {
		if err := w.check(); err != nil {
			return nil, w.fail(err)
		}
	}
	return w, nil
}

// CreateUnnamed starts a blob of which only the size is known: Commit names it by what was written. That these are the
// right bytes the caller knows by other means, before Commit. Nobody can follow such a writer.
func (s *Store) CreateUnnamed(ctx context.Context, size int64, modified time.Time) (*Writer, error) {
	w, err := s.newWriter(ctx, Digest{}, size, modified)
	if err != nil {
		return nil, fmt.Errorf("creating a blob: %w", err)
	}
	w.hash = sha256.New()
	return w, nil
}

func (s *Store) newWriter(ctx context.Context, want Digest, size int64, modified time.Time) (*Writer, error) {
	r := row{size: size, chunkSize: ChunkSize, modified: modified.Unix()}
	if size < 0 || size > MaxSize {
		return nil, fmt.Errorf("size %d is not between 0 and %d", size, int64(MaxSize))
	}
	id, err := s.begin(size)
	if err != nil {
		return nil, err
	}
	r.id = id
	return &Writer{store: s, ctx: ctx, want: want, row: r, chunk: newChunk(size)}, nil
}

func (w *Writer) written() int64 { return w.stored + int64(len(w.storing)+len(w.chunk)) }

// Write adds p. Followers can read it when Write returns, but for the bytes held back. Any error ends the writer,
// as Abort does; bytes beyond the declared size are a MismatchError.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	if total := w.written() + int64(len(p)); total > w.row.size {
		return 0, w.fail(&MismatchError{Want: w.want, WantSize: w.row.size, GotSize: total})
	}
	if w.hash != nil {
		w.hash.Write(p)
	}
	for n := 0; n < len(p); {
		room, err := w.room()
		if err != nil {
			return n, w.fail(err)
		}
		c := copy(room, p[n:])
		w.grow(c)
		n += c
	}
	return len(p), nil
}

// ReadFrom writes what r has, to its end, without copying it on the way. An error of r it returns as it is; the writer may be given
// the rest from elsewhere then.
func (w *Writer) ReadFrom(r io.Reader) (total int64, err error) {
	for err == nil {
		var n int
		n, err = w.readStep(r)
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

func (w *Writer) readStep(r io.Reader) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	room, err := w.room()
	if err != nil {
		return 0, w.fail(err)
	}
	if left := w.row.size - w.written(); left == 0 {
		return 0, w.wantEnd(r)
	} else if left < int64(len(room)) {
		room = room[:left]
	}
	n, err := r.Read(room[:min(len(room), readStep)])
	if w.hash != nil {
		w.hash.Write(room[:n])
	}
	w.grow(n)
	return n, err
}

// wantEnd is called when all declared bytes are there.
func (w *Writer) wantEnd(r io.Reader) error {
	var surplus [1]byte
	n, err := r.Read(surplus[:])
	if n > 0 {
		return w.fail(&MismatchError{Want: w.want, WantSize: w.row.size, GotSize: w.row.size + 1})
	}
	return err
}

func (w *Writer) usable() error {
	switch w.state {
	case committed:
		return fmt.Errorf("writing blob %v: %w", w.want, ErrClosed)
	case aborted:
		return w.err
	}
	return nil
}

// Commit makes the blob exist. The error is a MismatchError where digest or size are not the declared ones; after any
// error the blob does not exist because of this writer. Where the blob exists already, the older one stays and is returned.
// Commit does not wait for the disk: see Store.Sync.
func (w *Writer) Commit() (Info, error) {
	if err := w.usable(); err != nil {
		return Info{}, err
	}
	if err := w.check(); err != nil {
		return Info{}, w.fail(err)
	}
	if err := w.settle(); err != nil {
		return Info{}, w.fail(err)
	}
	final, err := w.storeRow()
	if err != nil {
		return Info{}, w.fail(err)
	}
	w.end(committed, final, nil)
	return final.info(w.want), nil
}

func (w *Writer) check() error {
	if n := w.written(); n != w.row.size {
		return &MismatchError{Want: w.want, WantSize: w.row.size, GotSize: n}
	}
	if w.hash == nil {
		return nil
	}
	got := Digest(w.hash.Sum(nil))
	if !w.named {
		w.want = got
	}
	if got != w.want {
		return &MismatchError{Want: w.want, Got: got, WantSize: w.row.size, GotSize: w.row.size}
	}
	return nil
}

// Abort gives up: the blob does not exist because of this writer, and followers get err, or ErrAborted where err is nil.
// After Commit or Abort it does nothing.
func (w *Writer) Abort(err error) {
	if w.state != working {
		return
	}
	if err == nil {
		err = ErrAborted
	}
	w.end(aborted, row{}, err)
}

func (w *Writer) fail(err error) error {
	err = fmt.Errorf("writing blob %v: %w", w.want, err)
	w.Abort(err)
	return err
}

// end tells the followers and cleans up. Our own chunks go unless the final row names them.
func (w *Writer) end(state writerState, final row, err error) {
	storing, chunk := w.storing, w.chunk
	w.mu.Lock()
	w.state, w.final, w.err = state, final, err
	w.storing, w.chunk = nil, nil
	w.wakeFollowers()
	w.mu.Unlock()

	sent := w.stored
	if w.pending != nil && <-w.pending == nil {
		sent += int64(len(storing))
	}
	recycleChunk(storing)
	recycleChunk(chunk)
	if final.id == w.row.id {
		sent = w.row.size
	} else {
		w.dropChunks((sent + ChunkSize - 1) / ChunkSize)
	}
	w.store.finish(w.row.id, w.row.size-sent)
}

func (w *Writer) dropChunks(n int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), dropTimeout)
	defer cancel()
	// What stays is an orphan for Sweep; the caller has an error of its own already.
	_ = w.store.deleteChunks(ctx, w.row.id, n)
}

// wakeFollowers is called with mu held.
func (w *Writer) wakeFollowers() {
	if w.wake != nil {
		close(w.wake)
		w.wake = nil
	}
}

// testingOnlyReached is called at named points, so that a test can kill the process there.
var testingOnlyReached func(point string)

func reached(point string) {
	if testingOnlyReached != nil {
		testingOnlyReached(point)
	}
}
