package resign

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"aptmirror/cache/blob"
	"aptmirror/upstream/compress"
)

// copies are inputs in a form that is quicker to read: what takes a second in
// xz takes a twentieth in zstd, at every build in which something else changed.
type copies struct {
	known map[string]blob.Digest // of the last build, by the original's digest
	mu    sync.Mutex
	used  map[string]blob.Digest // mu
}

func newCopies(known map[string]blob.Digest) *copies {
	c := &copies{known: map[string]blob.Digest{}, used: map[string]blob.Digest{}}
	maps.Copy(c.known, known)
	return c
}

// slow formats are worth a copy.
func slow(f compress.Format) bool { return f == compress.XZ || f == compress.Bzip }

// text reads an index, from its copy if there is one, and makes one if that is
// worth it.
func (c *copies) text(ctx context.Context, b *Builder, f indexFile) ([]byte, error) {
	if !slow(f.format) {
		return readText(ctx, b.Blobs, f)
	}
	original := f.digest.String()
	if d, ok := c.known[original]; ok && b.has(d) {
		quick := f
		quick.digest, quick.format = d, compress.Zstd
		if text, err := readText(ctx, b.Blobs, quick); err == nil {
			c.use(original, d)
			return text, nil
		}
	}
	text, err := readText(ctx, b.Blobs, f)
	if err != nil {
		return nil, err
	}
	d, err := b.putCopy(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("storing a copy of %s: %w", f.path, err)
	}
	c.use(original, d)
	return text, nil
}

func (c *copies) use(original string, d blob.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[original], c.used[original] = d, d
}

// putCopy gives the same blob for the same text.
func (b *Builder) putCopy(ctx context.Context, text []byte) (blob.Digest, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		return blob.Digest{}, err
	}
	defer w.Close()
	packed := w.EncodeAll(text, nil)
	d := blob.Sum(packed)
	return d, b.putParts(ctx, [][]byte{packed}, d, int64(len(packed)))
}
