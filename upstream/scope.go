package upstream

import (
	"path"
	"slices"
	"strings"

	"aptmirror/upstream/debian"
)

// scope decides which of the files that a Release lists are part of the mirror.
type scope struct {
	archive *Archive
	release *debian.Release
	flat    bool
}

// has is false for what belongs to a component or an architecture that is not
// configured. A name that is not understood is part of the mirror: some client
// may want it, and it costs nothing until then. What Release says of itself is
// older than itself; apt-ftparchive puts that there, and apt never looks at it.
func (s scope) has(file string) bool {
	if file == "Release" || file == "InRelease" || file == "Release.gpg" {
		return false
	}
	if !s.flat && !s.hasComponent(file) {
		return false
	}
	arch, ok := architectureIn(file)
	if !ok {
		arch, ok = s.architectureAtEnd(file)
	}
	return !ok || s.archive.wantsArchitecture(arch)
}

func (s scope) hasComponent(file string) bool {
	return inAny(file, s.archive.Components) || !inAny(file, s.release.Components)
}

// inAny says whether a file is in the folder of one of the components. A
// security archive may call them "updates/main" and keep them under "main".
func inAny(file string, components []string) bool {
	return slices.ContainsFunc(components, func(c string) bool {
		return strings.HasPrefix(file, c+"/") || strings.HasPrefix(file, path.Base(c)+"/")
	})
}

// architectureIn finds the architecture that a folder is for: binary-ARCH,
// installer-ARCH, source.
func architectureIn(file string) (arch string, ok bool) {
	for part := range strings.SplitSeq(path.Dir(file), "/") {
		for _, prefix := range []string{"binary-", "installer-"} {
			if arch, ok := strings.CutPrefix(part, prefix); ok {
				return arch, true
			}
		}
		if part == "source" {
			return part, true
		}
	}
	return "", false
}

// namedPrefixes begin the names of files and folders that end in an
// architecture; the longer of two that begin alike comes first.
var namedPrefixes = []string{"Contents-udeb-", "Contents-", "Components-", "Commands-", "CID-Index-"}

// architectureAtEnd finds it in names like Contents-ARCH.gz,
// Components-ARCH.yml.xz and Contents-ARCH.diff/Index. What stands there counts
// only where Release knows it as an architecture.
func (s scope) architectureAtEnd(file string) (arch string, ok bool) {
	for part := range strings.SplitSeq(file, "/") {
		for _, prefix := range namedPrefixes {
			if rest, ok := strings.CutPrefix(part, prefix); ok {
				arch, _, _ := strings.Cut(rest, ".")
				return arch, s.isArchitecture(arch)
			}
		}
	}
	return "", false
}

func (s scope) isArchitecture(name string) bool {
	return name == "all" || name == "source" || len(s.release.Architectures) == 0 || slices.Contains(s.release.Architectures, name)
}
