package deb822

import (
	"bytes"
	"fmt"
	"io"
)

const (
	firstBufferBytes = 128 << 10 // a few hundred ordinary stanzas per read
	maxEmptyReads    = 100       // reads without data or error before io.ErrNoProgress
)

// Scanner reads stanzas one after the other. It is for one goroutine.
//
// Writing Separator and Stanza().Raw after every Scan that returned true, and
// Separator once more after the one that returned false, gives the input back.
type Scanner struct {
	r        io.Reader // nil once all input is in buf
	limits   Limits
	comments bool

	// buf[mark:end] is kept when the buffer is refilled: the separator, from
	// mark, the stanza, from begin, and what was read ahead, from pos.
	buf                   []byte
	mark, begin, pos, end int
	base                  int64 // offset in the input of buf[0]
	readErr               error // what r reported last, acted on when buf is used up

	line   int // lines consumed
	stanza Stanza
	err    error
}

// NewScanner returns a Scanner over r.
func NewScanner(r io.Reader, l Limits) *Scanner {
	return &Scanner{r: r, limits: l.withDefaults(), buf: make([]byte, firstBufferBytes)}
}

// NewBytesScanner returns a Scanner over text, without copying it: its stanzas'
// bytes stay valid as long as text does, and text must not change meanwhile.
func NewBytesScanner(text []byte, l Limits) *Scanner {
	return &Scanner{limits: l.withDefaults(), buf: text[:len(text):len(text)], end: len(text), readErr: io.EOF}
}

// AllowComments makes lines that start with "#" comments, as .sources and
// debian/control files have them. Call it before the first Scan.
func (sc *Scanner) AllowComments() { sc.comments = true }

// Stanza returns what the last Scan read. It and its slices are valid until
// the next Scan.
func (sc *Scanner) Stanza() *Stanza { return &sc.stanza }

// Separator returns the empty lines, and comments where allowed, between the
// stanza before and this one; after the last Scan, those at the end.
func (sc *Scanner) Separator() []byte { return sc.buf[sc.mark:sc.begin] }

// Offset returns where the current stanza starts, in bytes from the start of
// the input; after the last Scan, the size of the input and of a newline added
// to it.
func (sc *Scanner) Offset() int64 { return sc.base + int64(sc.begin) }

// Err returns what ended the scan: nil at the end of the input, a *SyntaxError,
// or the reader's error, wrapped.
func (sc *Scanner) Err() error { return sc.err }

// Scan reads the next stanza and reports whether there is one. After an error
// it returns false for ever.
func (sc *Scanner) Scan() bool {
	return sc.err == nil && sc.skipSeparator() && sc.readStanza()
}

// skipSeparator moves to the first line that is neither empty nor a comment
// and reports whether there is one.
func (sc *Scanner) skipSeparator() bool {
	sc.mark = sc.pos
	for {
		sc.begin = sc.pos
		line := sc.nextLine()
		if len(line) == 0 {
			return false
		}
		if line[0] != '\n' && !(sc.comments && line[0] == '#') {
			return true
		}
		sc.pos += len(line)
		sc.line++
		if sc.pos-sc.mark > sc.limits.StanzaBytes {
			sc.fail(1, "more than %d bytes between two stanzas", sc.limits.StanzaBytes)
			return false
		}
	}
}

func (sc *Scanner) readStanza() bool {
	s := &sc.stanza
	s.Line, s.fields, s.view, s.seen = sc.line+1, s.fields[:0], s.view[:0], [4]uint64{}
	for {
		line := sc.nextLine()
		if len(line) == 0 && sc.err != nil {
			return false
		}
		if len(line) == 0 || line[0] == '\n' {
			break
		}
		if sc.pos+len(line)-sc.begin > sc.limits.StanzaBytes {
			return sc.fail(1, "stanza longer than %d bytes", sc.limits.StanzaBytes)
		}
		if !sc.addLine(line) {
			return false
		}
		sc.pos += len(line)
		sc.line++
	}
	s.Raw = sc.buf[sc.begin:sc.pos:sc.pos]
	return sc.checkNUL()
}

// addLine takes in the line at pos, which is not empty and ends in a newline.
func (sc *Scanner) addLine(line []byte) bool {
	s := &sc.stanza
	if c := line[0]; c == ' ' || c == '\t' {
		if len(s.fields) == 0 {
			return sc.fail(1, "continuation line without a field")
		}
		f := &s.fields[len(s.fields)-1]
		f.end = uint32(sc.pos - sc.begin + len(line) - 1)
		f.split = f.split || f.comment
		return true
	} else if c == '#' && sc.comments {
		s.fields[len(s.fields)-1].comment = true
		return true
	}
	return sc.addField(line)
}

func (sc *Scanner) addField(line []byte) bool {
	s := &sc.stanza
	n, hash := scanName(line)
	if n == 0 || line[n] != ':' || line[0] == '#' || line[0] == '-' {
		return sc.failName(line, n)
	}
	if sc.isDuplicate(line[:n], hash) {
		return sc.fail(1, "field %s occurs twice", line[:n])
	}
	if len(s.fields) == sc.limits.Fields {
		return sc.fail(1, "more than %d fields in a stanza", sc.limits.Fields)
	}
	from, to := n+1, len(line)-1
	for from < to && isBlank(line[from]) {
		from++
	}
	for to > from && isBlank(line[to-1]) {
		to--
	}
	at := sc.pos - sc.begin
	s.fields = append(s.fields, field{
		hash: hash, line: uint32(sc.line + 1 - s.Line),
		name: uint32(at), nameEnd: uint32(at + n), value: uint32(at + from), end: uint32(at + to),
	})
	return true
}

// isBlank counts the carriage return in, so that a file with CRLF line ends is
// not read with an invisible byte at the end of each value.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// isDuplicate reports whether the stanza has the name already, and notes it.
func (sc *Scanner) isDuplicate(name []byte, hash uint32) bool {
	s := &sc.stanza
	word, bit := &s.seen[hash>>30], uint64(1)<<(hash>>24&63)
	if *word&bit == 0 {
		*word |= bit
		return false
	}
	for i := range s.fields {
		if f := &s.fields[i]; f.hash == hash {
			old := sc.buf[sc.begin+int(f.name) : sc.begin+int(f.nameEnd)]
			if equalFold(old, name) {
				return true
			}
		}
	}
	return false
}

func (sc *Scanner) failName(line []byte, n int) bool {
	switch c := line[n]; {
	case line[0] == '\r':
		return sc.fail(1, "line starts with a carriage return")
	case line[0] == '#' || line[0] == '-':
		return sc.fail(1, "field name starts with %q", line[:1])
	case line[0] == ':':
		return sc.fail(1, "field without a name")
	case bytes.IndexByte(line, ':') < 0:
		return sc.fail(1, "neither a field nor a continuation: no colon in the line")
	default:
		return sc.fail(n+1, "byte 0x%02x in a field name", c)
	}
}

func (sc *Scanner) checkNUL() bool {
	s := &sc.stanza
	i := bytes.IndexByte(s.Raw, 0)
	if i < 0 {
		return true
	}
	line, column := position(s.Raw, i, s.Line)
	sc.err = &SyntaxError{line, column, "NUL byte"}
	return false
}

// fail ends the scan with a syntax error in the line that is being read.
func (sc *Scanner) fail(column int, format string, args ...any) bool {
	sc.err = &SyntaxError{sc.line + 1, column, fmt.Sprintf(format, args...)}
	return false
}

// nextLine returns the line at pos with its newline, reading on as needed; it
// is empty at the end of the input or after an error.
func (sc *Scanner) nextLine() []byte {
	for {
		if i := bytes.IndexByte(sc.buf[sc.pos:sc.end], '\n'); i >= 0 {
			return sc.buf[sc.pos : sc.pos+i+1]
		}
		if sc.end-sc.begin > sc.limits.StanzaBytes {
			sc.fail(1, "stanza longer than %d bytes", sc.limits.StanzaBytes)
			return nil
		}
		if !sc.fill() {
			return nil
		}
	}
}

// fill reads until the buffer is full or the input ends, so that a reader that
// gives few bytes at a time does not make nextLine look at them over and over.
// It reports whether there is anything new to look at.
func (sc *Scanner) fill() bool {
	if sc.readErr != nil {
		return sc.finish()
	}
	if sc.mark > 0 {
		sc.discard()
	} else if sc.end == len(sc.buf) {
		sc.buf = append(sc.buf, make([]byte, len(sc.buf))...)
	}
	for empty := 0; sc.end < len(sc.buf) && sc.readErr == nil; {
		n, err := sc.r.Read(sc.buf[sc.end:])
		sc.end, sc.readErr = sc.end+n, err
		if empty++; n > 0 {
			empty = 0
		}
		if empty == maxEmptyReads {
			sc.readErr = io.ErrNoProgress
		}
	}
	return true
}

// discard moves what is still needed to the front of the buffer.
func (sc *Scanner) discard() {
	copy(sc.buf, sc.buf[sc.mark:sc.end])
	sc.base += int64(sc.mark)
	sc.begin, sc.pos, sc.end, sc.mark = sc.begin-sc.mark, sc.pos-sc.mark, sc.end-sc.mark, 0
}

// finish ends the input: with the reader's error, or by completing a last line
// that has no newline, so that no other code meets such a line.
func (sc *Scanner) finish() bool {
	if sc.readErr != io.EOF {
		sc.err = fmt.Errorf("reading control data: %w", sc.readErr)
		return false
	}
	if sc.pos == sc.end {
		return false
	}
	sc.buf = append(sc.buf[:sc.end:sc.end], '\n')
	sc.end++
	return true
}
