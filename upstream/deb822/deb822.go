// Package deb822 reads control syntax: the stanzas of Release, Packages and
// Sources files, of a .deb's control file and of apt's .sources files.
//
// The grammar is that of deb822(5) and Debian Policy 5.1, on its strict side:
//
//   - a stanza is a run of lines that ends at an empty line or at the end;
//   - a field line is "Name: value"; a name is printable ASCII without blanks
//     and colon, does not start with "#" or "-", and occurs once per stanza
//     whatever its case;
//   - a line that starts with a space or tab continues the field above it, even
//     if nothing else is on it (as apt reads it);
//   - a line that starts with "#" is a comment only for a Scanner that was told
//     so, which .sources files need and indexes forbid;
//   - NUL bytes and lines that start with a carriage return are errors, because
//     apt and dpkg disagree on what those mean.
//
// The package is lossless: every stanza carries its exact bytes, so that a file
// is filtered by copying stanzas, never by writing fields anew. It does not
// check the encoding, gives no meaning to any field and never writes.
package deb822

import (
	"bytes"
	"fmt"
)

const (
	// DefaultStanzaBytes is the size in bytes above which a stanza, or what
	// stands between two stanzas, is refused. The longest stanzas of Debian's
	// Sources are about 0.5 MiB.
	DefaultStanzaBytes = 4 << 20
	// DefaultFields is the number of fields above which a stanza is refused;
	// the longest stanzas of Debian have about 40.
	DefaultFields = 1024
	// maxStanzaBytes keeps every offset within a stanza in 32 bits; larger
	// limits are lowered to it.
	maxStanzaBytes = 1 << 30
)

// Limits bounds what one stanza may hold. A zero field stands for its default.
type Limits struct {
	StanzaBytes int // size of Raw in bytes, at most 1 GiB; default DefaultStanzaBytes
	Fields      int // number of fields; default DefaultFields
}

func (l Limits) withDefaults() Limits {
	if l.StanzaBytes <= 0 {
		l.StanzaBytes = DefaultStanzaBytes
	}
	if l.Fields <= 0 {
		l.Fields = DefaultFields
	}
	l.StanzaBytes = min(l.StanzaBytes, maxStanzaBytes)
	return l
}

// SyntaxError says where and how the input breaks the grammar or a limit.
type SyntaxError struct {
	Line, Column int // 1-based; columns count bytes
	Msg          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// ParseOne reads text that must hold exactly one stanza; empty lines around it
// are allowed, comments are not. The stanza refers to text, which must not
// change while it is in use.
func ParseOne(text []byte, l Limits) (*Stanza, error) {
	sc := NewBytesScanner(text, l)
	if !sc.Scan() {
		if sc.err != nil {
			return nil, sc.err
		}
		return nil, &SyntaxError{1, 1, "no stanza, only empty lines"}
	}
	if sc.skipSeparator() {
		return nil, &SyntaxError{sc.line + 1, 1, "a second stanza where only one is allowed"}
	}
	if sc.err != nil {
		return nil, sc.err
	}
	return &sc.stanza, nil
}

// position returns the 1-based line and column of the byte at offset i of text
// that starts at the given line.
func position(text []byte, i, line int) (int, int) {
	before := text[:i]
	return line + bytes.Count(before, []byte{'\n'}), i - bytes.LastIndexByte(before, '\n')
}
