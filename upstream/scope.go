package upstream

import (
	"path"
	"strings"
)

// inScope says whether a file that Release lists is part of the mirror: not
// when it belongs to a component or an architecture that is not configured.
func (a *Archive) inScope(suite, file string) bool {
	if !strings.HasSuffix(suite, "/") && strings.Contains(file, "/") && !a.hasComponent(file) {
		return false
	}
	arch, ok := architectureOf(file)
	return !ok || a.wantsArchitecture(arch)
}

func (a *Archive) hasComponent(file string) bool {
	for _, c := range a.Components {
		// A security archive may call its components "updates/main" and keep
		// them under "main".
		if strings.HasPrefix(file, c+"/") || strings.HasPrefix(file, path.Base(c)+"/") {
			return true
		}
	}
	return false
}

// namedPrefixes begin the file names that have an architecture in them.
var namedPrefixes = []string{"Contents-udeb-", "Contents-", "Components-", "Commands-"}

// architectureOf finds the architecture in the names that archives use:
// binary-ARCH/, installer-ARCH/, source/, Contents-ARCH, Components-ARCH.yml.
func architectureOf(file string) (arch string, ok bool) {
	dir, base := path.Split(file)
	for part := range strings.SplitSeq(dir, "/") {
		for _, prefix := range []string{"binary-", "installer-"} {
			if arch, ok := strings.CutPrefix(part, prefix); ok {
				return arch, true
			}
		}
		if part == "source" {
			return part, true
		}
	}
	for _, prefix := range namedPrefixes {
		if rest, ok := strings.CutPrefix(base, prefix); ok {
			arch, _, _ := strings.Cut(rest, ".")
			return arch, true
		}
	}
	return "", false
}
