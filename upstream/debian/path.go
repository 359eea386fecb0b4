package debian

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPathBytes is the longest path that file systems and URLs can be expected
// to carry; longer ones are refused.
const maxPathBytes = 4096

var (
	errEmptyPath    = errors.New("empty path")
	errAbsolutePath = errors.New("path is absolute")
	errParentPath   = errors.New(`path has a ".." segment`)
	errEmptySegment = errors.New("path has an empty segment")
	errNoFile       = errors.New("path names no file")
)

// CleanPath checks the path of an index or package as an archive names it and
// returns its one spelling: "." segments are taken out, as flat archives write
// "./x.deb". Refused are paths that are empty, absolute or longer than 4096
// bytes, segments that are empty or "..", backslashes, control characters and
// invalid UTF-8. A path that is clean already comes back without a copy.
func CleanPath(p string) (string, error) {
	if p == "" {
		return "", errEmptyPath
	}
	if len(p) > maxPathBytes {
		return "", fmt.Errorf("path %.40q... is longer than %d bytes", p, maxPathBytes)
	}
	if p[0] == '/' {
		return "", fmt.Errorf("%w: %q", errAbsolutePath, p)
	}
	if err := checkPathBytes(p); err != nil {
		return "", err
	}
	return cleanSegments(p)
}

func checkPathBytes(p string) error {
	ascii := true
	for i := range len(p) {
		c := p[i]
		if c < ' ' || c == 0x7f || c == '\\' {
			return fmt.Errorf("path %q has the byte 0x%02x", p, c)
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return nil
	}
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return fmt.Errorf("path %q has control characters or is not UTF-8", p)
	}
	return nil
}

func cleanSegments(p string) (string, error) {
	dots := false
	for segment := range strings.SplitSeq(p, "/") {
		switch segment {
		case "":
			return "", fmt.Errorf("%w: %q", errEmptySegment, p)
		case "..":
			return "", fmt.Errorf("%w: %q", errParentPath, p)
		case ".":
			dots = true
		}
	}
	if !dots {
		return p, nil
	}
	segments := strings.Split(p, "/")
	if segments[len(segments)-1] == "." {
		return "", fmt.Errorf("%w: %q", errNoFile, p)
	}
	return strings.Join(slices.DeleteFunc(segments, func(s string) bool { return s == "." }), "/"), nil
}
