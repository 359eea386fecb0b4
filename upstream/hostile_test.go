package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// siege is an archive that was good once, and what a mirror has of it from then.
type siege struct {
	*mirror
	t              *testing.T
	upstream       *upstreamtest.Archive
	good           catalog.Generation
	stored, wanted upstreamtest.Package // one was fetched while all was well, one was not
	key            *upstreamtest.Key    // that the archive began to sign with
}

// besiege takes in a good generation and one of its two packages, through the
// network or another way.
func besiege(t *testing.T, a *upstreamtest.Archive, way http.RoundTripper) *siege {
	t.Helper()
	s := &siege{t: t, upstream: a, mirror: newMirror(t, a)}
	if way != nil {
		s.archive.URIs = []string{"https://mirror.example.org/debian/"}
		s.fetcherOf(s.archive).client.Transport = way
	}
	s.stored = a.AddPackage(upstreamtest.Package{Name: "stored", Size: 4 * blob.HoldBack})
	s.wanted = a.AddPackage(upstreamtest.Package{Name: "wanted", Size: 4 * blob.HoldBack})
	a.Publish()
	s.good = s.refresh().Generation
	s.holds(s.stored)
	return s
}

// holds reads a package of the good generation.
func (s *siege) holds(p upstreamtest.Package) {
	s.t.Helper()
	if data, err := s.read(s.file(s.good, p.Filename)); err != nil || !bytes.Equal(data, p.Deb) {
		s.t.Errorf("%s: read %d of %d bytes, %v", p.Name, len(data), len(p.Deb), err)
	}
}

// news publishes a state that nobody has taken in.
func (s *siege) news(options ...upstreamtest.Option) {
	s.upstream.AddPackage(upstreamtest.Package{Name: "new"})
	s.upstream.Publish(options...)
}

// unreachable is what is remembered of a failure that is no refusal.
const unreachable Reason = "unreachable"

// isOutcome says whether an error is what is expected.
func isOutcome(err error, want Reason) bool {
	if re := (*RefusedError)(nil); errors.As(err, &re) {
		return re.Reason == want
	}
	return err != nil && want == unreachable
}

// fails refreshes, which must fail and leave the latest generation.
func (s *siege) fails(want Reason, text string) {
	s.t.Helper()
	before, _ := s.Catalog.Latest(s.t.Context(), "test", "stable")
	_, err := s.Refresh(s.t.Context(), s.archive, "stable")
	if !isOutcome(err, want) || !strings.Contains(err.Error(), text) {
		s.t.Errorf("refreshing: %v; want reason %q and %q", err, want, text)
	}
	if after, err := s.Catalog.Latest(s.t.Context(), "test", "stable"); err != nil || after.Number != before.Number || before.Number == 0 {
		s.t.Errorf("generation %d became %d, %v", before.Number, after.Number, err)
	}
	if c := s.check(); c.Reason != string(want) || c.Error == "" {
		s.t.Errorf("remembered %q, %q; want reason %q", c.Reason, c.Error, want)
	}
}

// withholds asks for the package that is not in the store, which must not come
// whole. The reader may learn less than who asks again: the verdict on the file
// comes after the bytes.
func (s *siege) withholds(want Reason, text string) {
	s.t.Helper()
	f := s.file(s.good, s.wanted.Filename)
	if data, err := s.read(f); err == nil || len(data) > len(s.wanted.Deb)-blob.HoldBack {
		s.t.Errorf("%d of %d bytes were delivered, %v", len(data), len(s.wanted.Deb), err)
	}
	s.fills.Wait()
	if _, err := s.read(f); !isOutcome(err, want) || !strings.Contains(err.Error(), text) {
		s.t.Errorf("reading a package: %v; want reason %q and %q", err, want, text)
	}
	if _, err := s.Blobs.Stat(f.Digest); !errors.Is(err, blob.ErrNotFound) {
		s.t.Errorf("in the store: %v", err)
	}
}

// stands proves that everything in the store is what it says, and that clients
// still get what they got before.
func (s *siege) stands() {
	s.t.Helper()
	s.verify()
	s.holds(s.stored)
}

// heals refreshes to a newer generation and reads what could not be had.
func (s *siege) heals() {
	s.t.Helper()
	s.rest()
	s.upstream.AddPackage(upstreamtest.Package{Name: "healed"})
	s.upstream.Publish(upstreamtest.At(s.Now().Add(-time.Minute)))
	if r := s.refresh(); !r.New || r.Generation.Number <= s.good.Number {
		s.t.Errorf("afterwards: generation %d, new %v", r.Generation.Number, r.New)
	}
	if c := s.check(); c.Error != "" || c.Reason != "" || c.Held != nil {
		s.t.Errorf("afterwards the state is %+v", c)
	}
	s.holds(s.wanted)
}

// Every way to answer wrongly, for every kind of file.
func TestHostileAnswers(t *testing.T) {
	for _, tc := range []struct {
		name                string
		fault               upstreamtest.Fault
		release, index, deb Reason
		text                string // of a package
	}{
		{"truncated", upstreamtest.Truncate, unreachable, unreachable, unreachable, "unexpected EOF"},
		{"wrong length", upstreamtest.WrongLength, NotSigned, unreachable, unreachable, "the server has"},
		{"wrong range", upstreamtest.TruncateThenWrongRange, unreachable, unreachable, unreachable, "asked for byte"},
		{"wrong bytes", upstreamtest.WrongBytes, Reason(pgp.BadSignature), WrongContent, WrongContent, "want"},
		{"HTML with 200", upstreamtest.HTML200, Reason(pgp.Unsigned), unreachable, unreachable, "the server has 57 bytes"},
		{"endless", upstreamtest.Endless, Malformed, WrongContent, WrongContent, "wrong size"},
		{"reset", upstreamtest.Reset, unreachable, unreachable, unreachable, "EOF"},
		{"404", upstreamtest.NotFound, unreachable, unreachable, unreachable, "404"},
		{"429 with Retry-After", upstreamtest.Status(http.StatusTooManyRequests, "30"), unreachable, unreachable, unreachable, "429"},
		{"503", upstreamtest.Status(http.StatusServiceUnavailable, ""), unreachable, unreachable, unreachable, "503"},
		{"redirect loop", upstreamtest.RedirectLoop, unreachable, unreachable, unreachable, "5 redirects"},
	} {
		for kind, strike := range map[string]func(*siege){
			"Release": func(s *siege) {
				s.news()
				s.upstream.Fault("dists/stable/*", tc.fault)
				s.fails(tc.release, "archive test, suite stable")
			},
			"index": func(s *siege) {
				s.news()
				dir := "dists/stable/main/binary-" + s.upstream.Arch + "/"
				s.upstream.Fault(dir+"*", tc.fault)
				s.upstream.Fault(dir+"by-hash/SHA256/*", tc.fault)
				s.fails(tc.index, "archive test")
			},
			"package": func(s *siege) {
				s.upstream.Fault("*.deb", tc.fault)
				s.withholds(tc.deb, tc.text)
			},
		} {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				s := besiege(t, upstreamtest.New(t), nil)
				strike(s)
				s.stands()
				s.upstream.ClearFaults()
				s.heals()
			})
		}
	}
}

// States that an archive, or somebody between, must not be believed in. Each is
// brought about after a good one; undo is what apart from a newer publication
// makes all well.
func TestHostileStates(t *testing.T) {
	nothing := func(*siege) {}
	for _, tc := range []struct {
		name         string
		attack, undo func(s *siege)
		reason       Reason
		text         string
	}{
		{"replayed", func(s *siege) { s.news(); s.refresh(); s.upstream.Replay(1) }, nothing, RolledBack, "older than"},
		{"two ages, Release behind", func(s *siege) {
			old := s.upstream.Get("dists/stable/InRelease")
			s.news()
			s.refresh()
			s.upstream.Fault("InRelease", serving(old))
		}, nothing, RolledBack, "older than"},
		{"two ages, indexes behind", func(s *siege) {
			s.upstream.Suite.AcquireByHash = false
			index := "dists/stable/main/binary-" + s.upstream.Arch + "/Packages.xz"
			s.upstream.Fault(index, serving(s.upstream.Get(index)))
			s.news()
		}, nothing, unreachable, "in the middle of an update"},
		{"frozen", func(s *siege) {
			s.archive.MaxAge = 24 * time.Hour
			s.upstream.Fault("InRelease", upstreamtest.Always304)
			s.at(time.Now().Add(25 * time.Hour))
		}, nothing, Frozen, "max_age"},
		{"expired", func(s *siege) {
			s.upstream.Suite.ValidUntil = time.Now().Add(time.Hour)
			s.news()
			s.at(time.Now().Add(2 * time.Hour))
		}, func(s *siege) { s.upstream.Suite.ValidUntil = time.Time{} }, Expired, "valid until"},
		{"equivocating", func(s *siege) { s.news(upstreamtest.At(s.good.Date)) }, nothing, Equivocating, "two versions"},
		{"info changed", func(s *siege) { s.upstream.Suite.Origin = "Other"; s.news() }, func(s *siege) { s.upstream.Suite.Origin = "Example" }, InfoChanged, "Origin"},
		{"re-keyed", func(s *siege) {
			s.key = upstreamtest.NewKey(s.t)
			s.upstream.SignWith(s.key)
			s.news()
		}, func(s *siege) {
			s.upstream.Trust(s.key)
			s.archive.Keyring, _ = pgp.LoadKeyring(s.upstream.KeyringFile()) // heals tells if not
		}, Reason(pgp.UnknownKey), "unknown-key"},
		{"unsigned", func(s *siege) { s.news(upstreamtest.Unsigned()) }, nothing, Reason(pgp.Unsigned), "unsigned"},
		{"tampered", func(s *siege) { s.news(upstreamtest.Tampered()) }, nothing, Reason(pgp.BadSignature), "bad-signature"},
		{"decompression bomb", (*siege).plantBomb, func(s *siege) {
			s.upstream.Suite.Files, s.upstream.Suite.Compressions = nil, []string{"xz"}
		}, Malformed, compress.ErrTooLong.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := besiege(t, upstreamtest.New(t), nil)
			tc.attack(s)
			s.fails(tc.reason, tc.text)
			s.stands()
			s.upstream.ClearFaults()
			tc.undo(s)
			s.heals()
		})
	}
}

// plantBomb publishes a signed index that has 70 MB in it, and Release says less.
func (s *siege) plantBomb() {
	text := []byte("Package: b\nVersion: 1\nArchitecture: all\nFilename: b\nSize: 1\nSHA256: " + strings.Repeat("0", 64) + "\n\n")
	s.upstream.Suite.Compressions = nil
	s.upstream.Suite.Files = map[string][]byte{"main/binary-" + s.upstream.Arch + "/Packages.gz": gzipped(s.t, bytes.Repeat(text, 1<<19))}
	s.news()
}

// wire is an archive without a network, which would stop the clock of a bubble.
type wire struct {
	*upstreamtest.Archive
	pause time.Duration // before each byte, for all of them to be late
	away  bool          // redirects to http
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	data := w.Get(strings.TrimPrefix(r.URL.Path, "/debian/"))
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(data)), Request: r}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	switch {
	case w.away && r.URL.Scheme == "https":
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", "http://"+r.URL.Host+r.URL.Path)
	case data == nil:
		resp.StatusCode = http.StatusNotFound
	case w.pause > 0:
		resp.Body = &trickle{ctx: r.Context(), piece: 1, pause: w.pause, left: len(data)}
	}
	return resp, nil
}

// A server that never finishes is as good as down, and what is asked for over
// https is not taken from where anybody can change it.
func TestHostileWays(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pause time.Duration
		away  bool
		text  string
	}{
		{"one byte a second", time.Second, false, "less than 1000 bytes a second"},
		{"stalled", time.Hour, false, "sent nothing for 30s"},
		{"redirect from https to http", 0, true, "redirect from https"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, today := &wire{Archive: upstreamtest.New(t)}, time.Now()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(today)) // the clock of the bubble begins in the year 2000
				s := besiege(t, w.Archive, w)
				w.pause, w.away = tc.pause, tc.away
				s.news()
				s.fails(unreachable, tc.text)
				s.withholds(unreachable, tc.text)
				s.stands()
				w.pause, w.away = 0, false
				s.heals()
			})
		})
	}
}
