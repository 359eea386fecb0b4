package proxy

import (
	"strings"
	"testing"

	"aptmirror/cache/catalog"
)

// apt shows a person the status line alone.
func TestWhatIsLeftOutSaysWhy(t *testing.T) {
	s := newSite(t)
	s.publish("debian", "bookworm", map[string]file{"pool/a.deb": {kind: catalog.KindPackage, body: []byte("a")}},
		catalog.LeftOut{Path: "pool/disputed.deb", Why: catalog.Disputed}, catalog.LeftOut{Path: "pool/weak.deb", Why: catalog.NoDigest})
	for path, want := range map[string]string{"disputed": "404 nobody can verify this file: in the archive's index it is named with different contents", "weak": "without SHA-256 and SHA-512", "other": "404 Not Found"} {
		if a := s.dial(s.client("a.example.org")).get("/debian/pool/" + path + ".deb"); !strings.Contains(a.status, want) {
			t.Errorf("%s: %s, want %q", path, a.status, want)
		}
	}
}
