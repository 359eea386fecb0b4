package bundle

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A bundle is a tar archive (POSIX.1-1988 ustar) in one form alone: of a name and
// a size follows every byte of the header, and padding is zeros. So a reader can
// ask for equality, and there is nothing in the archive that is not checked.

const (
	tarBlock = 512 // bytes
	// maxOctal is the largest size that a header has in octal digits. Larger
	// ones are binary, as GNU tar writes them.
	maxOctal = 1<<33 - 1
)

// header gives the header of a member.
func header(name string, size int64) (h [tarBlock]byte) {
	copy(h[0:100], name)
	copy(h[100:108], "0000644\x00")
	copy(h[108:116], "0000000\x00")
	copy(h[116:124], "0000000\x00")
	putSize(h[124:136], size)
	copy(h[136:148], "00000000000\x00")
	h[156] = '0'
	copy(h[257:265], "ustar\x0000")
	copy(h[329:337], "0000000\x00")
	copy(h[337:345], "0000000\x00")
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func putSize(field []byte, size int64) {
	if size <= maxOctal {
		copy(field, fmt.Sprintf("%011o\x00", size))
		return
	}
	field[0] = 0x80
	for i := range 8 {
		field[11-i] = byte(size >> (8 * i))
	}
}

// padding is how many zeros follow the bytes of a member.
func padding(size int64) int64 { return -size & (tarBlock - 1) }

// memberSize is what a member takes up in the archive.
func memberSize(size int64) int64 { return tarBlock + size + padding(size) }

var zeros [2 * tarBlock]byte

// tarTrailer ends the archive.
const tarTrailer = 2 * tarBlock // bytes of zeros

func writeHeader(w io.Writer, name string, size int64) error {
	h := header(name, size)
	_, err := w.Write(h[:])
	return err
}

func writePadding(w io.Writer, size int64) error {
	_, err := w.Write(zeros[:padding(size)])
	return err
}

func writeMember(w io.Writer, name string, data []byte) error {
	if err := writeHeader(w, name, int64(len(data))); err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return writePadding(w, int64(len(data)))
}

// tarReader reads the members that its caller expects.
type tarReader struct {
	r  io.Reader
	at int64 // bytes read
}

func (t *tarReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.at += int64(n)
	return n, err
}

// damageError is a place where an archive is not as it must be.
type damageError struct {
	at   int64 // bytes from the start
	what string
}

func (e *damageError) Error() string { return fmt.Sprintf("at byte %d %s", e.at, e.what) }

func (t *tarReader) damaged(format string, args ...any) error {
	return &damageError{t.at, fmt.Sprintf(format, args...)}
}

// full reads a whole buffer; an end before that is damage.
func (t *tarReader) full(b []byte) error {
	_, err := io.ReadFull(t, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return t.damaged("it breaks off")
	}
	return err
}

// expect reads the header of a member of which name and size are known.
func (t *tarReader) expect(name string, size int64) error {
	got, err := t.header()
	if want := header(name, size); err == nil && got != want {
		t.at -= tarBlock
		return t.damaged("there should be the member %s of %d bytes, but there is %s", name, size, describe(got))
	}
	return err
}

func (t *tarReader) header() (h [tarBlock]byte, err error) {
	err = t.full(h[:])
	return h, err
}

// small reads a member of at most limit bytes into memory.
func (t *tarReader) small(name string, limit int64) ([]byte, error) {
	got, err := t.header()
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(got[124:136]), "\x00"), 8, 64)
	if err != nil || size < 0 || got != header(name, size) {
		t.at -= tarBlock
		return nil, t.damaged("there should be the member %s, but there is %s", name, describe(got))
	}
	if size > limit {
		return nil, t.damaged("its %s has %d bytes, more than the %d that are read", name, size, limit)
	}
	data := make([]byte, size)
	if err := t.full(data); err != nil {
		return nil, err
	}
	return data, t.padding(size)
}

// padding reads the zeros behind a member.
func (t *tarReader) padding(size int64) error {
	var pad [tarBlock]byte
	b := pad[:padding(size)]
	if err := t.full(b); err != nil {
		return err
	}
	if !bytes.Equal(b, zeros[:len(b)]) {
		return t.damaged("there should be zeros")
	}
	return nil
}

// end reads the trailer, behind which there is nothing.
func (t *tarReader) end() error {
	var b [tarTrailer]byte
	if err := t.full(b[:]); err != nil {
		return err
	}
	if b != zeros {
		t.at -= tarTrailer
		return t.damaged("there should be the end of the archive")
	}
	switch n, err := io.ReadFull(t, b[:1]); {
	case n > 0:
		return t.damaged("something follows the end of the archive")
	case err != io.EOF:
		return err
	}
	return nil
}

// describe names what stands in a header, for a message.
func describe(h [tarBlock]byte) string {
	name, _, _ := bytes.Cut(h[:100], []byte{0})
	switch {
	case h == [tarBlock]byte{}:
		return "its end"
	case string(h[257:262]) != "ustar":
		return "something else"
	}
	return fmt.Sprintf("%q", name)
}
