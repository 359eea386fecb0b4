package policy

import (
	"path"
	"slices"
	"strings"
)

// tuples has the architectures of dpkg whose names do not say their ABI, libc,
// kernel and CPU. Others are put together from their parts, as apt does.
var tuples = map[string]string{
	"arm64ilp32":         "ilp32-gnu-linux-arm64",
	"armel":              "eabi-gnu-linux-arm",
	"armhf":              "eabihf-gnu-linux-arm",
	"kfreebsd-armhf":     "eabihf-gnu-kfreebsd-arm",
	"mips64":             "abi64-gnu-linux-mips64",
	"mips64el":           "abi64-gnu-linux-mips64el",
	"mips64r6":           "abi64-gnu-linux-mips64r6",
	"mips64r6el":         "abi64-gnu-linux-mips64r6el",
	"mipsn32":            "abin32-gnu-linux-mips64",
	"mipsn32el":          "abin32-gnu-linux-mips64el",
	"mipsn32r6":          "abin32-gnu-linux-mips64r6",
	"mipsn32r6el":        "abin32-gnu-linux-mips64r6el",
	"musl-linux-armhf":   "eabihf-musl-linux-arm",
	"powerpcspe":         "spe-gnu-linux-powerpc",
	"uclibc-linux-armel": "eabi-uclibc-linux-arm",
	"uclinux-armel":      "eabi-uclibc-uclinux-arm",
	"x32":                "x32-gnu-linux-amd64",
}

// libcs has the kernels whose libc is not GNU's.
var libcs = map[string]string{
	"aix": "sysv", "solaris": "sysv", "uclinux": "uclibc", "mint": "tos",
	"darwin": "bsd", "dragonflybsd": "bsd", "freebsd": "bsd", "netbsd": "bsd", "openbsd": "bsd",
}

// archSpec is the argument of ?architecture: a name, or one with "any" in the
// place of a part (Policy 11.1).
type archSpec struct {
	literal string
	tuple   string // with * for any
}

func newArchSpec(spec string) archSpec {
	parts := strings.Split(spec, "-")
	if !slices.Contains(parts, "any") && !strings.Contains(spec, "*") {
		return archSpec{spec, archTuple(spec)}
	}
	for len(parts) < 4 {
		parts = append([]string{"any"}, parts...)
	}
	for i, part := range parts {
		if part == "any" {
			parts[i] = "*"
		}
	}
	return archSpec{spec, strings.Join(parts, "-")}
}

func (a archSpec) matches(arch string) bool {
	if arch == a.literal {
		return true
	}
	// Architectures have no slash, so that path.Match is fnmatch(3) here.
	ok, err := path.Match(a.tuple, archTuple(arch))
	return ok && err == nil
}

// archTuple gives ABI, libc, kernel and CPU of an architecture, with hyphens
// between them.
func archTuple(arch string) string {
	arch = strings.TrimPrefix(arch, "linux-")
	if t, ok := tuples[arch]; ok {
		return t
	}
	parts := strings.Split(arch, "-")
	switch len(parts) {
	case 1:
		return "base-gnu-linux-" + arch
	case 2:
		libc := libcs[parts[0]]
		if libc == "" {
			libc = "gnu"
		}
		return "base-" + libc + "-" + arch
	case 3:
		return "base-" + arch
	}
	return arch
}
