package status

import (
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"aptmirror/proxy/identity"
)

// gathered gives the mirror's own metrics by name.
func gathered(t *testing.T, b *Board) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "aptmirror_") {
			all[f.GetName()] = f
		}
	}
	return all
}

// everything is a board on which each metric exists.
func everything(t *testing.T) *Board {
	s := troubled()
	s.Access.ProblemSince = noon
	return board(t, s)
}

func labelsOf(f *dto.MetricFamily) string {
	var names []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		names = append(names, l.GetName())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func TestReadmeListsEveryMetric(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(aptmirror_\\w+)` \\| (\\w+) \\| ([\\w, ]*)\\|").FindAllStringSubmatch(string(readme), -1) {
		labels := strings.Split(strings.TrimSpace(m[3]), ", ")
		slices.Sort(labels)
		documented[m[1]] = m[2] + " " + strings.Join(labels, ", ")
	}
	exported := map[string]string{}
	for name, f := range gathered(t, everything(t)) {
		exported[name] = strings.ToLower(f.GetType().String()) + " " + labelsOf(f)
	}
	if diff := cmp.Diff(exported, documented); diff != "" {
		t.Errorf("README.md differs from what is exported (-exported +documented):\n%s", diff)
	}
	for _, c := range classes {
		if !strings.Contains(string(readme), "`"+string(c)+"`") {
			t.Errorf("README.md does not name the class %s", c)
		}
	}
	for _, o := range outcomes {
		if !strings.Contains(string(readme), "| `"+string(o)+"` |") {
			t.Errorf("README.md does not name the outcome %s", o)
		}
	}
}

// value finds the one series of a metric with these values of labels.
func value(t *testing.T, b *Board, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range gathered(t, b)[name].GetMetric() {
		var values []string
		for _, l := range m.GetLabel() {
			values = append(values, l.GetValue())
		}
		if slices.Equal(values, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no %s%v", name, labels)
	return 0
}

func TestCountersCount(t *testing.T) {
	b := board(t, calm())
	b.Observe(Request{Class: PackageClass, Outcome: Hit, Bytes: 5000, Duration: time.Second})
	b.Observe(Request{Class: "nonsense", Outcome: "nonsense", Bytes: 1})
	b.Observe(Request{Class: NoClass, Outcome: Refused, Refusal: identity.Revoked})
	b.ClientRefused("192.0.2.1:1", identity.Revoked, "revoked")
	b.ClientRefused("192.0.2.1:1", "made-up", "")
	b.UpstreamRefused("debian", "bookworm", "rollback")
	b.UpstreamRefused("debian", "bookworm", "made-up")
	b.UpstreamRefused("debian", "sid", "rollback")
	b.UpstreamRefused("elsewhere", "sid", "rollback")
	b.Fetched("debian", 700, nil)
	b.Fetched("elsewhere", 9, errors.New("reset"))
	b.JobDone("gc", time.Minute, nil)
	b.JobDone("made-up", time.Minute, errors.New("no"))
	for _, test := range []struct {
		name   string
		labels []string // values, in the order of the labels' names
		want   float64
	}{
		{"aptmirror_requests_total", []string{"package", "hit"}, 1},
		{"aptmirror_requests_total", []string{"none", "failed"}, 1},
		{"aptmirror_requests_total", []string{"none", "refused"}, 1},
		{"aptmirror_requests_total", []string{"index", "fill"}, 0},
		{"aptmirror_response_bytes_total", []string{"package", "hit"}, 5000},
		{"aptmirror_request_duration_seconds", []string{"hit"}, 1},
		{"aptmirror_client_refusals_total", []string{"revoked"}, 2},
		{"aptmirror_client_refusals_total", []string{"other"}, 1},
		{"aptmirror_client_refusals_total", []string{"expired"}, 0},
		{"aptmirror_upstream_refusals_total", []string{"debian", "rollback", "bookworm"}, 1},
		{"aptmirror_upstream_refusals_total", []string{"debian", "other", "bookworm"}, 1},
		{"aptmirror_upstream_refusals_total", []string{"debian", "rollback", "other"}, 1},
		{"aptmirror_upstream_refusals_total", []string{"other", "rollback", "other"}, 1},
		{"aptmirror_upstream_refusals_total", []string{"debian", "bad-signature", "bookworm-security"}, 0},
		{"aptmirror_upstream_fetches_total", []string{"debian", "ok"}, 1},
		{"aptmirror_upstream_fetches_total", []string{"other", "failed"}, 1},
		{"aptmirror_upstream_received_bytes_total", []string{"debian"}, 700},
		{"aptmirror_jobs_total", []string{"gc", "ok"}, 1},
		{"aptmirror_jobs_total", []string{"other", "failed"}, 1},
		{"aptmirror_job_duration_seconds", []string{"gc"}, 1},
	} {
		if got := value(t, b, test.name, test.labels...); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.name, test.labels, got, test.want)
		}
	}
}

// Whatever clients and mirrors send, no series is added: what is there after
// all of it was there at the start.
func TestSeriesDoNotGrow(t *testing.T) {
	b := everything(t)
	count := func() map[string]int {
		n := map[string]int{}
		for name, f := range gathered(t, b) {
			n[name] = len(f.GetMetric())
		}
		return n
	}
	before := count()
	for i := range 200 {
		odd := strings.Repeat("x", i)
		b.Observe(Request{Class: Class(odd), Outcome: Outcome(odd), Refusal: identity.Reason(odd + "x")})
		b.UpstreamRefused(odd, odd, odd)
		b.Fetched(odd, 1, nil)
		b.JobDone(odd, 1, nil)
	}
	if diff := cmp.Diff(before, count()); diff != "" {
		t.Errorf("series (-before +after):\n%s", diff)
	}
}

func TestStateShowsInMetrics(t *testing.T) {
	b := everything(t)
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"aptmirror_state_readable", nil, 1},
		{"aptmirror_build_info", []string{goVersion(), "1.4.0"}, 1},
		{"aptmirror_requests_in_flight", nil, 3},
		{"aptmirror_suite_ready", []string{"debian", "bookworm"}, 1},
		{"aptmirror_suite_ready", []string{"vendor", "main"}, 0},
		{"aptmirror_suite_ready", []string{"ubuntu", "noble"}, 1},
		{"aptmirror_suite_failing", []string{"ubuntu", "noble-updates"}, 1},
		{"aptmirror_suite_held", []string{"ubuntu", "noble"}, 1},
		{"aptmirror_suite_held", []string{"debian", "bookworm"}, 0},
		{"aptmirror_suite_generation", []string{"ubuntu", "noble"}, 9},
		{"aptmirror_suite_valid_until_timestamp_seconds", []string{"debian", "bookworm"}, float64(noon.Add(20 * time.Hour).Unix())},
		{"aptmirror_upstream_mirror_up", []string{"debian", "http://one.example.org/debian/"}, 1},
		{"aptmirror_upstream_mirror_up", []string{"debian", "http://two.example.org/debian/"}, 0},
		{"aptmirror_expiry_timestamp_seconds", []string{SiteKey, "site"}, float64(noon.Add(700 * day).Unix())},
		{"aptmirror_store_disk_free_bytes", nil, 12e9},
		{"aptmirror_reload_ok", nil, 0},
		{"aptmirror_restart_needed", nil, 1},
		{"aptmirror_jobs_running", []string{"sync"}, 1},
		{"aptmirror_jobs_running", []string{"gc"}, 0},
		{"aptmirror_snapshots", nil, 20},
		{"aptmirror_ring_behind", []string{"production", "stable"}, 1},
		{"aptmirror_clients_seen", []string{"1d"}, 0},
	} {
		if got := value(t, b, test.name, test.labels...); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.name, test.labels, got, test.want)
		}
	}
}

func goVersion() string { return runtime.Version() }

// A client's certificate that ends soonest is told, with its holder.
func TestSoonestClientCertificate(t *testing.T) {
	b := board(t, calm())
	late, early := noon.Add(90*day), noon.Add(9*day)
	b.Observe(Request{Identity: identity.Identity{Name: "dns:a", NotAfter: late}, Outcome: Hit})
	b.Observe(Request{Identity: identity.Identity{Name: "dns:b", NotAfter: early}, Outcome: Hit})
	if got := value(t, b, "aptmirror_expiry_timestamp_seconds", ClientCertificate, "dns:b"); got != float64(early.Unix()) {
		t.Errorf("ends at %v", got)
	}
}

// Counters are there even where the state cannot be had.
func TestScrapeWithoutState(t *testing.T) {
	b := board(t, nil)
	b.State = func(context.Context) (*State, error) { return nil, errors.New("closed") }
	if value(t, b, "aptmirror_state_readable") != 0 || value(t, b, "aptmirror_requests_total", "index", "hit") != 0 {
		t.Error("not as expected")
	}
	if names := slices.Collect(maps.Keys(gathered(t, b))); slices.Contains(names, "aptmirror_suite_ready") {
		t.Error("suites are told")
	}
}

func BenchmarkObserve(b *testing.B) {
	x := board(b, calm())
	r := request(1, noon)
	b.ReportAllocs()
	for b.Loop() {
		x.Observe(r)
	}
}

func BenchmarkObserveFromManyGoroutines(b *testing.B) {
	x := board(b, calm())
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			x.Observe(request(i, noon))
		}
	})
}
