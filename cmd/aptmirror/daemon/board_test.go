package daemon

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/status"
	"aptmirror/upstream"
	"aptmirror/upstream/upstreamtest"
)

// shown is what a daemon's board answers.
func shown(t *testing.T, d *Daemon, path string) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	d.board.Load().Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// wantMetric looks for a whole line of the metrics.
func wantMetric(t *testing.T, metrics, line string) {
	t.Helper()
	if !strings.Contains(metrics, "\n"+line+"\n") {
		name, _, _ := strings.Cut(line, "{")
		t.Errorf("no line %q; there is:", line)
		for l := range strings.Lines(metrics) {
			if strings.HasPrefix(l, name) && !strings.HasSuffix(l, " 0\n") {
				t.Log(l)
			}
		}
	}
}

// observed waits until a board has counted requests: a client has its answer
// before that.
func observed(t *testing.T, d *Daemon, requests int) {
	t.Helper()
	const patience = 2 * time.Minute
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		_, metrics := shown(t, d, "/metrics")
		n := 0
		for _, m := range regexp.MustCompile(`(?m)^aptmirror_requests_total\{.*\} (\d+)$`).FindAllStringSubmatch(metrics, -1) {
			count, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			n += count
		}
		if n >= requests {
			return
		}
		if time.Since(begun) > patience {
			t.Fatalf("%d of %d requests were counted", n, requests)
		}
	}
}

// ask gets a path of the mirror, or of the port of its status page.
func ask(t *testing.T, c *http.Client, address string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func TestAServingDaemonShowsItsState(t *testing.T) {
	s := serveWith(t, func(c *config.Config) { c.Status.Listen = "127.0.0.1:0" })
	client, base := s.http(), "https://"+s.address
	pool := s.pool()
	for path, want := range map[string]int{"/debian/dists/stable/InRelease": 200, "/debian/" + pool: 200, "/debian/dists/stable/nothing": 404, "/-/status": 403} {
		if code, body := ask(t, client, base+path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	observed(t, s.d, 4)
	if err := s.d.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	told, err := s.d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	local := "http://" + told.Page
	code, metrics := ask(t, http.DefaultClient, local+"/metrics")
	if code != http.StatusOK {
		t.Fatal(code, metrics)
	}
	for _, line := range []string{
		`aptmirror_requests_total{class="release",outcome="hit"} 1`,
		`aptmirror_requests_total{class="package",outcome="fill"} 1`,
		`aptmirror_requests_total{class="none",outcome="missing"} 1`,
		`aptmirror_requests_total{class="page",outcome="refused"} 1`,
		`aptmirror_client_refusals_total{reason="not-authorised"} 1`,
		`aptmirror_clients_seen{within="1h"} 1`,
		`aptmirror_suite_ready{repository="debian",suite="stable"} 1`,
		`aptmirror_suite_generation{repository="debian",suite="stable"} 1`,
		`aptmirror_suite_packages_cached{repository="debian",suite="stable"} 1`,
		`aptmirror_reload_ok 1`,
		`aptmirror_state_readable 1`,
	} {
		wantMetric(t, metrics, line)
	}
	if !strings.Contains(metrics, `aptmirror_expiry_timestamp_seconds{kind="client-certificate",name="dns:host"}`) {
		t.Error("the client's certificate has no end")
	}
	if code, body := ask(t, http.DefaultClient, local+"/readyz"); code != http.StatusOK || body != "ready: 1 suites\n" {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code, page := ask(t, http.DefaultClient, local+"/"); code != http.StatusOK || !strings.Contains(page, "dns:host") || !strings.Contains(page, "Everything is as it should be") {
		t.Errorf("page: %d %s", code, page)
	}
}

// Who has the grant sees over mTLS what is on the port of the page.
func TestTheStateIsForIdentitiesWithStatus(t *testing.T) {
	s := serveWith(t, func(c *config.Config) { c.Grants[0].Status = true })
	for path, want := range map[string]string{"/-/status": "<title>", "/-/metrics": "aptmirror_suite_ready", "/-/readyz": "ready: 1", "/-/healthz": "alive", "/-/icon.svg": "<svg"} {
		if code, body := ask(t, s.http(), "https://"+s.address+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if told, err := s.d.Status(t.Context()); err != nil || told.Page != "" {
		t.Errorf("the page is on %q, %v", told.Page, err)
	}
}

// A client that a strict server refuses in the handshake is counted, too.
func TestRefusalsInTheHandshakeAreShown(t *testing.T) {
	s := serveWith(t, func(c *config.Config) { c.Serve.ClientAuth = config.Strict })
	if err := s.clients.Revoke(s.client.Cert.SerialNumber, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.reload()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/debian/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := s.http().Do(r); err == nil {
		resp.Body.Close()
		t.Error("a revoked client got in")
	}
	_, metrics := shown(t, s.d, "/metrics")
	wantMetric(t, metrics, `aptmirror_client_refusals_total{reason="revoked"} 1`)
}

// What the page remembers outlives the daemon.
func TestClientsAreRememberedOverARestart(t *testing.T) {
	s := serveWith(t, func(*config.Config) {})
	s.wants(s.http(), servedRelease, "200")
	observed(t, s.d, 1)
	s.d.board.Load().Save()
	again := s.d.newBoard()
	w := httptest.NewRecorder()
	again.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/status", nil))
	if !strings.Contains(w.Body.String(), "dns:host") {
		t.Error("the client is forgotten")
	}
}

func TestReadyWhileThereIsSomethingThatClientsAccept(t *testing.T) {
	a := published(t)
	a.Suite.ValidFor = 7 * 24 * time.Hour
	a.Publish()
	now := time.Now()
	d, err := Open(t.Context(), newSite(t, a, "stable"), Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, d) })
	d.newBoard()
	ready := func(when string, code int, text string) {
		t.Helper()
		if got, body := shown(t, d, "/readyz"); got != code || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s", when, got, body)
		}
	}
	ready("before the first sync", 503, "debian stable: nothing verified yet")
	d.mustSync(t)
	ready("after it", 200, "ready: 1 suites")
	a.Close()
	now = now.AddDate(0, 0, 5)
	ready("while upstream is down", 200, "ready: 1 suites")
	now = now.AddDate(0, 0, 5)
	ready("once it has expired", 503, "debian stable: expired on ")
}

func TestJobsAreShown(t *testing.T) {
	a := published(t)
	d := openDaemon(t, newSite(t, a, "stable"))
	d.newBoard()
	d.mustSync(t)
	a.Publish(upstreamtest.Tampered())
	if _, _, err := syncOnce(t.Context(), d); err == nil {
		t.Fatal("taken in")
	}
	_, metrics := shown(t, d, "/metrics")
	for _, line := range []string{
		`aptmirror_jobs_total{kind="sync",outcome="ok"} 1`, `aptmirror_jobs_total{kind="sync",outcome="failed"} 1`,
		`aptmirror_job_duration_seconds_count{kind="sync"} 2`, `aptmirror_jobs_running{kind="sync"} 0`,
		`aptmirror_suite_failing{repository="debian",suite="stable"} 1`, `aptmirror_suite_ready{repository="debian",suite="stable"} 1`,
	} {
		wantMetric(t, metrics, line)
	}
	if strings.Contains(metrics, `aptmirror_upstream_received_bytes_total{archive="debian"} 0`) {
		t.Error("no bytes came")
	}
}

// A job is shown with its latest news while it goes on.
func TestARunningJobIsShown(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	c.Archives[0].Download = config.All
	d := openDaemon(t, c)
	d.newBoard()
	looked := false
	_, err := d.Sync(t.Context(), me, admin.SyncRequest{}, func(e admin.Event) {
		if e.Progress == nil {
			return
		}
		looked = true
		if _, page := shown(t, d, "/status"); !strings.Contains(page, e.Text) || !strings.Contains(page, "of 1 files") {
			t.Errorf("the page does not say %q", e.Text)
		}
		if _, metrics := shown(t, d, "/metrics"); !strings.Contains(metrics, `aptmirror_jobs_running{kind="sync"} 1`) {
			t.Error("no job is running")
		}
	})
	if err != nil || !looked {
		t.Errorf("%v, looked: %v", err, looked)
	}
	if _, page := shown(t, d, "/status"); !strings.Contains(page, "Nothing is running.") {
		t.Error("the job does not end")
	}
}

// Every reason for which something of upstream is refused shows as a label of
// its own.
func TestEveryReasonOfUpstreamIsALabel(t *testing.T) {
	key := upstreamtest.NewKey(t)
	signed := func(k *upstreamtest.Key) func(*upstreamtest.Archive) {
		return func(a *upstreamtest.Archive) { a.SignWith(k); a.Publish() }
	}
	again := func(a *upstreamtest.Archive) { a.Publish() }
	day := time.Now().Add(-time.Hour)
	for reason, test := range map[upstream.Reason]refusal{
		"unsigned":            {then: func(a *upstreamtest.Archive) { a.Publish(upstreamtest.Unsigned()) }},
		"unknown-key":         {then: signed(key)},
		"bad-signature":       {then: func(a *upstreamtest.Archive) { a.Publish(upstreamtest.Tampered()) }},
		"weak-digest":         {trust: key, then: signed(key.SigningSHA1())},
		"weak-key":            trusted(upstreamtest.NewWeakKey(t)),
		"expired-key":         trusted(upstreamtest.NewExpiredKey(t)),
		"revoked-key":         trusted(upstreamtest.NewRevokedKey(t)),
		"expired-signature":   {trust: key, then: signed(key.SigningFor(time.Second))},
		upstream.NotSigned:    {then: func(a *upstreamtest.Archive) { again(a); cutSignature(a) }},
		upstream.Malformed:    {then: func(a *upstreamtest.Archive) { a.Suite.Fields = []string{"Codename: twice"}; a.Publish() }},
		upstream.Expired:      {then: func(a *upstreamtest.Archive) { a.Suite.ValidFor = time.Second; a.Publish() }},
		upstream.Frozen:       {then: again, setUp: func(c *config.Config) { c.Archives[0].MaxAge = time.Minute }},
		upstream.FromFuture:   {then: func(a *upstreamtest.Archive) { a.Publish(upstreamtest.At(time.Now().AddDate(0, 0, 2))) }},
		upstream.WrongSuite:   {then: func(a *upstreamtest.Archive) { a.Suite.Suite, a.Suite.Codename = "other", "other"; a.Publish() }},
		upstream.RolledBack:   {first: again, then: func(a *upstreamtest.Archive) { a.Replay(1) }},
		upstream.Equivocating: {first: func(a *upstreamtest.Archive) { a.Publish(upstreamtest.At(day)) }, then: func(a *upstreamtest.Archive) { a.Suite.Description = "other"; a.Publish(upstreamtest.At(day)) }},
		upstream.InfoChanged:  {first: again, then: func(a *upstreamtest.Archive) { a.Suite.Label = "Other"; a.Publish() }},
		upstream.WrongContent: {then: func(a *upstreamtest.Archive) {
			again(a)
			a.Fault("dists/stable/main/*/*", upstreamtest.WrongBytes)
			a.Fault("dists/stable/main/*/*/*/*", upstreamtest.WrongBytes)
		}},
		upstream.PrivateHost: {then: func(a *upstreamtest.Archive) {
			again(a)
			a.Fault("InRelease", upstreamtest.Redirect("http://10.255.255.1/InRelease"))
		}},
		upstream.NotBrought: {then: again, setUp: func(c *config.Config) { c.Archives[0].URIs = nil }},
	} {
		t.Run(string(reason), func(t *testing.T) {
			a := published(t)
			if test.trust != nil {
				a.Trust(test.trust)
			}
			c := newSite(t, a, "stable")
			if test.setUp != nil {
				test.setUp(c)
			}
			d := openDaemon(t, c)
			d.newBoard()
			_, metrics := shown(t, d, "/metrics")
			series := fmt.Sprintf(`aptmirror_upstream_refusals_total{archive="debian",reason="%s",suite="stable"} `, reason)
			wantMetric(t, metrics, series+"0")
			if test.first != nil {
				test.first(a)
				d.mustSync(t)
			}
			test.then(a)
			if reason == upstream.NotBrought {
				bring(t, d, a)
			} else if _, _, err := syncOnce(t.Context(), d); err == nil {
				t.Error("taken in")
			}
			if _, metrics = shown(t, d, "/metrics"); strings.Contains(metrics, "\n"+series+"0\n") {
				wantMetric(t, metrics, series+"1")
			}
		})
	}
}

// refusal is how an archive comes to send something that is refused.
type refusal struct {
	trust *upstreamtest.Key           // nil: none beside the archive's own
	first func(*upstreamtest.Archive) // nil: nothing is taken in before
	then  func(*upstreamtest.Archive)
	setUp func(*config.Config) // nil: as it is
}

// trusted has an archive signed with a key of its keyring that does not count.
func trusted(k *upstreamtest.Key) refusal {
	return refusal{trust: k, then: func(a *upstreamtest.Archive) { a.SignWith(k); a.Publish() }}
}

// cutSignature leaves the half of InRelease.
func cutSignature(a *upstreamtest.Archive) {
	whole := a.Get("dists/stable/InRelease")
	a.Set("dists/stable/InRelease", whole[:len(whole)-100])
}

// bring has an import offer a Release without its indexes.
func bring(t *testing.T, d *Daemon, a *upstreamtest.Archive) {
	t.Helper()
	e, err := d.upstream.Examine(t.Context(), d.upstream.Archive("debian"), "stable", upstream.Brought{From: "a bundle", InRelease: a.Get("dists/stable/InRelease")})
	if err == nil {
		e.Close()
		t.Error("taken in")
	}
}

func TestEveryOutcomeHasAName(t *testing.T) {
	for _, test := range []struct {
		served proxy.Served
		want   status.Outcome
	}{
		{proxy.Served{Status: 200, Outcome: proxy.OutcomeHit}, status.Hit},
		{proxy.Served{Status: 304, Outcome: proxy.OutcomeHit}, status.Hit},
		{proxy.Served{Status: 206, Outcome: proxy.OutcomeFill}, status.Fill},
		{proxy.Served{Status: 200, Outcome: proxy.OutcomePass}, status.Pass},
		{proxy.Served{Status: 200, Outcome: proxy.OutcomeFill, Cut: true}, status.Cut},
		{proxy.Served{Status: 200, Outcome: proxy.OutcomeHit, Cut: true, Left: true}, status.Left},
		{proxy.Served{Status: 404, Outcome: proxy.OutcomeFill}, status.Missing},
		{proxy.Served{Status: 404, Outcome: proxy.OutcomeNone}, status.Missing},
		{proxy.Served{Status: 503, Outcome: proxy.OutcomeFill}, status.Unavailable},
		{proxy.Served{Status: 403, Outcome: proxy.OutcomeNone, Refused: identity.Revoked}, status.Refused},
		{proxy.Served{Status: 405, Outcome: proxy.OutcomeNone}, status.Refused},
		{proxy.Served{Status: 200, Outcome: proxy.OutcomeNone, Class: proxy.ClassPage}, status.Done},
		{proxy.Served{Status: 500, Outcome: proxy.OutcomeNone}, status.Failed},
	} {
		if got := outcomeOf(test.served); got != test.want {
			t.Errorf("%+v: %s, want %s", test.served, got, test.want)
		}
	}
}

// Jobs of every kind that this package starts are counted as such.
func TestEveryKindOfJobIsALabel(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`catalog\.Job\{Kind: "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(jobKinds, m[1]) {
				t.Errorf("%s: jobKinds has no %q, so that the metrics would call it other", file, m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("found %d kinds only", found)
	}
}

// A ring shows what it serves and whether there is something newer.
func TestRingsAndSnapshotsAreShown(t *testing.T) {
	d := openDaemon(t, newSite(t, published(t), "stable"))
	d.newBoard()
	d.mustSync(t)
	generation, err := d.cache.Catalog.Latest(t.Context(), "debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	made := time.Now().UTC().Truncate(time.Second)
	pins := []catalog.Pin{{Repository: "debian", Suite: "stable", Ref: generation.Ref(), Published: made}}
	for i, name := range []string{"older", "newer"} {
		s := catalog.Snapshot{Name: name, Created: made.Add(time.Duration(i) * time.Minute), By: "uid 0", Comment: "of " + name, Pins: pins}
		if err := d.cache.Catalog.AddSnapshot(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	ring := config.Suite{Name: "stable", From: []config.Source{{Kind: config.FromRepository, Name: "debian", Suite: "stable"}}, Publish: config.Manual}
	d.config().Repositories = append(d.config().Repositories, config.Repository{Name: "production", Suites: []config.Suite{ring}})
	if _, page := shown(t, d, "/status"); !strings.Contains(page, "nothing published") {
		t.Error("an empty ring is not told")
	}
	publish := func(repository string, g catalog.Generation, snapshot string) {
		t.Helper()
		p, err := d.cache.Catalog.Publication(repository, "stable")
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			t.Fatal(err)
		}
		m := catalog.Move{Repository: repository, Suite: "stable", Expect: p.Current, Next: g.Ref(), Snapshot: snapshot}
		if _, err := d.cache.Catalog.Publish(t.Context(), m, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	publish("production", generation, "older")
	state, err := d.state(t.Context())
	if err != nil || len(state.Rings) != 1 || len(state.Snapshots) != 2 || state.Snapshots[0].Name != "newer" {
		t.Fatalf("%+v, %v", state, err)
	}
	if r := state.Rings[0]; r.Behind || r.Snapshot != "older" || r.From != "debian/stable" || r.Published.IsZero() {
		t.Errorf("ring %+v", r)
	}
	another := generation
	number, err := d.cache.Catalog.AddGeneration(another)
	if err != nil {
		t.Fatal(err)
	}
	another.Number = number
	publish("debian", another, "")
	_, metrics := shown(t, d, "/metrics")
	wantMetric(t, metrics, `aptmirror_ring_behind{repository="production",suite="stable"} 1`)
	wantMetric(t, metrics, "aptmirror_snapshots 2")
	if _, page := shown(t, d, "/status"); !strings.Contains(page, "newer to come") || !strings.Contains(page, "of newer") {
		t.Error("the page does not tell of the ring and its snapshots")
	}
}

// A suite that is built here shows what it holds back and how its builds go.
func TestBuiltSuitesAreShown(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.newBoard()
	if code, body := shown(t, s.Daemon, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "site stable: nothing verified yet") {
		t.Errorf("before the first build: %d %s", code, body)
	}
	s.sync("site", "stable")
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	s.archive.Publish()
	s.sync("site", "stable")
	if err := s.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, body := shown(t, s.Daemon, "/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, body)
	}
	_, metrics := shown(t, s.Daemon, "/metrics")
	for _, line := range []string{
		`aptmirror_suite_ready{repository="site",suite="stable"} 1`,
		`aptmirror_suite_generation{repository="site",suite="stable"} 1`,
		`aptmirror_suite_held_back_versions{repository="site",suite="stable"} 1`,
		`aptmirror_suite_unmet_relations{repository="site",suite="stable"} 0`,
		`aptmirror_suite_failing{repository="site",suite="stable"} 0`,
		`aptmirror_suite_packages{repository="site",suite="stable"} 1`,
	} {
		wantMetric(t, metrics, line)
	}
	if !strings.Contains(metrics, `aptmirror_suite_valid_until_timestamp_seconds{repository="site",suite="stable"}`) {
		t.Error("its Release has no end")
	}
	if strings.Contains(metrics, `aptmirror_suite_checked_ok_timestamp_seconds{repository="site"`) {
		t.Error("what is built is told as looked for")
	}
	m := *s.inForce.Load()
	m.Faults = map[string]error{"workstations": errors.New("a rule is wrong")}
	s.inForce.Store(&m)
	s.archive.Publish()
	s.sync("site", "stable")
	if _, page := shown(t, s.Daemon, "/status"); !strings.Contains(page, "a rule is wrong") || !strings.Contains(page, "not built") || !strings.Contains(page, "holds 1 back") {
		t.Error("the page does not tell of the build that failed")
	}
	_, metrics = shown(t, s.Daemon, "/metrics")
	wantMetric(t, metrics, `aptmirror_suite_failing{repository="site",suite="stable"} 1`)
	wantMetric(t, metrics, `aptmirror_suite_ready{repository="site",suite="stable"} 1`)
}

// What the proxy calls a class is known as such to the metrics.
func TestEveryClassIsALabel(t *testing.T) {
	d := openDaemon(t, newSite(t, published(t), "stable"))
	observe := observer(d.newBoard())
	for _, c := range proxy.Classes() {
		observe(proxy.Served{Class: c, Outcome: proxy.OutcomeHit, Status: 200})
	}
	_, metrics := shown(t, d, "/metrics")
	for _, c := range proxy.Classes() {
		wantMetric(t, metrics, fmt.Sprintf(`aptmirror_requests_total{class="%s",outcome="hit"} 1`, c))
	}
}

// A look of doctor leaves no client behind whose certificate ends tomorrow.
func TestDoctorIsNoClient(t *testing.T) {
	d := openDaemon(t, newSite(t, published(t), "stable"))
	observe := observer(d.newBoard())
	tomorrow := d.Now().Add(24 * time.Hour)
	for _, name := range []string{"dns:host.example.org", "dns:" + DoctorName} {
		observe(proxy.Served{Identity: identity.Identity{Name: name, NotAfter: tomorrow}, Status: 404})
	}
	_, page := shown(t, d, "/status")
	if !strings.Contains(page, "host.example.org") || strings.Contains(page, DoctorName) {
		t.Error("the page knows the wrong clients")
	}
}

// pool gives the path of the only package.
func (s *serving) pool() string {
	s.t.Helper()
	g, err := s.d.cache.Catalog.Latest(s.t.Context(), "debian", "stable")
	if err != nil {
		s.t.Fatal(err)
	}
	table, err := s.d.cache.Catalog.Table(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	for e := range table.All() {
		if e.Kind == catalog.KindPackage {
			return e.Path
		}
	}
	s.t.Fatal("there is no package")
	return ""
}

// The port of the page is tried before the mirror says that it is ready.
func TestPageThatCannotListen(t *testing.T) {
	c := newServedSite(t)
	c.Status.Listen = "127.0.0.1:1:1"
	d := openDaemon(t, c)
	if err := d.Serve(t.Context(), func([]string) { t.Error("ready") }); err == nil || !strings.Contains(err.Error(), "listening for the status page") {
		t.Error(err)
	}
}
