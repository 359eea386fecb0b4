package aptsources

import (
	"errors"
	"strings"

	"aptmirror/upstream/deb822"
)

// stanzas reads the deb822 format. The text is cut at its empty lines first, so that a fault ends one stanza and not the
// file.
func (r *reader) stanzas(path, text string) {
	var chunk []string
	number := 0
	for line := range strings.SplitSeq(text+"\n", "\n") {
		number++
		if line != "" {
			chunk = append(chunk, line)
			continue
		}
		if len(chunk) > 0 {
			r.stanza(path, number-len(chunk), strings.Join(chunk, "\n"))
		}
		chunk = chunk[:0]
	}
}

// stanza reads lines without an empty one between them; the first is the given line of the file.
func (r *reader) stanza(path string, first int, text string) {
	sc := deb822.NewBytesScanner([]byte(text), deb822.Limits{StanzaBytes: maxFile})
	sc.AllowComments()
	if sc.Scan() {
		r.add(path, first+sc.Stanza().Line-1, fromStanza(sc.Stanza()))
		return
	}
	if e, ok := errors.AsType[*deb822.SyntaxError](sc.Err()); ok {
		r.skip(path, first+e.Line-1, "%s", e.Msg)
	}
}

// optionFields are the fields that are options in the one-line format, with their names there.
var optionFields = []struct{ field, option string }{
	{"Architectures", "arch"},
	{"Architectures-Add", "arch+"},
	{"Architectures-Remove", "arch-"},
	{"Languages", "lang"},
	{"Languages-Add", "lang+"},
	{"Languages-Remove", "lang-"},
	{"Signed-By", "signed-by"},
	{"Trusted", "trusted"},
	{"Enabled", "enabled"},
}

func fromStanza(s *deb822.Stanza) entry {
	e := entry{
		types:      fieldWords(s, "Types"),
		uris:       fieldWords(s, "URIs"),
		suites:     fieldWords(s, "Suites"),
		components: fieldWords(s, "Components"),
		options:    map[string]string{},
	}
	for _, f := range optionFields {
		if v, ok := s.Get(f.field); ok {
			e.options[f.option] = string(v)
		}
	}
	return e
}

func fieldWords(s *deb822.Stanza, name string) []string {
	v, _ := s.Get(name)
	return strings.FieldsFunc(string(v), isBlank)
}

func isBlank(r rune) bool { return strings.ContainsRune(blanks, r) }
