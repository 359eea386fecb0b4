package proxy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"aptmirror/cache/catalog"
)

// states finds what its map has, by "REPOSITORY/ID".
type states map[string]string

func (s states) Find(_ context.Context, repository, id string) (string, error) {
	if id == "broken" {
		return "", errors.New("the store is closed")
	}
	if served, ok := s[repository+"/"+id]; ok {
		return served, nil
	}
	return "", &UnknownSnapshotError{"no snapshot " + id + " of " + repository + "; there is june, and much more"}
}

func TestSnapshotsAreServedToWhoMayReadTheRepository(t *testing.T) {
	s := newSiteWith(t, func(s *Server) {
		s.Snapshots = states{"debian/june": "debian/snapshot/june", "secret/june": "secret/snapshot/june"}
	})
	s.example()
	for _, repository := range []string{"debian", "secret"} {
		s.publish(repository+"/snapshot/june", "bookworm", map[string]file{
			inRelease: {kind: catalog.KindRelease, body: []byte("Origin: june\n")},
			deb:       {kind: catalog.KindPackage, body: []byte("june's")},
		})
	}
	c := s.dial(s.client("a.example.org"))
	for path, want := range map[string]string{
		"/debian/snapshot/june/" + inRelease:       "Origin: june\n",
		"/debian/snapshot/june/./" + inRelease:     "Origin: june\n",
		"/debian/snapshot/june/" + deb:             "june's",
		"/debian/" + inRelease:                     "Origin: example\n",
		"/debian/snapshot/june/../../" + inRelease: "Origin: example\n",
	} {
		if a := c.get(path); a.code != 200 || a.body != want {
			t.Errorf("%s: %s %q, want %q", path, a.status, a.body, want)
		}
	}
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/debian/snapshot/july/" + inRelease:   {404, "no snapshot july of debian; there is june, and much more"},
		"/debian/snapshot/broken/" + inRelease: {503, "try again later"},
		"/debian/snapshot/june":                {404, "no such file"},
		"/debian/snapshot/":                    {404, "no such file"},
		"/debian/snapshot/june/nothing":        {404, "no such file"},
		"/gone/snapshot/broken/" + inRelease:   {404, `no repository "gone"`},
	} {
		if a := s.dial(s.client("a.example.org")).get(path); a.code != want.code || !strings.Contains(a.status+a.body, want.text) {
			t.Errorf("%s: %s %q, want %d %q", path, a.status, a.body, want.code, want.text)
		}
	}
	for _, path := range []string{"/secret/snapshot/june/" + inRelease, "/secret/snapshot/july/" + inRelease} {
		c := s.dial(s.client("a.example.org"))
		if a := c.get(path); a.code != 403 || strings.Contains(a.body, "june") {
			t.Errorf("%s: %s %q, want 403", path, a.status, a.body)
		}
	}
}

func TestWithoutSnapshotsThePathIsOneLikeAnyOther(t *testing.T) {
	s := newSite(t)
	s.publish("debian", "snapshot/x/", map[string]file{"snapshot/x/Release": {kind: catalog.KindRelease, body: []byte("flat")}})
	if a := s.dial(s.client("a.example.org")).get("/debian/snapshot/x/Release"); a.code != 200 || a.body != "flat" {
		t.Errorf("%s %q", a.status, a.body)
	}
}
