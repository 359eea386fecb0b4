package pgp

import (
	"bytes"
	"fmt"
	"strings"
)

// MaxMessageBytes is the longest InRelease, Release or Release.gpg that is looked at; apt's default for
// Acquire::MaxReleaseFileSize. A longer one is refused unread.
const MaxMessageBytes = 10_000_000

const (
	beginMessage   = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN PGP SIGNATURE-----"
	endSignature   = "-----END PGP SIGNATURE-----"
)

// clearsigned is an InRelease file taken apart.
type clearsigned struct {
	text   []byte   // unescaped, without the blanks at line ends, each line with LF
	hashes []string // digests announced by Hash headers
	blocks [][]byte // decoded signature blocks
}

// splitClearsigned takes data apart by the rules of apt's SplitClearSignedFile, tightened: exact markers, Hash as the
// only header, no control bytes (so no CRLF), dash escapes only where RFC 9580 section 7.2 asks for them, and nothing
// before, between or after the message and its signature blocks.
func splitClearsigned(data []byte) (*clearsigned, error) {
	if err := checkBytes(data); err != nil {
		return nil, err
	}
	in := &lines{rest: data}
	if line, _ := in.next(); string(line) != beginMessage {
		return nil, notClearsigned(data)
	}
	hashes, err := readHashHeaders(in)
	if err != nil {
		return nil, err
	}
	text, err := readSignedText(in, len(data))
	if err != nil {
		return nil, err
	}
	blocks, err := readSignatureBlocks(in)
	if err != nil {
		return nil, err
	}
	return &clearsigned{text: text, hashes: hashes, blocks: blocks}, nil
}

// notClearsigned names the usual causes, since this is what a captive portal or a wrong address produces.
func notClearsigned(data []byte) *Error {
	head := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 512)]))
	switch {
	case len(data) == 0:
		return &Error{Unsigned, "the file is empty"}
	case bytes.HasPrefix(head, []byte("<!doctype")), bytes.HasPrefix(head, []byte("<html")):
		return &Error{Unsigned, "the file is a web page, not a clearsigned Release; does the network ask for a login?"}
	case bytes.Contains(data, []byte(beginMessage)):
		return malformed(1, "something stands before or behind "+beginMessage)
	}
	return &Error{Unsigned, "the file does not begin with " + beginMessage}
}

// readHashHeaders reads armour headers up to the empty line.
func readHashHeaders(in *lines) (hashes []string, err error) {
	for {
		line, ok := in.next()
		if !ok {
			return nil, malformed(in.n, "the file ends within the message headers")
		}
		if len(line) == 0 {
			return hashes, nil
		}
		value, ok := bytes.CutPrefix(line, []byte("Hash: "))
		if !ok {
			return nil, malformed(in.n, "a message header other than Hash")
		}
		for name := range strings.SplitSeq(string(value), ",") {
			hashes = append(hashes, strings.TrimSpace(name))
		}
	}
}

// readSignedText reads up to the line before the first signature block.
func readSignedText(in *lines, size int) ([]byte, error) {
	text := make([]byte, 0, size)
	for {
		line, ok := in.peek()
		if !ok {
			return nil, malformed(in.n, "the file ends before its signature")
		}
		if string(line) == beginSignature {
			break
		}
		in.next()
		if bytes.HasPrefix(line, []byte("-")) {
			if line, ok = unescape(line); !ok {
				return nil, malformed(in.n, "a line begins with a dash that is not an escape")
			}
		}
		text = append(append(text, bytes.TrimRight(line, " \t")...), '\n')
	}
	if len(text) == 0 {
		return nil, malformed(in.n, "the signed text is empty")
	}
	return text, nil
}

// unescape undoes dash escaping. Escapes of other lines are legal but nobody writes them; refusing them keeps one
// spelling for one text. GnuPG escapes "From " for the sake of mail.
func unescape(line []byte) ([]byte, bool) {
	plain, ok := bytes.CutPrefix(line, []byte("- "))
	return plain, ok && (bytes.HasPrefix(plain, []byte("-")) || bytes.HasPrefix(plain, []byte("From ")))
}

// checkBytes refuses oversized input and control bytes. What is left cannot hide text from a person who looks at it,
// and has LF as its only line end.
func checkBytes(data []byte) error {
	if len(data) > MaxMessageBytes {
		return &Error{Malformed, fmt.Sprintf("longer than %d bytes", MaxMessageBytes)}
	}
	for i, c := range data {
		if c >= ' ' && c != 0x7f || c == '\n' || c == '\t' {
			continue
		}
		before := data[:i]
		line, column := 1+bytes.Count(before, []byte("\n")), i-bytes.LastIndexByte(before, '\n')
		if c == '\r' {
			return malformed(line, "carriage returns; a proxy or an editor changed the line ends")
		}
		return malformed(line, fmt.Sprintf("control byte 0x%02x in column %d", c, column))
	}
	return nil
}

// malformed reports a framing fault in a line, counted from 1.
func malformed(line int, what string) *Error {
	return &Error{Malformed, fmt.Sprintf("line %d: %s", line, what)}
}

// lines walks over LF-ended lines; a last line without LF counts. trim also takes blanks and CR off line ends.
type lines struct {
	rest []byte
	n    int // number of the line that next returned last
	trim bool
}

func (l *lines) peek() (line []byte, ok bool) {
	line, _, _ = bytes.Cut(l.rest, []byte("\n"))
	if l.trim {
		line = bytes.TrimRight(line, " \t\r")
	}
	return line, len(l.rest) > 0
}

func (l *lines) next() (line []byte, ok bool) {
	if line, ok = l.peek(); ok {
		_, l.rest, _ = bytes.Cut(l.rest, []byte("\n"))
		l.n++
	}
	return line, ok
}
