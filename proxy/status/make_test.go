package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os/user"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// noon is when the tests happen.
var noon = time.Date(2026, 3, 15, 12, 7, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex // guards t
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// notes keeps values as a catalog does.
type notes map[string][]byte

func (n notes) Note(name string, into any) error {
	raw, ok := n[name]
	if !ok {
		return errors.New("not found")
	}
	return json.Unmarshal(raw, into)
}

func (n notes) SaveNote(name string, value any) error {
	raw, err := json.Marshal(value)
	n[name] = raw
	return err
}

// board makes a board that shows s at noon.
func board(t testing.TB, s *State) *Board {
	t.Helper()
	b := New(Config{
		State:    func(context.Context) (*State, error) { return s, nil },
		Archives: []Archive{{"debian", []string{"bookworm", "bookworm-security"}}},
		Reasons:  []string{"bad-signature", "rollback"}, Kinds: []string{"sync", "gc", "verify"},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	})
	b.users.lookUp = func(uid string) (*user.User, error) {
		if uid != "0" {
			return nil, user.UnknownUserError(uid)
		}
		return &user.User{Username: "porter"}, nil
	}
	return b
}

func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func suite(repository, name string, number uint64) admin.SuiteStatus {
	return admin.SuiteStatus{
		Repository: repository, Archive: repository, Suite: name, Generation: number,
		Published: ago(3 * time.Hour), Date: ago(4 * time.Hour), ValidUntil: noon.Add(7*day - 4*time.Hour),
		Packages: 63879, Bytes: 98e9, Cached: 4211, CachedSize: 7_300_000_000,
		Checked: ago(4 * time.Minute), CheckedOK: ago(4 * time.Minute),
	}
}

// calm is a mirror of which there is nothing to say.
func calm() *State {
	small := suite("debian", "bookworm-updates", 31)
	small.Packages, small.Bytes, small.Cached, small.CachedSize = 812, 1_900_000_000, 98, 300_000_000
	old := suite("debian", "bookworm", 12)
	old.ValidUntil, old.Date = time.Time{}, ago(21*day)
	site := suite("site", "stable", 57)
	site.Archive, site.Built, site.HeldBack, site.Next = "", true, 12, noon.Add(3*day)
	return &State{
		Version: "1.4.0", Name: "mirror.example.org", Started: ago(19 * day), Listen: []string{":8443"},
		Suites: []admin.SuiteStatus{old, small, suite("debian-security", "bookworm-security", 204), site},
		Mirrors: []Mirror{
			{Archive: "debian", URI: "http://one.example.org/debian/"}, {Archive: "debian", URI: "http://two.example.org/debian/"},
		},
		Access: &admin.Access{Read: ago(19 * day), Grants: 4},
		Expiries: []Expiry{
			{ServerCertificate, "mirror.example.org", noon.Add(143 * day)}, {ClientCA, "Example clients", noon.Add(2800 * day)},
			{RevocationList, "Example clients", noon.Add(6 * day * 3)}, {SiteKey, "site", noon.Add(700 * day)},
		},
		Store: Store{
			Files: 48211, Bytes: 61_400_000_000, Max: 200e9, Disk: 64_100_000_000, DiskFree: 310e9, DiskSize: 480e9,
			Evicted: 1_200_000_000, EvictedFiles: 380, Scrubbed: ago(2 * day),
		},
		Pools: []admin.PoolUse{{Pool: "internal", Packages: 812, Files: 840, Bytes: 9_100_000_000, Max: 50e9}, {Pool: "lab", Packages: 3, Files: 3, Bytes: 1_200_000}},
		Finished: []admin.Job{
			{Number: 4411, Kind: "sync", Names: []string{"debian"}, By: "schedule", Started: ago(4*time.Minute + 800*time.Millisecond), Finished: ago(4 * time.Minute), Summary: "2 suites: 1 new, 1 unchanged, 0 failed"},
			{Number: 4410, Kind: "gc", By: "schedule", Started: ago(9*time.Hour + 12*time.Second), Finished: ago(9 * time.Hour), Summary: "3 generations and 211 files with 840 MB removed"},
		},
		Connections: Connections{Open: 41, Busy: 3, Accepted: 90210, Handshakes: 90200, FailedHandshakes: 10},
	}
}

// troubled is a mirror in which everything happens at once, and much of what
// it shows was written by somebody who means no good.
func troubled() *State {
	s := calm()
	held := suite("ubuntu", "noble", 9)
	held.Held = &admin.Held{Since: ago(5 * time.Hour), Reason: "info-changed", What: `Label was "Ubuntu" and is "<script>alert(1)</script>"`}
	held.Error, held.Reason, held.Advice = "archive ubuntu, suite noble: refusing InRelease", "info-changed", "if the archive has announced this: aptmirror archive accept ubuntu noble"
	refused := suite("ubuntu", "noble-updates", 77)
	refused.Error = "archive ubuntu, suite noble-updates: refusing InRelease from http://mirror.example.org/ubuntu/: no signature by a key of the keyring"
	refused.Reason, refused.Advice = "unknown-key", "if the archive has a new key, get it from where its keyring came from and put it into signed_by"
	refused.CheckedOK = ago(31 * time.Hour)
	expired := suite("vendor", "main", 3)
	expired.ValidUntil, expired.Date, expired.CheckedOK = ago(26*time.Hour), ago(9*day), ago(26*time.Hour)
	expired.Error, expired.Reason, expired.Advice = "archive vendor, suite main: refusing InRelease from http://vendor.example.org/: it expired", "expired", "put a mirror that is up to date into uris, or tell the administrator of this one"
	s.Suites[3].Unmet = []string{"a Depends: b (>= 2)", "c Depends: d", "e Depends: f", "g Depends: h", "i Depends: j", "k Depends: l <script>"}
	late := suite("debian", "bookworm", 12)
	late.Warning, late.ValidUntil = "bookworm expires in 20 hours unless a newer Release comes", noon.Add(20*time.Hour)
	s.Suites = append([]admin.SuiteStatus{late}, append(s.Suites[1:], held, refused, expired,
		admin.SuiteStatus{Repository: "new", Archive: "new", Suite: `"><img src=x onerror=alert(1)>`})...)
	s.Mirrors[1] = Mirror{"debian", "http://two.example.org/debian/", noon.Add(7 * time.Minute), "503 Service Unavailable </p><script>alert(1)</script>"}
	s.Access.Problem, s.Access.ProblemSince = "loading the server certificate: tls/server.crt: no such file or directory", ago(40*time.Minute)
	s.Access.Restart = []string{"serve.listen", "archive.debian.suites"}
	s.Access.Warnings = []string{`the server certificate "mirror.example.org" ends on 2026-03-24: then no client connects any more`}
	s.Expiries[0].End = noon.Add(9 * day)
	s.Expiries[2].End = ago(time.Hour)
	s.Running = []Work{
		{Job: admin.Job{Number: 4412, Kind: "sync", Names: []string{"ubuntu"}, By: "uid 0", Started: ago(6 * time.Minute)},
			Text: "ubuntu noble: fetching pool/main/l/linux/linux-image_6.8.0_amd64.deb", Progress: &admin.Progress{Wanted: 61234, Present: 20411, WantedBytes: 88e9, PresentBytes: 31e9}},
		{Job: admin.Job{Number: 4413, Kind: "verify", By: "uid 1000", Started: ago(2 * time.Minute)}, Text: "reading what is stored"},
	}
	s.Finished = append(s.Finished, admin.Job{Number: 4400, Kind: "snapshot", Names: []string{"nightly"}, By: "schedule", Started: ago(9 * time.Hour), Finished: ago(9 * time.Hour), Error: "the disk is full"})
	s.Store.DiskFree = 12e9
	s.Pools[0].Bytes = 48_700_000_000
	s.Rings = []Ring{
		{Repository: "production", Suite: "stable", From: "site/stable", Snapshot: "nightly-20260301", Published: ago(14 * day), Behind: true},
		{Repository: "testing", Suite: "stable", From: "site/stable", Published: ago(3 * time.Hour)},
		{Repository: "kiosk", Suite: "stable", From: "site/stable"},
	}
	for i := range 20 {
		s.Snapshots = append(s.Snapshots, Snapshot{Name: fmt.Sprintf("nightly-202603%02d", 15-i%15), Created: ago(time.Duration(i)*day + 9*time.Hour), By: "schedule", Suites: 4, Complete: i%3 == 0})
	}
	s.Snapshots[4].Comment = "before the kernel <b>update</b>"
	return s
}

// populated has had clients for a month, when it is over.
func populated(t testing.TB, s *State) *Board {
	t.Helper()
	b := board(t, s)
	c := &clock{}
	b.Now = c.now
	for at := ago(30 * day); at.Before(noon); at = at.Add(15 * time.Minute) {
		c.set(at)
		busy := rhythm(at)
		for i := range int(40 * busy) {
			b.Observe(request(i, at))
		}
		b.Fetched("debian", int64(4e8*busy), nil)
	}
	c.set(noon)
	for i := range 12 {
		b.Observe(request(i, noon.Add(-time.Duration(i)*time.Minute)))
	}
	b.Observe(Request{Peer: "192.0.2.77:40100", Class: NoClass, Outcome: Refused, Refusal: identity.Expired, Why: "your certificate expired on 2026-03-01"})
	for range 12 {
		b.Observe(Request{Peer: "[2001:db8::9]:40100", Class: NoClass, Outcome: Refused, Refusal: identity.UnknownIssuer, Why: `unknown issuer "<i>Someone</i>"`})
	}
	return b
}

// rhythm is how busy a site is: little at night and on Sundays.
func rhythm(at time.Time) float64 {
	hour := float64(at.Hour()) + float64(at.Minute())/60
	busy := 0.08 + max(0, math.Sin((hour-6)/13*math.Pi))
	if hour < 6 || hour > 19 {
		busy = 0.08
	}
	if at.Weekday() == time.Sunday || at.Weekday() == time.Saturday {
		busy *= 0.3
	}
	return busy * (0.8 + 0.4*math.Abs(math.Sin(float64(at.Unix()/900))))
}

func request(i int, at time.Time) Request {
	r := Request{
		Identity: identity.Identity{Name: fmt.Sprintf("dns:host%02d.branch.example.org", i%47), Serial: fmt.Sprintf("%x", 4096+i), NotAfter: noon.Add(time.Duration(39+i%47*8) * day)},
		Peer:     "192.0.2.1:4711", Class: PackageClass, Outcome: Hit, Bytes: int64(1+i%13) * 3_000_000, Duration: 20 * time.Millisecond,
	}
	if (i+at.Minute()/15)%11 == 0 {
		r.Outcome = Fill
	}
	return r
}
