package debian

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxEpoch is the largest epoch that dpkg reads.
const maxEpoch = 1<<31 - 1

// Version is a version number in its parts, [Epoch:]Upstream[-Revision], see
// Policy 5.6.12.
type Version struct {
	Epoch    uint32
	Upstream string
	Revision string // "" without one, which is equal to "0"
}

var (
	errVersionEpoch    = errors.New("the epoch before the colon is no number")
	errVersionStart    = errors.New("the upstream version does not start with a digit")
	errVersionRevision = errors.New("nothing after the last hyphen")
	errVersionChars    = errors.New("a character that is no letter, no digit and not one of .+-~: where allowed")
)

// ParseVersion splits a version number and checks it as dpkg does for a new
// package.
func ParseVersion(s string) (Version, error) {
	v, err := parseVersion(s)
	if err != nil {
		return Version{}, fmt.Errorf("parsing version %.100q: %w", s, err)
	}
	return v, nil
}

func parseVersion(s string) (Version, error) {
	epoch, upstream, revision := splitVersion(s)
	v := Version{Upstream: upstream, Revision: revision}
	if strings.Contains(s, ":") {
		n, err := strconv.ParseUint(epoch, 10, 32)
		if err != nil || n > maxEpoch {
			return v, errVersionEpoch
		}
		v.Epoch = uint32(n)
	}
	switch {
	case upstream == "" || upstream[0] < '0' || upstream[0] > '9':
		return v, errVersionStart
	case strings.HasSuffix(s, "-"):
		return v, errVersionRevision
	case !consistsOf(upstream, versionChar) || !consistsOf(revision, revisionChar):
		return v, errVersionChars
	}
	return v, nil
}

// checkVersion wants only what keeps a version harmless in paths and on
// terminals: archives carry some that dpkg would not build today.
func checkVersion(s string) error {
	if s == "" || !consistsOf(s, versionChar) {
		return fmt.Errorf("version %.100q: %w", s, errVersionChars)
	}
	return nil
}

// String puts the parts together as dpkg prints them: without an epoch of 0,
// unless a colon in the upstream version would then be taken for its end.
func (v Version) String() string {
	s := v.Upstream
	if v.Epoch != 0 || strings.Contains(s, ":") {
		s = strconv.FormatUint(uint64(v.Epoch), 10) + ":" + s
	}
	if v.Revision != "" {
		s += "-" + v.Revision
	}
	return s
}

// Compare is CompareVersions for versions that are split already.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Epoch, w.Epoch), comparePart(v.Upstream, w.Upstream), comparePart(v.Revision, w.Revision))
}

// CompareVersions returns a negative number, 0 or a positive number as a is
// earlier than, equal to or later than b in dpkg's order. It orders strings that
// are no versions too, consistently: what stands before a colon counts as the
// epoch only where it is a number.
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	epochA, upstreamA, revisionA := splitVersion(a)
	epochB, upstreamB, revisionB := splitVersion(b)
	if c := comparePart(epochA, epochB); c != 0 {
		return c
	}
	if c := comparePart(upstreamA, upstreamB); c != 0 {
		return c
	}
	return comparePart(revisionA, revisionB)
}

// splitVersion cuts at the first colon, if only digits stand before it, and at
// the last hyphen.
func splitVersion(s string) (epoch, upstream, revision string) {
	if i := digits(s); i > 0 && i < len(s) && s[i] == ':' {
		epoch, s = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:]
	}
	return epoch, s, ""
}

// digits returns the number of digits that s starts with.
func digits(s string) int {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

// comparePart compares two upstream versions, two revisions, or two numbers of
// any length: by turns a run of other characters, in the order of weight, and a
// run of digits, by value.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		i := 0
		for ; i < len(a) && a[i]-'0' > 9 || i < len(b) && b[i]-'0' > 9; i++ {
			if c := weightAt(a, i) - weightAt(b, i); c != 0 {
				return c
			}
		}
		// Up to i both were the same, so neither is shorter.
		a, b = a[i:], b[i:]
		n, m := digits(a), digits(b)
		if c := compareNumbers(a[:n], b[:m]); c != 0 {
			return c
		}
		a, b = a[n:], b[m:]
	}
	return 0
}

// weightAt gives each character that is no digit its place: a tilde comes before
// the end of the string, letters after it, and everything else after letters.
// Digits weigh as much as the end, because there the run ends as well.
func weightAt(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	switch c := s[i]; {
	case c == '~':
		return -1
	case c-'0' <= 9:
		return 0
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return int(c)
	default:
		return int(c) + 256
	}
}

// compareNumbers compares runs of digits by value, whatever their length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
