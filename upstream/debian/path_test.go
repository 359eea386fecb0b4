package debian

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestCleanPathKeepsAndNormalises(t *testing.T) {
	for in, want := range map[string]string{
		"pool/main/a/a_1_all.deb":         "pool/main/a/a_1_all.deb",
		"./x.deb":                         "x.deb",
		"././x.deb":                       "x.deb",
		"a/./b":                           "a/b",
		"a/./././././b/./c":               "a/b/c",
		"a...b/..c/.d/e..":                "a...b/..c/.d/e..",
		"a b":                             "a b",
		"pool/g++_1%3a2~3+b1.deb":         "pool/g++_1%3a2~3+b1.deb",
		"pool/\u00e4.deb":                 "pool/\u00e4.deb",
		strings.Repeat("a/", 2047) + "ab": strings.Repeat("a/", 2047) + "ab",
	} {
		if got, err := CleanPath(in); err != nil || got != want {
			t.Errorf("CleanPath(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestCleanPathRefuses(t *testing.T) {
	for in, want := range map[string]error{
		"":            errEmptyPath,
		"/":           errAbsolutePath,
		"/etc/passwd": errAbsolutePath,
		"//host/x":    errAbsolutePath,
		"..":          errParentPath,
		"../x":        errParentPath,
		"a/../b":      errParentPath,
		"a/..":        errParentPath,
		"./../x":      errParentPath,
		"a//b":        errEmptySegment,
		"a/":          errEmptySegment,
		".//a":        errEmptySegment,
		".":           errNoFile,
		"./.":         errNoFile,
		"a/.":         errNoFile,
		"./":          errEmptySegment,
	} {
		if got, err := CleanPath(in); !errors.Is(err, want) {
			t.Errorf("CleanPath(%q) = %q, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`a\b`, `..\x`, "a\x00b", "a\nb", "a\x7fb", "a\tb", "a\xffb", "a\x80b", "a\u0085b", strings.Repeat("a", 4097)} {
		if got, err := CleanPath(in); err == nil {
			t.Errorf("CleanPath(%q) = %q, want an error", in, got)
		}
	}
}

func TestCleanPathDoesNotCopyCleanPaths(t *testing.T) {
	p := "pool/main/liba/liba/liba_1.0-1_amd64.deb"
	if n := testing.AllocsPerRun(100, func() { _, _ = CleanPath(p) }); n != 0 {
		t.Errorf("CleanPath allocates %v times", n)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, p := range []string{"a/./b", "./x", "a/../b", "..", "/", "a//b", `\`, "a/./././b", ".", "\u0085"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		got, err := CleanPath(p)
		if err != nil {
			return
		}
		// path.Clean is a second opinion: nothing is left for it to do, and the
		// result is below any directory it is joined to.
		if again, err := CleanPath(got); err != nil || again != got || path.Clean(p) != got || path.Clean(got) != got {
			t.Errorf("CleanPath(%q) = %q, again %q, %v; path.Clean %q", p, got, again, err, path.Clean(p))
		}
		if !strings.HasPrefix(path.Join("/base", got), "/base/") || strings.ContainsAny(got, "\\\x00\n") {
			t.Errorf("CleanPath(%q) = %q leads out of its base", p, got)
		}
	})
}
