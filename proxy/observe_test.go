package proxy

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// watched collects what a server says of its requests.
type watched struct{ all chan Served }

func (s *site) watch() *watched {
	w := &watched{make(chan Served, 100)}
	s.server.Observe = func(served Served) { w.all <- served }
	return w
}

// next gives what the next request came to, without what differs from run to run.
func (w *watched) next(t *testing.T) Served {
	t.Helper()
	select {
	case served := <-w.all:
		if served.Peer == "" || (served.Refused == "") != (served.Why == "") {
			t.Errorf("peer %q, refused for %q: %q", served.Peer, served.Refused, served.Why)
		}
		served.Identity, served.Peer, served.Why = identity.Identity{Name: served.Identity.Name}, "", ""
		return served
	case <-time.After(patience):
		t.Fatal("nothing was observed")
		return Served{}
	}
}

func TestEveryRequestIsObserved(t *testing.T) {
	s, u := uploadSite(t)
	w := s.watch()
	s.example()
	s.withStatus()
	cold, whole := pattern(100_000, 11), pattern(100_000, 12)
	index := pattern(5_000, 2)
	byHash := "dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob.Sum(index).String()
	s.publish("more", "sid", map[string]file{
		"pool/cold.deb":  {kind: catalog.KindPackage, body: cold, absent: true},
		"pool/whole.deb": {kind: catalog.KindPackage, body: whole, absent: true},
		"pool/lost.deb":  {kind: catalog.KindPackage, body: []byte("lost"), absent: true},
	})
	s.filler.give(cold)
	s.filler.set(whole, source{err: blob.ErrNoSpace})
	s.server.Pass = func(context.Context, catalog.File) (blob.Stream, error) {
		return &passing{body: whole, sends: -1}, nil
	}
	u.refuse(&UploadError{422, "bad"}, false)
	a, root := identity.Identity{Name: "dns:a.example.org"}, identity.Identity{Name: "dns:root.example.org"}
	watcher, maker := identity.Identity{Name: "dns:watcher.example.org"}, identity.Identity{Name: "dns:maker.example.org"}
	for _, test := range []struct {
		who  identity.Identity
		path string
		want Served
	}{
		{a, "/debian/" + inRelease, Served{Repository: "debian", Suite: "bookworm", Class: ClassRelease, Outcome: OutcomeHit, Status: 200, Bytes: 16}},
		{a, "/debian/" + packages, Served{Repository: "debian", Suite: "bookworm", Class: ClassIndex, Outcome: OutcomeHit, Status: 200, Bytes: 5_000}},
		{a, "/debian/" + byHash, Served{Repository: "debian", Suite: "bookworm", Class: ClassByHash, Outcome: OutcomeHit, Status: 200, Bytes: 5_000}},
		{a, "/debian/" + deb, Served{Repository: "debian", Suite: "bookworm", Class: ClassPackage, Outcome: OutcomeHit, Status: 200, Bytes: 300_000}},
		{root, "/more/pool/cold.deb", Served{Repository: "more", Suite: "sid", Class: ClassPackage, Outcome: OutcomeFill, Status: 200, Bytes: 100_000}},
		{root, "/more/pool/whole.deb", Served{Repository: "more", Suite: "sid", Class: ClassPackage, Outcome: OutcomePass, Status: 200, Bytes: 100_000}},
		{root, "/more/pool/lost.deb", Served{Repository: "more", Suite: "sid", Class: ClassPackage, Outcome: OutcomeFill, Status: 404, Bytes: 38}},
		{a, "/debian/nothing", Served{Class: ClassNone, Outcome: OutcomeNone, Status: 404, Bytes: 22}},
		{a, "/secret/" + inRelease, Served{Class: ClassNone, Outcome: OutcomeNone, Status: 403, Refused: identity.NotAuthorised}},
		{identity.Identity{}, "/debian/" + inRelease, Served{Class: ClassNone, Outcome: OutcomeNone, Status: 403, Refused: identity.NoCertificate}},
		{a, "/debian%2f", Served{Class: ClassNone, Outcome: OutcomeNone, Status: 400}},
		{watcher, "/-/status", Served{Class: ClassPage, Outcome: OutcomeNone, Status: 200, Bytes: 12_000}},
		{a, "/-/status", Served{Class: ClassPage, Outcome: OutcomeNone, Status: 403, Refused: identity.NotAuthorised}},
	} {
		c := s.dial(nil)
		if test.who.Name != "" {
			c = s.dial(s.client(test.who.Name[len("dns:"):]))
		}
		c.get(test.path)
		test.want.Identity = test.who
		if diff := cmp.Diff(test.want, w.next(t)); diff != "" {
			t.Errorf("%s asks for %s:\n%s", test.who, test.path, diff)
		}
	}
	s.dial(s.client("maker.example.org")).put("/-/upload/internal/a.deb", "12345")
	want := Served{Identity: maker, Class: ClassUpload, Outcome: OutcomeNone, Status: 422, Bytes: 5}
	if diff := cmp.Diff(want, w.next(t)); diff != "" {
		t.Errorf("upload:\n%s", diff)
	}
}

func TestAnswersThatEndEarlyAreObserved(t *testing.T) {
	s, body := awaited(t)
	w := s.watch()
	s.filler.set(body, source{err: blob.ErrNoSpace})
	s.server.Pass = func(context.Context, catalog.File) (blob.Stream, error) {
		return &passing{body: body, sends: 100_000}, nil
	}
	s.get("a.example.org", "/debian/"+deb)
	if got := w.next(t); !got.Cut || got.Left || got.Outcome != OutcomePass || got.Bytes != 100_000 {
		t.Errorf("got %+v", got)
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	s := newSite(t)
	s.example()
	for range 3 {
		c := s.dial(s.client("a.example.org"))
		c.get("/debian/" + inRelease)
	}
	c := s.dial(s.client("a.example.org"))
	c.get("/debian/" + inRelease)
	bad := must(net.Dial("tcp", s.address))(t)
	io.WriteString(bad, "GET / HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n")
	answer, err := io.ReadAll(bad)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 this server speaks HTTPS alone") {
		t.Errorf("without TLS: %q, %v", answer, err)
	}
	bad.Close()
	s.log.await(t, "TLS handshake error", 1)
	c.Close()
	eventually(t, "the connections are counted", func() bool {
		return s.server.Connections() == Connections{Open: 3, Accepted: 5, Handshakes: 4, FailedHandshakes: 1}
	})
}
