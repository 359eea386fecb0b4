package blob

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// Reader reads one blob. Every byte it returns was checked. It holds nothing open: a blob that is deleted meanwhile
// ends in ErrNotFound. ReadAt and WriteRange may be called from any goroutine, the rest belongs to one.
type Reader struct {
	store  *Store
	digest Digest
	row    row
	off    int64
	closed bool
}

// Open returns ErrNotFound where no blob of that digest exists.
func (s *Store) Open(d Digest) (*Reader, error) {
	r, err := s.findRow(d)
	if err != nil {
		return nil, fmt.Errorf("opening blob %v: %w", d, err)
	}
	return &Reader{store: s, digest: d, row: r}, nil
}

// Info describes the blob.
func (r *Reader) Info() Info { return r.row.info(r.digest) }

// Read implements io.Reader. A call for less than 64 KiB checks as much as one for 64 KiB.
func (r *Reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.readSome(p, r.off)
	r.off += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading blob %v: negative offset %d", r.digest, off)
	}
	n, err := r.readSome(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// readSome fills p as far as the blob goes, and is at EOF where that is nothing.
func (r *Reader) readSome(p []byte, off int64) (int, error) {
	if off >= r.row.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.row.size-off)]
	if err := r.store.readStored(r.digest, r.row, p, off); err != nil {
		return 0, r.explain(err)
	}
	return len(p), nil
}

// explain turns damage into ErrNotFound where the blob was deleted meanwhile.
func (r *Reader) explain(err error) error {
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	now, findErr := r.store.findRow(r.digest)
	if errors.Is(findErr, ErrNotFound) || findErr == nil && now.id != r.row.id {
		return fmt.Errorf("reading blob %v: deleted meanwhile: %w", r.digest, ErrNotFound)
	}
	return err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if r.closed {
		return 0, ErrClosed
	}
	off, err := seek(r.off, r.row.size, offset, whence)
	if err == nil {
		r.off = off
	}
	return off, err
}

// WriteTo writes everything from the offset on.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	if r.closed {
		return 0, ErrClosed
	}
	n, err := r.WriteRange(w, r.off, max(0, r.row.size-r.off))
	r.off += n
	return n, err
}

// WriteRange writes the n bytes at off to w, in pieces of at most 64 KiB and with a buffer of that size, however
// slow w is. A range that does not lie within the blob ends in io.ErrUnexpectedEOF. It does not move the offset of Read.
func (r *Reader) WriteRange(w io.Writer, off, n int64) (int64, error) {
	return copyRange(w, off, n, r.row.size, r.readSome)
}

// Close never fails.
func (r *Reader) Close() error {
	r.closed = true
	return nil
}

var pieceBuffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// copyRange writes n bytes at off with one pooled buffer. Reads end where a piece does, so that none is checked twice.
func copyRange(w io.Writer, off, n, size int64, read func(p []byte, off int64) (int, error)) (int64, error) {
	if off < 0 || n < 0 {
		return 0, fmt.Errorf("copying %d bytes at %d: negative range", n, off)
	}
	buf := pieceBuffers.Get().(*[pieceSize]byte)
	defer pieceBuffers.Put(buf)
	var done int64
	for done < n && off+done < size {
		at := off + done
		c, err := read(buf[:min(pieceSize-at%pieceSize, n-done)], at)
		if err != nil {
			return done, err
		}
		c, err = w.Write(buf[:c])
		done += int64(c)
		if err != nil {
			return done, err
		}
	}
	if done < n {
		return done, io.ErrUnexpectedEOF
	}
	return done, nil
}

func seek(current, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += current
	case io.SeekEnd:
		offset += size
	default:
		return 0, fmt.Errorf("seeking: whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seeking: offset before the start")
	}
	return offset, nil
}
