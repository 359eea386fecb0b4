package resign

import (
	"context"
	"fmt"
	"maps"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"aptmirror/cache/blob"
	"aptmirror/upstream/compress"
)

// copies are inputs in a form that is quicker to read: what takes a second in
// xz takes a twentieth in zstd, at every build in which something else changed.
type copies struct {
	known map[string]blob.Digest // by the original's digest
	used  map[string]blob.Digest
	spare *spare // nil where whoever asks for a selection may keep it
}

// read is readText into memory that is to spare.
func (c *copies) read(ctx context.Context, b *Builder, f indexFile) ([]byte, error) {
	text, err := readText(ctx, b.Blobs, f, c.spare.text(f.size))
	if err == nil {
		c.spare.use(text)
	}
	return text, err
}

// newCopies knows those of the last build of a suite, and what the builder has
// copied since.
func (b *Builder) newCopies(known map[string]blob.Digest) *copies {
	c := &copies{known: map[string]blob.Digest{}, used: map[string]blob.Digest{}}
	maps.Copy(c.known, known)
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.Copy(c.known, b.copied)
	return c
}

// maxCopied is how many copies a builder remembers; then it begins anew, and
// what is forgotten is read in its slow form once more.
const maxCopied = 1000

func (b *Builder) remember(copied map[string]blob.Digest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copied == nil || len(b.copied) > maxCopied {
		b.copied = map[string]blob.Digest{}
	}
	maps.Copy(b.copied, copied)
}

// slow formats are worth a copy.
func slow(f compress.Format) bool { return f == compress.XZ || f == compress.Bzip }

// text reads an index, from its copy if there is one, and makes one if that is
// worth it.
func (c *copies) text(ctx context.Context, b *Builder, f indexFile) ([]byte, error) {
	if !slow(f.format) {
		return c.read(ctx, b, f)
	}
	original := f.digest.String()
	if d, ok := c.known[original]; ok && b.has(d) {
		quick := f
		quick.digest, quick.format = d, compress.Zstd
		if text, err := c.read(ctx, b, quick); err == nil {
			c.use(original, d)
			return text, nil
		}
	}
	text, err := c.read(ctx, b, f)
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
	c.known[original], c.used[original] = d, d
}

// putCopy gives the same blob for the same text.
func (b *Builder) putCopy(ctx context.Context, text []byte) (blob.Digest, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		return blob.Digest{}, err
	}
	defer w.Close()
	packed := w.EncodeAll(text, make([]byte, 0, len(text)/4))
	d := blob.Sum(packed)
	return d, b.putParts(ctx, [][]byte{packed}, d, int64(len(packed)))
}
