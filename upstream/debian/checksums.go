package debian

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

const (
	// MaxChecksumsBytes bounds a SHA256SUMS; those of the installer's images have
	// some 60 kB.
	MaxChecksumsBytes = 8 << 20
	// maxChecksums bounds the files that one SHA256SUMS lists; Debian's have some 600.
	maxChecksums = 50_000
)

// Checksum is one line of a SHA256SUMS.
type Checksum struct {
	Path   string // relative to the folder of the SHA256SUMS, clean
	SHA256 [sha256.Size]byte
}

// ParseChecksums reads a SHA256SUMS as sha256sum(1) writes and checks it: on
// each line a hash, a blank, a blank or an asterisk, and the path. Paths occur
// once; names that sha256sum would have to escape are refused, as all are that
// CleanPath refuses. Errors name the line.
func ParseChecksums(text []byte) ([]Checksum, error) {
	if len(text) > MaxChecksumsBytes {
		return nil, fmt.Errorf("parsing SHA256SUMS: longer than %d bytes", MaxChecksumsBytes)
	}
	var sums []Checksum
	seen := map[string]bool{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		c, err := parseChecksum(bytes.TrimSuffix(line, []byte{'\n'}))
		switch {
		case err == nil && seen[c.Path]:
			err = fmt.Errorf("path %s is listed twice", c.Path)
		case err == nil && len(sums) == maxChecksums:
			err = fmt.Errorf("%w: limit of %d", errTooManyFiles, maxChecksums)
		}
		if err != nil {
			return nil, fmt.Errorf("parsing SHA256SUMS: line %d: %w", number, err)
		}
		seen[c.Path] = true
		sums = append(sums, c)
	}
	return sums, nil
}

var errNoChecksum = errors.New("no hash, two blanks and path")

func parseChecksum(line []byte) (c Checksum, err error) {
	const digits = 2 * sha256.Size
	if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' && line[digits+1] != '*' {
		return c, errNoChecksum
	}
	if err := parseHash(c.SHA256[:], line[:digits]); err != nil {
		return c, err
	}
	c.Path, err = CleanPath(string(line[digits+2:]))
	return c, err
}
