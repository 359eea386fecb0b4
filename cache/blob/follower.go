package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Follower reads a blob while it is written: an io.ReadSeekCloser over its whole declared size. Where bytes are not
// there yet, or held back, it waits for them, for Commit or for Abort, whose error it returns. It belongs to one
// goroutine, and may be read after the writer ended.
type Follower struct {
	w      *Writer
	ctx    context.Context
	off    int64
	closed bool
}

// Follow starts a follower at offset 0. It gives up waiting when ctx ends. It may be called from any goroutine, at
// any time.
func (w *Writer) Follow(ctx context.Context) *Follower {
	return &Follower{w: w, ctx: ctx}
}

// Info returns what the writer was told. The blob need not exist yet, or ever.
func (f *Follower) Info() Info { return f.w.row.info(f.w.want) }

// Read waits until at least one byte can be read.
func (f *Follower) Read(p []byte) (int, error) {
	if f.closed {
		return 0, ErrClosed
	}
	if f.off >= f.w.row.size {
		return 0, io.EOF
	}
	n, err := f.w.readAt(f.ctx, p, f.off)
	f.off += int64(n)
	return n, err
}

// Seek sets the offset of the next Read. It never waits.
func (f *Follower) Seek(offset int64, whence int) (int64, error) {
	if f.closed {
		return 0, ErrClosed
	}
	off, err := seek(f.off, f.w.row.size, offset, whence)
	if err == nil {
		f.off = off
	}
	return off, err
}

// WriteTo writes everything from the offset on, as it comes.
func (f *Follower) WriteTo(to io.Writer) (int64, error) {
	return f.WriteRange(to, f.off, max(0, f.w.row.size-f.off))
}

// WriteRange writes the n bytes at off to w as they come, and leaves the offset behind them. A range that
// does not lie within the blob ends in io.ErrUnexpectedEOF.
func (f *Follower) WriteRange(to io.Writer, off, n int64) (int64, error) {
	if f.closed {
		return 0, ErrClosed
	}
	done, err := copyRange(to, off, n, f.w.row.size, func(p []byte, off int64) (int, error) {
		return f.w.readAt(f.ctx, p, off)
	})
	f.off = off + done
	return done, err
}

// Close never fails and does not touch the writer.
func (f *Follower) Close() error {
	f.closed = true
	return nil
}

// readAt waits until the byte at off may be read and returns as many as there are then. off is below the size.
func (w *Writer) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		v, err := w.await(ctx, off)
		if err != nil {
			return 0, err
		}
		n, err := w.copyFrom(v, p, off)
		if n > 0 || !w.changedSince(v, err) {
			return n, err
		}
	}
}

// view is what a follower saw of its writer.
type view struct {
	state  writerState
	row    row
	stored int64 // bytes that are in the database
	end    int64 // bytes that may be read
}

// await returns once the byte at off may be read.
func (w *Writer) await(ctx context.Context, off int64) (view, error) {
	for {
		v, wake, err := w.look(off)
		if err != nil || wake == nil {
			return v, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return view{}, fmt.Errorf("following blob %v: %w", w.want, context.Cause(ctx))
		}
	}
}

// look returns a channel to wait for where the byte at off may not be read yet.
func (w *Writer) look(off int64) (view, <-chan struct{}, error) {
	w.mu.RLock()
	v, err := w.viewLocked(), w.err
	w.mu.RUnlock()
	if err != nil || v.end > off {
		return v, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if v = w.viewLocked(); w.err != nil || v.end > off {
		return v, nil, w.err
	}
	if w.wake == nil {
		w.wake = make(chan struct{})
	}
	return v, w.wake, nil
}

func (w *Writer) viewLocked() view {
	if w.state == committed {
		return view{state: committed, row: w.final, stored: w.row.size, end: w.row.size}
	}
	end := min(w.written(), w.row.size-HoldBack)
	return view{state: w.state, row: w.row, stored: w.stored, end: end}
}

// copyFrom copies from the writer's chunks or from the database. It returns 0 bytes and no error where the chunk
// has gone to the database since v.
func (w *Writer) copyFrom(v view, p []byte, off int64) (int, error) {
	if off >= v.stored {
		return w.copyBuffered(p[:min(int64(len(p)), v.end-off)], off), nil
	}
	p = p[:min(int64(len(p)), v.end-off, v.stored-off)]
	if err := w.store.readStored(w.want, v.row, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *Writer) copyBuffered(p []byte, off int64) int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	at := off - w.stored
	if at < 0 || w.state != working {
		return 0
	}
	if at < int64(len(w.storing)) {
		return copy(p, w.storing[at:])
	}
	return copy(p, w.chunk[at-int64(len(w.storing)):])
}

// changedSince says whether a read that failed with err, or found nothing, should look again: the chunk was
// stored meanwhile, or the writer ended and its chunks went.
func (w *Writer) changedSince(v view, err error) bool {
	var corrupt *CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return false
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	return err == nil || w.state != v.state
}
