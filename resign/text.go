package resign

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"aptmirror/cache/blob"
	"aptmirror/upstream/compress"
)

// maxText bounds in bytes what one index may take in memory; the largest known
// Packages or Sources has 80 MB. A larger one makes its suite fail to build.
const maxText = 1 << 30

// readText reads a whole index: what is known of its packages points into the
// text, which is quicker and smaller than copies of everything. Where into is
// large enough, the text goes there.
func readText(ctx context.Context, blobs *blob.Store, f indexFile, into []byte) ([]byte, error) {
	r, err := openIndex(blobs, f, maxText)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.path, err)
	}
	defer r.Close()
	text, err := readSized(ctx, r, f.size, into)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.path, err)
	}
	return text, nil
}

// readSized reads to the end; size is a hint that saves copying.
func readSized(ctx context.Context, r io.Reader, size int64, into []byte) ([]byte, error) {
	text := into[:0]
	if int64(cap(text)) <= size {
		text = make([]byte, 0, min(max(size, 512), maxText)+1)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
	}
}

// openIndex gives the plain text of an index of at most limit bytes.
func openIndex(blobs *blob.Store, f indexFile, limit int64) (io.ReadCloser, error) {
	stored, err := blobs.Open(f.digest)
	if err != nil {
		return nil, err
	}
	if stored.Info().Size == 0 {
		stored.Close()
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	plain, err := compress.NewReader(f.format, bufio.NewReaderSize(stored, 256<<10), limit)
	if err != nil {
		stored.Close()
		return nil, err
	}
	return &index{plain, stored}, nil
}

// index closes a decoder and what it reads.
type index struct {
	io.ReadCloser
	stored io.Closer
}

func (i *index) Close() error { return errors.Join(i.ReadCloser.Close(), i.stored.Close()) }

// text makes a string of bytes that are never written again.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf gives the bytes of a string, which must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
