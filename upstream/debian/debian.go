// Package debian gives meaning to the control data of archives: Release files,
// the stanzas of Packages and Sources, dates, versions, relations and paths.
//
// It follows the rules of apt and dpkg, and is stricter where apt is lax: what
// two readers could take differently (a field or path that occurs twice, a
// foreign time zone, control bytes) is an error here. Nothing is checked against
// a clock or a digest, and no signature is looked at: callers pass only text
// that is verified already.
//
// Paths that come out of this package went through CleanPath: they are relative,
// stay below the archive's base and are equal when they name the same file.
package debian

import (
	"encoding/hex"
	"errors"
	"fmt"

	"aptmirror/upstream/deb822"
)

// maxSize keeps file sizes exact where they travel as JSON numbers, and far
// from overflow where they are added up.
const maxSize = 1<<53 - 1

// inField says where a bad value stands.
func inField(f deb822.Field, err error) error {
	return inLine(f, f.Line, err)
}

// inLine is inField for a value of several lines.
func inLine(f deb822.Field, line int, err error) error {
	return fmt.Errorf("line %d: field %s: %w", line, f.Name, err)
}

var errNoValue = errors.New("no value")

// need returns a field that must be there with a value.
func need(s *deb822.Stanza, name string) (deb822.Field, error) {
	f, ok := s.Lookup(name)
	if !ok {
		return f, fmt.Errorf("line %d: stanza without field %s", s.Line, name)
	}
	if len(f.Value) == 0 {
		return f, inField(f, errNoValue)
	}
	return f, nil
}

// parseSize reads a file size in bytes: decimal digits only.
func parseSize(v []byte) (int64, error) {
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' || n > maxSize/10 {
			n = maxSize + 1
			break
		}
		n = n*10 + int64(c-'0')
	}
	if n > maxSize || len(v) == 0 {
		return 0, fmt.Errorf("size %.40q is no number of bytes below 2^53", v)
	}
	return n, nil
}

// parseHash reads hexadecimal digits of either case into dst, whose length is
// that of the hash.
func parseHash(dst, v []byte) error {
	if len(v) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("hash %.140q has %d digits instead of %d", v, len(v), hex.EncodedLen(len(dst)))
	}
	if _, err := hex.Decode(dst, v); err != nil {
		return fmt.Errorf("hash %q is not hexadecimal", v)
	}
	return nil
}
