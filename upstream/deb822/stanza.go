package deb822

import (
	"bytes"
	"math/bits"
)

// Stanza is one paragraph of control data. The slices it hands out point into
// Raw and live as long as Raw does.
type Stanza struct {
	// Raw is the stanza's exact bytes up to and with the newline of its last
	// line, without the empty line that ends it. It always ends in a newline:
	// one is added where the input ends without, so that stanzas can be
	// written one after the other without running into each other.
	Raw  []byte
	Line int // of the first field, 1-based

	fields []field
	seen   [4]uint64 // a bit per field-name hash, to find duplicates cheaply
	view   []Field   // what Fields returns, made on first use
}

// Field is one field of a stanza.
type Field struct {
	Name []byte // as written
	// Value is what follows the colon, without the blanks before it and
	// without the final newline. A value of one line has no blanks after it
	// either; continuation lines stand as they are, newline and leading blank
	// included. Comment lines within a value are left out.
	Value []byte
	Line  int // of the name, 1-based
}

// field holds offsets into Raw instead of slices: five times smaller, and
// nothing for the garbage collector to look at.
type field struct {
	hash           uint32 // of the lower-case name
	name, nameEnd  uint32
	value, end     uint32
	line           uint32 // counted from Stanza.Line
	comment, split bool   // a comment line came after the value's last line; stands within it
}

// Get returns the value of the named field. The name's case does not matter.
// It allocates only where a comment has to be cut out of the value.
func (s *Stanza) Get(name string) (value []byte, ok bool) {
	f := s.find(name)
	if f == nil {
		return nil, false
	}
	return s.valueOf(f), true
}

// Lookup is Get for callers that want the name as written or the line.
func (s *Stanza) Lookup(name string) (Field, bool) {
	f := s.find(name)
	if f == nil {
		return Field{}, false
	}
	return s.fieldOf(f), true
}

// Fields returns all fields in the order of the input. The slice belongs to
// the stanza and is overwritten by the next Scan.
func (s *Stanza) Fields() []Field {
	if len(s.view) == 0 {
		for i := range s.fields {
			s.view = append(s.view, s.fieldOf(&s.fields[i]))
		}
	}
	return s.view
}

func (s *Stanza) fieldOf(f *field) Field {
	return Field{Name: s.Raw[f.name:f.nameEnd], Value: s.valueOf(f), Line: s.Line + int(f.line)}
}

func (s *Stanza) valueOf(f *field) []byte {
	v := s.Raw[f.value:f.end:f.end]
	if f.split {
		return withoutComments(v)
	}
	return v
}

// withoutComments copies a value without the lines that start with "#". Its
// first line follows the colon, so it is none of them whatever it starts with.
func withoutComments(v []byte) []byte {
	var kept []byte
	for i, line := range bytes.SplitAfter(v, []byte{'\n'}) {
		if i == 0 || line[0] != '#' {
			kept = append(kept, line...)
		}
	}
	return kept
}

func (s *Stanza) find(name string) *field {
	h := hashName(name)
	for i := range s.fields {
		if f := &s.fields[i]; f.hash == h && equalFold(s.Raw[f.name:f.nameEnd], name) {
			return f
		}
	}
	return nil
}

// nameByte maps each byte that a field name may hold to its lower case, and
// all others to 0.
var nameByte = func() (t [256]byte) {
	for c := byte('!'); c <= '~'; c++ {
		t[c] = c
		if 'A' <= c && c <= 'Z' {
			t[c] = c + 'a' - 'A'
		}
	}
	t[':'] = 0
	return t
}()

// scanName returns the length of the field name that line starts with and the
// hash of its lower case. The hash only has to be quick: names are compared
// where hashes agree, and their number per stanza is limited.
func scanName(line []byte) (n int, hash uint32) {
	for i, c := range line {
		low := nameByte[c]
		if low == 0 {
			return i, hash
		}
		hash = bits.RotateLeft32(hash, 5) ^ uint32(low)*0x9e3779b1
	}
	return len(line), hash
}

func hashName(name string) (hash uint32) {
	for i := range len(name) {
		hash = bits.RotateLeft32(hash, 5) ^ uint32(nameByte[name[i]])*0x9e3779b1
	}
	return hash
}

func equalFold[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if nameByte[c] != nameByte[b[i]] {
			return false
		}
	}
	return true
}
