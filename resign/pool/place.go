package pool

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var componentForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// component is what stands before the slash of a section: contrib/net.
func (p *Pool) component(section string) (string, error) {
	name, _, found := strings.Cut(section, "/")
	switch {
	case !found:
		return p.Component, nil
	case !componentForm.MatchString(name):
		return "", fmt.Errorf("section %.100q names no component", section)
	}
	return name, nil
}

// place is the folder of a source package's files, with a slash at its end: main/h/hello/, main/libh/libhello/.
func place(component, source string) string {
	prefix := source[:1]
	if strings.HasPrefix(source, "lib") && len(source) > 3 {
		prefix = source[:4]
	}
	return path.Join(component, prefix, source) + "/"
}

// maxName is the longest part of a path in bytes: file systems have no longer ones, and paths of some thousand bytes would
// keep every suite from being built.
const maxName = 255

func checkPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if len(part) > maxName {
			return fmt.Errorf("name and version would make the file name %.40s..., which has %d bytes, more than %d", part, len(part), maxName)
		}
	}
	return nil
}

// folder is the part of a path up to and with the last slash.
func folder(p string) string { return p[:strings.LastIndexByte(p, '/')+1] }

func withoutEpoch(version string) string {
	if _, rest, found := strings.Cut(version, ":"); found {
		return rest
	}
	return version
}
