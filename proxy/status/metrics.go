package status

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"aptmirror/proxy/identity"
)

// other stands for a label's value that is not one of the known.
const other = "other"

// metrics are the counters, in a registry of their own. All series exist from
// the start, or from when an archive is configured, so that the first refusal of
// a kind is seen as an increase; clients and mirrors add none, whatever they send.
type metrics struct {
	registry *prometheus.Registry

	requests, bytes [][]prometheus.Counter // by place in classes, then outcomes
	durations       []prometheus.Observer  // by place in outcomes
	refusals        map[identity.Reason]prometheus.Counter

	refused, fetched, received *prometheus.CounterVec // of upstream
	upstream                   atomic.Pointer[upstreamCounters]

	jobs         map[[2]string]prometheus.Counter // kind, outcome
	jobDurations map[string]prometheus.Observer   // kind
}

// upstreamCounters are those of the archives there are; they are replaced as a
// whole.
type upstreamCounters struct {
	refusals map[[3]string]prometheus.Counter // archive, suite, reason
	fetches  map[[2]string]prometheus.Counter // archive, outcome
	received map[string]prometheus.Counter    // archive
}

// Buckets in seconds: a hit takes a millisecond, a DVD over a thin line hours.
var (
	requestBuckets = []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600}
	jobBuckets     = []float64{0.1, 1, 10, 60, 600, 3600, 6 * 3600}
)

func newMetrics(b *Board) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.addRequests()
	m.addUpstream(b.Archives, b.Reasons)
	m.addJobs(b.Kinds)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{board: b})
	return m
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *metrics) addRequests() {
	requests := m.counter("aptmirror_requests_total", "Requests of clients that were answered.", "class", "outcome")
	bytes := m.counter("aptmirror_response_bytes_total", "Bytes of bodies that clients were sent.", "class", "outcome")
	for i, c := range classes {
		m.requests, m.bytes = append(m.requests, nil), append(m.bytes, nil)
		for _, o := range outcomes {
			m.requests[i] = append(m.requests[i], requests.WithLabelValues(string(c), string(o)))
			m.bytes[i] = append(m.bytes[i], bytes.WithLabelValues(string(c), string(o)))
		}
	}
	durations := m.histogram("aptmirror_request_duration_seconds", "Time from a request to the end of its answer.", requestBuckets, "outcome")
	for _, o := range outcomes {
		m.durations = append(m.durations, durations.WithLabelValues(string(o)))
	}
	refusals := m.counter("aptmirror_client_refusals_total", "Requests and handshakes of clients that were refused.", "reason")
	m.refusals = map[identity.Reason]prometheus.Counter{other: refusals.WithLabelValues(other)}
	for _, r := range identity.Reasons() {
		m.refusals[r] = refusals.WithLabelValues(string(r))
	}
}

func (m *metrics) addUpstream(archives []Archive, reasons []string) {
	m.refused = m.counter("aptmirror_upstream_refusals_total", "What archives sent and was not accepted.", "archive", "suite", "reason")
	m.fetched = m.counter("aptmirror_upstream_fetches_total", "Requests to mirrors of archives.", "archive", "outcome")
	m.received = m.counter("aptmirror_upstream_received_bytes_total", "Bytes that came from mirrors of archives.", "archive")
	m.upstream.Store(&upstreamCounters{})
	m.setArchives(archives, reasons)
}

// setArchives makes the series of archives that are new, and ends those of
// archives and suites that are no more. Callers do not run at the same time.
func (m *metrics) setArchives(archives []Archive, reasons []string) {
	before := m.upstream.Load()
	c := &upstreamCounters{refusals: map[[3]string]prometheus.Counter{}, fetches: map[[2]string]prometheus.Counter{}, received: map[string]prometheus.Counter{}}
	for _, a := range append(slices.Clone(archives), Archive{Name: other}) {
		c.received[a.Name] = m.received.WithLabelValues(a.Name)
		for _, o := range []string{succeeded, failed} {
			c.fetches[[2]string{a.Name, o}] = m.fetched.WithLabelValues(a.Name, o)
		}
		for _, s := range append(slices.Clone(a.Suites), other) {
			for _, r := range append(slices.Clone(reasons), other) {
				c.refusals[[3]string{a.Name, s, r}] = m.refused.WithLabelValues(a.Name, s, r)
			}
		}
	}
	m.upstream.Store(c)
	deleteOthers(m.refused, before.refusals, c.refusals, func(k [3]string) []string { return k[:] })
	deleteOthers(m.fetched, before.fetches, c.fetches, func(k [2]string) []string { return k[:] })
	deleteOthers(m.received, before.received, c.received, func(k string) []string { return []string{k} })
}

// deleteOthers ends the series that were and are no more.
func deleteOthers[K comparable](vector *prometheus.CounterVec, before, after map[K]prometheus.Counter, labels func(K) []string) {
	for k := range before {
		if _, still := after[k]; !still {
			vector.DeleteLabelValues(labels(k)...)
		}
	}
}

// Outcomes of fetches and jobs.
const (
	succeeded = "ok"
	failed    = "failed"
)

func outcomeOf(err error) string {
	if err != nil {
		return failed
	}
	return succeeded
}

func (m *metrics) addJobs(kinds []string) {
	jobs := m.counter("aptmirror_jobs_total", "Jobs that ended.", "kind", "outcome")
	durations := m.histogram("aptmirror_job_duration_seconds", "Time that jobs took.", jobBuckets, "kind")
	m.jobs, m.jobDurations = map[[2]string]prometheus.Counter{}, map[string]prometheus.Observer{}
	for _, k := range append(slices.Clone(kinds), other) {
		m.jobDurations[k] = durations.WithLabelValues(k)
		for _, o := range []string{succeeded, failed} {
			m.jobs[[2]string{k, o}] = jobs.WithLabelValues(k, o)
		}
	}
}

func (m *metrics) observe(r Request) {
	class, outcome := slices.Index(classes, r.Class), slices.Index(outcomes, r.Outcome)
	if class < 0 {
		class = len(classes) - 1
	}
	if outcome < 0 {
		outcome = len(outcomes) - 1
	}
	m.requests[class][outcome].Inc()
	if r.Bytes > 0 {
		m.bytes[class][outcome].Add(float64(r.Bytes))
	}
	m.durations[outcome].Observe(r.Duration.Seconds())
}

func (m *metrics) clientRefused(r identity.Reason) { known(m.refusals, r, other).Inc() }

func (m *metrics) upstreamRefused(archive, suite, reason string) {
	c := m.upstream.Load()
	if _, ok := c.received[archive]; !ok {
		archive = other
	}
	if _, ok := c.refusals[[3]string{archive, suite, other}]; !ok {
		suite = other
	}
	known(c.refusals, [3]string{archive, suite, reason}, [3]string{archive, suite, other}).Inc()
}

func (m *metrics) upstreamFetched(archive string, bytes int64, err error) {
	c := m.upstream.Load()
	known(c.fetches, [2]string{archive, outcomeOf(err)}, [2]string{other, outcomeOf(err)}).Inc()
	known(c.received, archive, other).Add(float64(max(bytes, 0)))
}

func (m *metrics) jobDone(kind string, took time.Duration, err error) {
	known(m.jobs, [2]string{kind, outcomeOf(err)}, [2]string{other, outcomeOf(err)}).Inc()
	known(m.jobDurations, kind, other).Observe(took.Seconds())
}

// known gives what a map has for a key, or for the one that stands for all
// others.
func known[K comparable, V any](values map[K]V, key, others K) V {
	if v, ok := values[key]; ok {
		return v
	}
	return values[others]
}
