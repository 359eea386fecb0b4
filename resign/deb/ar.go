package deb

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic    = "!<arch>\n"
	headerSize = 60
	// maxMembers is the number of members above which a package is refused; there are three, and signatures.
	maxMembers = 16
)

// member is one member of an ar archive.
type member struct {
	name         string
	offset, size int64 // of its bytes, without header and padding
}

// readMembers reads the headers of an ar archive, which must account for every byte of the file:
//
//	name[16] date[12] user[6] group[6] mode[8] size[10] "`\n"
//
// Numbers are digits with blanks behind them. A member of odd size is followed by a newline.
func readMembers(r io.ReaderAt, size int64) (members []member, err error) {
	var magic [len(arMagic)]byte
	if _, err := readAt(r, magic[:], 0, size); err != nil || string(magic[:]) != arMagic {
		return nil, errors.New("not a Debian package: it does not begin as an ar archive")
	}
	known := map[string]bool{}
	for at := int64(len(arMagic)); at < size; {
		m, next, err := readHeader(r, at, size)
		if err != nil {
			return nil, fmt.Errorf("ar member at byte %d: %w", at, err)
		}
		if known[m.name] {
			return nil, fmt.Errorf("ar member at byte %d: a second %s", at, m.name)
		}
		known[m.name] = true
		if members = append(members, m); len(members) > maxMembers {
			return nil, fmt.Errorf("more than %d ar members", maxMembers)
		}
		at = next
	}
	return members, nil
}

// readAt reads all of p, which must lie within the file.
func readAt(r io.ReaderAt, p []byte, at, size int64) (int, error) {
	if at+int64(len(p)) > size {
		return 0, errors.New("the file ends within it")
	}
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		err = nil // io.EOF at the end of the file is none here
	}
	return n, err
}

// readHeader returns a member and where the next one begins.
func readHeader(r io.ReaderAt, at, size int64) (m member, next int64, err error) {
	var h [headerSize]byte
	if _, err := readAt(r, h[:], at, size); err != nil {
		return m, 0, err
	}
	if string(h[58:]) != "`\n" {
		return m, 0, errors.New("its header does not end as one")
	}
	if m.name, err = memberName(string(h[:16])); err != nil {
		return m, 0, err
	}
	for _, field := range []string{string(h[16:28]), string(h[28:34]), string(h[34:40]), string(h[40:48])} {
		if digits := strings.TrimRight(field, " "); strings.Trim(digits, "0123456789") != "" {
			return m, 0, fmt.Errorf("its header has %q where a number belongs", field)
		}
	}
	if m.size, err = memberSize(string(h[48:58])); err != nil {
		return m, 0, err
	}
	m.offset = at + headerSize
	next = m.offset + m.size
	if next > size {
		return m, 0, fmt.Errorf("%s has %d bytes by its header, which is more than the file has", m.name, m.size)
	}
	if m.size%2 == 0 {
		return m, next, nil
	}
	var pad [1]byte
	if _, err := readAt(r, pad[:], next, size); err != nil || pad[0] != '\n' {
		return m, 0, fmt.Errorf("%s has an odd size and no newline behind it", m.name)
	}
	return m, next + 1, nil
}

// memberName reads a name, with or without the slash that GNU ar ends it with. Names of other forms ("#1/20", "//") are
// of no use in a package.
func memberName(field string) (string, error) {
	name := strings.TrimSuffix(strings.TrimRight(field, " "), "/")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") != "" {
		return "", fmt.Errorf("%q is no name of a member", field)
	}
	return name, nil
}

func memberSize(field string) (int64, error) {
	digits := strings.TrimRight(field, " ")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no size", field)
	}
	return strconv.ParseInt(digits, 10, 64)
}
