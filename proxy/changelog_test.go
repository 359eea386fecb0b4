package proxy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/catalog"
)

// changes has what its map has, by "REPOSITORY/PATH"; all is in suite bookworm.
type changes map[string]string

func (c changes) Changelog(_ context.Context, repository, path string, may func(string) bool) (Changelog, error) {
	if path == "broken" {
		return Changelog{}, errors.New("the store is closed")
	}
	if text, ok := c[repository+"/"+path]; ok && may("bookworm") {
		return Changelog{[]byte(text), time.Unix(1e9, 0)}, nil
	}
	return Changelog{}, &UnknownChangelogError{"no package here is built from it"}
}

func TestChangelogsAreServedToWhoMayReadTheRepository(t *testing.T) {
	s := newSiteWith(t, func(s *Server) {
		s.Snapshots = states{"debian/june": "debian/snapshot/june"}
		s.Changelogs = changes{"debian/main/a/apt/apt_1+b~": "news", "debian/snapshot/june/main/a/apt/apt_1": "June's news", "secret/x": "secret"}
	})
	s.example()
	s.publish("debian/snapshot/june", "bookworm", map[string]file{inRelease: {kind: catalog.KindRelease, body: []byte("Origin: june\n")}})
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/debian/changelogs/main/a/apt/apt_1%2bb~_changelog":          {200, "news"},
		"/debian/snapshot/june/changelogs/main/a/apt/apt_1_changelog": {200, "June's news"},
		"/debian/changelogs/main/a/apt/apt_2_changelog":               {404, "no package here is built from it"},
		"/debian/changelogs/main/a/apt/apt_1":                         {404, "no such file"},
		"/debian/changelogs/broken_changelog":                         {503, "try again later"},
		"/secret/changelogs/x_changelog":                              {403, "read secret"},
	} {
		a := s.dial(s.client("a.example.org")).get(path)
		if a.code != want.code || !strings.Contains(a.body, want.text) {
			t.Errorf("%s: %s %q, want %d %q", path, a.status, a.body, want.code, want.text)
		}
	}
}

func TestTheHeaderOfAChangelog(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.Changelogs = changes{"debian/x": "news"} })
	s.example()
	a := s.dial(s.client("a.example.org")).get("/debian/changelogs/x_changelog")
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT", "Content-Length": "4",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
