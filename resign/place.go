package resign

import (
	"bytes"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/deb822"
)

// place gives the path under which a site repository has a file of an origin;
// that of another site repository has such a path already, and no origin.
func place(origin, file string) string {
	if origin == "" {
		return strings.Clone(file) // the text that it is a part of may go
	}
	return catalog.OriginPath(origin, file)
}

// span is a part of a stanza: that of the one value that changes.
type span struct{ from, to uint32 }

// valueSpan finds the value of a field in a stanza's bytes, with its blanks and
// without its final newline.
func valueSpan(s *deb822.Stanza, f deb822.Field) span {
	// The name is a slice of Raw, whose capacity tells where it begins.
	from := cap(s.Raw) - cap(f.Name) + len(f.Name) + 1
	to := from + bytes.IndexByte(s.Raw[from:], '\n')
	for to+1 < len(s.Raw) && (s.Raw[to+1] == ' ' || s.Raw[to+1] == '\t') {
		to += 1 + bytes.IndexByte(s.Raw[to+1:], '\n')
	}
	return span{uint32(from), uint32(to)}
}

// replaced gives a stanza with another value at the span and the empty line that
// ends it, in parts.
func replaced(raw []byte, at span, value string) [5][]byte {
	return [5][]byte{raw[:at.from], blank, bytesOf(value), raw[at.to:], newline}
}

var blank = []byte{' '}
