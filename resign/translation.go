package resign

import (
	"context"
	"fmt"

	"aptmirror/upstream/deb822"
)

// description says which long description a package has: apt looks it up by
// name and by the MD5 of the English text.
type description struct{ name, md5 string }

// filterTranslation appends the descriptions of what remains. Of several for
// one package, as several inputs have, the first stays: seen has those.
func filterTranslation(ctx context.Context, p *packer, text []byte, keep func(description) bool, seen map[description]bool) error {
	sc := deb822.NewBytesScanner(text, deb822.Limits{})
	for sc.Scan() {
		s := sc.Stanza()
		name, _ := s.Get("Package")
		md5, _ := s.Get("Description-md5")
		d := description{string(name), string(md5)}
		if seen[d] || !keep(d) {
			continue
		}
		seen[d] = true
		p.add(d.name, s.Raw, newline)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("translations: %w", err)
	}
	return nil
}

var newline = []byte{'\n'}
