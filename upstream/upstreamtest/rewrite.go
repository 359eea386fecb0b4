package upstreamtest

import (
	"bytes"
	"strings"
)

// WithoutFields gives a Suite.Rewrite that takes fields out of the stanzas of packages, by the package's name.
func WithoutFields(fields map[string][]string) func(string, []byte) []byte {
	return func(_ string, text []byte) []byte {
		var out bytes.Buffer
		for stanza := range strings.SplitSeq(string(text), "\n\n") {
			first, _, _ := strings.Cut(stanza, "\n")
			for _, field := range fields[strings.TrimPrefix(first, "Package: ")] {
				stanza = withoutField(stanza, field)
			}
			out.WriteString(stanza)
			if strings.Trim(stanza, "\n") != "" {
				out.WriteString("\n\n")
			}
		}
		return out.Bytes()
	}
}

// withoutField drops the line of a field and those that continue it.
func withoutField(stanza, field string) string {
	var out strings.Builder
	inside := false
	for line := range strings.Lines(stanza) {
		inside = strings.HasPrefix(line, field+":") || inside && strings.HasPrefix(line, " ")
		if !inside {
			out.WriteString(line)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}
