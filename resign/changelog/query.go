package changelog

import (
	"fmt"
	"strings"
)

// Query is what apt knows of the changelog that it asks for.
type Query struct {
	Component string // "" in flat archives
	Source    string
	Version   string // of the source, without its epoch
}

func (q Query) String() string { return fmt.Sprintf("source %.80s %.80s", q.Source, q.Version) }

// Path reads what apt puts in the place of @CHANGEPATH@.
func Path(text string) (q Query, ok bool) {
	parts := strings.Split(text, "/")
	if len(parts) < 3 {
		return q, false
	}
	folder := parts[len(parts)-3:]
	q.Component = strings.Join(parts[:len(parts)-3], "/")
	q.Source, q.Version, ok = strings.Cut(folder[2], "_")
	return q, ok && q.Source != "" && q.Version != "" && q.Source == folder[1] && prefixOf(q.Source) == folder[0]
}

// prefixOf is the folder above that of a source package.
func prefixOf(source string) string {
	if strings.HasPrefix(source, "lib") {
		return source[:min(len(source), 4)]
	}
	return source[:1]
}
