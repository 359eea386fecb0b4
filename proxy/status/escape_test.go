package status

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
)

// written is a page on which everything that comes from outside is text.
func written(t testing.TB, text string) string {
	t.Helper()
	s := calm()
	x := suite("debian", text, 3)
	x.Held = &admin.Held{Since: noon, What: text}
	x.Error, x.Advice, x.Warning = text, text, text
	s.Suites = append(s.Suites, x)
	s.Mirrors[0] = Mirror{text, text, noon.Add(time.Hour), text}
	s.Access.Problem, s.Access.Warnings, s.Access.Restart = text, []string{text}, []string{text}
	s.Expiries = append(s.Expiries, Expiry{SiteKey, text, noon})
	s.Running = []Work{{Job: admin.Job{Kind: text, Names: []string{text}, By: text}, Text: text}}
	s.Finished = []admin.Job{{Kind: text, Names: []string{text}, Error: text, Started: noon, Finished: noon}, {Kind: "gc", Summary: text, Started: noon, Finished: noon}}
	s.Rings = []Ring{{Repository: text, Suite: text, From: text, Snapshot: text}}
	s.Snapshots = []Snapshot{{Name: text, By: text, Comment: text}}
	s.Version, s.Name = text, text
	b := &Board{Config: Config{Now: func() time.Time { return noon }}, traffic: newTraffic(), clients: newClients()}
	b.clients.seen(Request{Identity: identity.Identity{Name: text, NotAfter: noon}}, noon)
	b.clients.refused(text, identity.Expired, text, noon)
	var page strings.Builder
	if err := pageTemplate.Execute(&page, b.view(s)); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

// structure lists the elements of a page with the names of their attributes,
// and fails where they are not balanced.
func structure(t testing.TB, page string) (elements []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, page)
		}
		if e, ok := token.(xml.StartElement); ok {
			name := e.Name.Local
			for _, a := range e.Attr {
				name += " " + a.Name.Local
			}
			elements = append(elements, name)
		}
	}
}

// Whatever stands in a text, the page has the elements that it has with a
// harmless one.
func FuzzPageEscapes(f *testing.F) {
	for _, evil := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "' onmouseover='alert(1)", "</style></title></svg>", "{{.}}", "javascript:alert(1)",
		"&lt;b&gt;", "<!--", "]]>", "\u202e", "\xff\xfe", "\x00", "line\nbreak", "<a href=//evil.example.org>", "aptmirror sync; rm -rf /",
	} {
		f.Add(evil)
	}
	harmless := structure(f, written(f, "harmless"))
	f.Fuzz(func(t *testing.T, text string) {
		if strings.TrimSpace(text) == "" || !isXML(text) {
			return
		}
		if !slices.Equal(structure(t, written(t, text)), harmless) {
			t.Errorf("the page has other elements with %q", text)
		}
	})
}

// isXML leaves out what no decoder of XML takes, though browsers do.
func isXML(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == '\ufffd' || r == '\ufffe' || r == '\uffff' || r == 0x7f
	}) < 0
}
