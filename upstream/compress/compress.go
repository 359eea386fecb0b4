// Package compress reads the compressed forms in which archives publish their
// indexes and in which a .deb keeps its members: gz, xz, zst, bz2 and lz4.
//
// A format is told by file ending, never by content, as apt does. A reader
// gives out at most the number of bytes that the caller allows, needs at most
// about maxDictionaryBytes of memory whatever the input says, and ends in
// io.EOF only when the whole input was well formed: truncation, a wrong
// checksum and bytes after the end are errors. Several members, streams or
// frames one after the other are one file, as for the command-line tools.
//
// The package does not compress, does not verify digests and starts no
// goroutines.
package compress

import (
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

const (
	// maxDictionaryBytes is what xz -9 and zstd --ultra need to be read back;
	// files that want more are refused.
	maxDictionaryBytes = maxZstdWindow
	maxXZDictionary    = 64 << 20
	maxZstdWindow      = 128 << 20
)

// Format names a compression by its file ending without the dot.
type Format string

// The formats that can be read.
const (
	None Format = ""
	Gzip Format = "gz"
	XZ   Format = "xz"
	Zstd Format = "zst"
	Bzip Format = "bz2"
	LZ4  Format = "lz4"
)

// ErrTooLong is in the chain of a Read error when more bytes come out than the
// limit allows.
var ErrTooLong = errors.New("more bytes than allowed")

// FormatOf splits a file name into what it is called uncompressed and the
// format its ending names. A name with another ending, or with nothing before
// it, comes back whole with None.
func FormatOf(name string) (base string, f Format) {
	for _, f := range []Format{Gzip, XZ, Zstd, Bzip, LZ4} {
		base, ok := strings.CutSuffix(name, "."+string(f))
		if ok && base != "" && !strings.HasSuffix(base, "/") {
			return base, f
		}
	}
	return name, None
}

// NewReader returns a reader of what r holds in format f. Reading fails with
// ErrTooLong once more than limit bytes come out; exactly limit bytes are fine.
// An empty r is truncated in every format but None. Close releases the
// decoder's memory and leaves r alone.
func NewReader(f Format, r io.Reader, limit int64) (io.ReadCloser, error) {
	in := &input{r: r}
	d, err := newDecoder(f, in)
	if err != nil {
		return nil, in.explain(f, err)
	}
	return &reader{format: f, in: in, decoder: d, left: limit, limit: limit}, nil
}

func newDecoder(f Format, in io.Reader) (io.Reader, error) {
	switch f {
	case None:
		return in, nil
	case Gzip:
		return gzip.NewReader(in)
	case XZ:
		return xz.NewReader(in, maxXZDictionary)
	case Zstd:
		return zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	case Bzip:
		return bzip2.NewReader(in), nil
	case LZ4:
		d := lz4.NewReader(in)
		return d, d.Apply(lz4.ConcurrencyOption(1))
	}
	return nil, errors.New("unknown format")
}

// input notes what the decoders do not tell: whether there was any input, and
// which error was the source's and not the format's.
type input struct {
	r    io.Reader
	some bool
	err  error // of r, but not io.EOF
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	in.some = in.some || n > 0
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// explain wraps a decoder's error. Decoders disagree on how they report a
// source's error and an end that comes too early, so both are settled here.
func (in *input) explain(f Format, err error) error {
	switch {
	case in.err != nil:
		return fmt.Errorf("reading %s data: %w", f.name(), in.err)
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("decompressing %s: %w", f.name(), err)
}

func (f Format) name() string {
	if f == None {
		return "uncompressed"
	}
	return string(f)
}

// reader applies the limit and makes errors lasting.
type reader struct {
	format      Format
	in          *input
	decoder     io.Reader // nil after Close
	left, limit int64     // bytes that may still come out; at all
	err         error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	// One byte more than allowed, to tell a file that ends at the limit from
	// one that goes on.
	if int64(len(p)) > r.left {
		p = p[:max(r.left, 0)+1]
	}
	n, err := r.decoder.Read(p)
	if int64(n) > r.left {
		n, err = int(max(r.left, 0)), fmt.Errorf("%w: limit of %d bytes", ErrTooLong, r.limit)
	}
	r.left -= int64(n)
	r.err = r.settle(err)
	return n, r.err
}

func (r *reader) settle(err error) error {
	if err == nil || err == io.EOF && (r.in.some || r.format == None) {
		return err
	}
	return r.in.explain(r.format, err)
}

func (r *reader) Close() error {
	if d, ok := r.decoder.(*zstd.Decoder); ok {
		d.Close()
	}
	r.decoder, r.err = nil, fs.ErrClosed
	return nil
}
