package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// minSize is the least number of bytes that a file may name as a size: below it, a unit was forgotten.
const minSize = 1_000_000

// sizeUnits are in the order in which formatSize tries them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TB", 1e12}, {"TiB", 1 << 40}, {"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"kB", 1e3}, {"KiB", 1 << 10},
}

var errNotSize = errors.New(`is not a size: write a number and kB, MB, GB or TB (1000), or KiB, MiB, GiB or TiB (1024), as in "200GB"`)

// ParseSize reads the size in an option: as in the file, but it may have a fraction, as disks do ("4.7GB").
func ParseSize(s string) (int64, error) {
	whole, rest, ok := strings.Cut(s, ".")
	if !ok {
		return parseSize(s)
	}
	unit := strings.TrimLeft(rest, "0123456789")
	n, err := strconv.ParseFloat(whole+"."+strings.TrimSuffix(rest, unit), 64)
	bytes, unitErr := parseSize("1" + unit)
	if err != nil || unitErr != nil || n < 0 || n*float64(bytes) >= math.MaxInt64 {
		return 0, errNotSize
	}
	return int64(n * float64(bytes)), nil
}

// parseSize reads a whole number of bytes with a unit.
func parseSize(s string) (int64, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(digits, " "), 10, 63)
		if err != nil {
			return 0, errNotSize
		}
		if int64(n) > math.MaxInt64/u.bytes {
			return 0, errors.New("is too large")
		}
		return int64(n) * u.bytes, nil
	}
	return 0, errNotSize
}

// formatSize writes what parseSize reads, in the largest unit that leaves no remainder. n must be a whole number of kB or KiB.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return ""
}

func cleanSize(s string) (string, error) {
	n, err := parseSize(s)
	if err != nil {
		return "", fmt.Errorf("%q %w", s, err)
	}
	if n < minSize {
		return "", fmt.Errorf("%q is too small: at least %s", s, formatSize(minSize))
	}
	return s, nil
}
