package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"aptmirror/cache/blob"
)

// maxLine is the longest line of the table of files: digest, blank, size, end.
const maxLine = 2*sha256.Size + 1 + 13 + 1 // bytes

// encodeFiles writes the table of files: one line each, digest and size.
func encodeFiles(files []File) []byte {
	var b bytes.Buffer
	b.Grow(len(files) * (2*sha256.Size + 10))
	for _, f := range files {
		b.Write(f.appendLine(b.AvailableBuffer()))
	}
	return b.Bytes()
}

func (f File) appendLine(b []byte) []byte {
	b = hex.AppendEncode(b, f.Digest[:])
	b = strconv.AppendInt(append(b, ' '), f.Size, 10)
	return append(b, '\n')
}

// readFiles reads the table that a list describes. What it returns without an
// error is what was signed.
func readFiles(r io.Reader, l *List) ([]File, error) {
	sum := sha256.New()
	lines := bufio.NewReaderSize(io.TeeReader(io.LimitReader(r, l.Files.Size), sum), 64<<10)
	files := make([]File, 0, min(l.Files.Count, 1<<16))
	for len(files) < l.Files.Count {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return nil, endOf(err, len(files), l.Files.Count)
		}
		f, err := parseFile(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(files)+1, filesName, err)
		}
		files = append(files, f)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		return nil, fmt.Errorf("%s has more than %d lines", filesName, l.Files.Count)
	}
	if got := SHA256(sum.Sum(nil)); got != l.Files.SHA256 {
		return nil, fmt.Errorf("%s has the digest %v, the list says %v", filesName, got.Digest(), l.Files.SHA256.Digest())
	}
	return files, checkFiles(files, l)
}

func endOf(err error, got, want int) error {
	if err == io.EOF || errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("%s has %d lines, not %d", filesName, got, want)
	}
	return err
}

// parseFile takes a line only as appendLine writes it.
func parseFile(line []byte) (f File, err error) {
	digest, size, _ := bytes.Cut(line[:len(line)-1], []byte{' '})
	if f.Digest, err = blob.ParseDigest(string(digest)); err != nil {
		return f, err
	}
	f.Size, err = strconv.ParseInt(string(size), 10, 64)
	if err == nil && (f.Size < 0 || f.Size > blob.MaxSize) {
		err = fmt.Errorf("size %d is not between 0 and %d", f.Size, int64(blob.MaxSize))
	}
	var canonical [maxLine]byte
	if err == nil && !bytes.Equal(f.appendLine(canonical[:0]), line) {
		err = errors.New("digest and size are not written in the one way that they may be")
	}
	return f, err
}

// checkFiles looks for what a list and its table must agree on.
func checkFiles(files []File, l *List) error {
	seen := make(map[blob.Digest]bool, len(files))
	var bytes int64
	for _, f := range files {
		if seen[f.Digest] {
			return fmt.Errorf("%s names %v twice", filesName, f.Digest)
		}
		seen[f.Digest] = true
		bytes += f.Size
	}
	if bytes != l.Files.Bytes {
		return fmt.Errorf("%s has %d bytes of files, the list says %d", filesName, bytes, l.Files.Bytes)
	}
	return nil
}
