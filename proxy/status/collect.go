package status

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"aptmirror/proxy/admin"
)

// collector turns the state at the time of a scrape into metrics.
type collector struct{ board *Board }

// collectTimeout bounds the look at the state for one scrape.
const collectTimeout = 5 * time.Second

// Describe gives nothing: which suites there are shows at a scrape.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks for the state. Where it cannot be had, the counters still come
// and aptmirror_state_readable says so.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	s, err := c.board.state(ctx)
	e := emitter(out)
	e.gauge("aptmirror_state_readable", "1 if the state of suites, store and jobs could be read for this scrape.", truth(err == nil))
	if err != nil {
		c.board.Log.Warn("reading the state for a scrape failed", "error", err)
		return
	}
	e.process(s)
	e.connections(s.Connections)
	e.suites(s, c.board.Now())
	e.mirrors(s)
	e.expiries(s)
	e.store(s.Store)
	e.pools(s.Pools)
	e.access(s)
	e.work(s, c.board.Kinds)
	e.clients(c.board)
}

// emitter sends metrics of one scrape.
type emitter chan<- prometheus.Metric

// gauge sends one value; pairs are the names and values of labels in turn.
func (e emitter) gauge(name, help string, value float64, pairs ...string) {
	e.send(prometheus.GaugeValue, name, help, value, pairs)
}

func (e emitter) counter(name, help string, value float64, pairs ...string) {
	e.send(prometheus.CounterValue, name, help, value, pairs)
}

func (e emitter) send(kind prometheus.ValueType, name, help string, value float64, pairs []string) {
	var names, values []string
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	e <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

// moment sends a time, unless there is none.
func (e emitter) moment(name, help string, t time.Time, pairs ...string) {
	if !t.IsZero() {
		e.gauge(name, help, float64(t.UnixMilli())/1000, pairs...)
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (e emitter) process(s *State) {
	e.gauge("aptmirror_build_info", "Always 1; the labels say what is running.", 1, "version", s.Version, "goversion", runtime.Version())
}

func (e emitter) connections(c Connections) {
	e.gauge("aptmirror_requests_in_flight", "Requests that are being answered.", float64(c.Busy))
	e.gauge("aptmirror_client_connections", "Open connections of clients.", float64(c.Open))
	e.counter("aptmirror_client_connections_accepted_total", "Connections of clients.", float64(c.Accepted))
	e.counter("aptmirror_client_connections_evicted_total", "Connections that were closed while idle, because others needed their place.", float64(c.Evicted))
	e.counter("aptmirror_client_connections_refused_total", "Connections for which there was no place.", float64(c.Refused))
	const handshakes, help = "aptmirror_tls_handshakes_total", "TLS handshakes of clients."
	e.counter(handshakes, help, float64(c.Handshakes), "outcome", succeeded)
	e.counter(handshakes, help, float64(c.FailedHandshakes), "outcome", failed)
}

func (e emitter) suites(s *State, now time.Time) {
	for _, x := range s.Suites {
		at := []string{"repository", x.Repository, "suite", x.Suite}
		e.gauge("aptmirror_suite_ready", "1 if the suite has a generation that clients accept.", truth(unready(x, now) == ""), at...)
		e.gauge("aptmirror_suite_failing", "1 if the last look at the archive, or the last build, ended with an error.", truth(x.Error != ""), at...)
		e.gauge("aptmirror_suite_held", "1 if a Release waits for somebody to accept it.", truth(x.Held != nil), at...)
		e.gauge("aptmirror_suite_generation", "Number of the generation that is served.", float64(x.Generation), at...)
		e.moment("aptmirror_suite_date_timestamp_seconds", "Date of the Release that is served.", x.Date, at...)
		e.moment("aptmirror_suite_valid_until_timestamp_seconds", "Valid-Until of the Release that is served; absent if it has none.", x.ValidUntil, at...)
		e.moment("aptmirror_suite_published_timestamp_seconds", "When the generation that is served was published.", x.Published, at...)
		if x.Built {
			e.built(x, at)
		} else {
			e.moment("aptmirror_suite_checked_timestamp_seconds", "Last look at the archive.", x.Checked, at...)
			e.moment("aptmirror_suite_checked_ok_timestamp_seconds", "Last look at the archive that found nothing wrong.", x.CheckedOK, at...)
		}
		e.gauge("aptmirror_suite_packages", "Files that the indexes of the suite name, but for those left out.", float64(x.Packages), at...)
		e.gauge("aptmirror_suite_packages_cached", "Those of them that are in the store.", float64(x.Cached), at...)
		e.gauge("aptmirror_suite_left_out_files", "Files that the archive names so that nobody can verify them; the suite is served without.", leftOutFiles(x.LeftOut), at...)
		e.gauge("aptmirror_suite_bytes", "Bytes of the files that the indexes name.", float64(x.Bytes), at...)
		e.gauge("aptmirror_suite_cached_bytes", "Bytes of those that are in the store.", float64(x.CachedSize), at...)
	}
}

func leftOutFiles(l *admin.LeftOut) float64 {
	if l == nil {
		return 0
	}
	return float64(l.Files)
}

// built tells of a suite that is built here, which is when something changes:
// that the last time is long ago says nothing.
func (e emitter) built(x admin.SuiteStatus, at []string) {
	e.moment("aptmirror_suite_built_timestamp_seconds", "Last time that the suite was built.", x.CheckedOK, at...)
	e.gauge("aptmirror_suite_held_back_versions", "Versions that a hold of the policy keeps back.", float64(x.HeldBack), at...)
	e.gauge("aptmirror_suite_unmet_relations", "Relations that nothing meets, of packages that are allowed with dependencies.", float64(len(x.Unmet)), at...)
}

func (e emitter) mirrors(s *State) {
	for _, m := range s.Mirrors {
		e.gauge("aptmirror_upstream_mirror_up", "0 while a mirror is set aside because it failed or sent something wrong.", truth(m.AsideUntil.IsZero()), "archive", m.Archive, "uri", m.URI)
	}
}

func (e emitter) expiries(s *State) {
	for _, x := range s.Expiries {
		e.moment("aptmirror_expiry_timestamp_seconds", "When a certificate, revocation list or key ends.", x.End, "kind", x.Kind, "name", x.Name)
	}
}

func (e emitter) store(s Store) {
	e.gauge("aptmirror_store_files", "Files in the store.", float64(s.Files))
	e.gauge("aptmirror_store_bytes", "Bytes of the files in the store.", float64(s.Bytes))
	e.gauge("aptmirror_store_reserved_bytes", "Bytes set aside for files on their way in.", float64(s.Reserved))
	e.gauge("aptmirror_store_max_bytes", "Bytes that the store may hold; 0 is as much as the disk takes.", float64(s.Max))
	e.gauge("aptmirror_store_disk_bytes", "Bytes that the store takes up on disk.", float64(s.Disk))
	e.gauge("aptmirror_store_disk_free_bytes", "Bytes free on the file system of the store.", float64(s.DiskFree))
	e.gauge("aptmirror_store_disk_size_bytes", "Size of the file system of the store.", float64(s.DiskSize))
	e.counter("aptmirror_store_evicted_files_total", "Files that made room for others.", float64(s.EvictedFiles))
	e.counter("aptmirror_store_evicted_bytes_total", "Bytes of files that made room for others.", float64(s.Evicted))
	e.moment("aptmirror_store_scrubbed_timestamp_seconds", "When all of the store had last been read back.", s.Scrubbed)
}

func (e emitter) pools(pools []admin.PoolUse) {
	for _, p := range pools {
		e.gauge("aptmirror_pool_packages", "Binary and source packages of a pool.", float64(p.Packages), "pool", p.Pool)
		e.gauge("aptmirror_pool_bytes", "Bytes of the files of a pool, and of what is kept of their contents.", float64(p.Bytes), "pool", p.Pool)
		if p.Max > 0 {
			e.gauge("aptmirror_pool_max_bytes", "Bytes that a pool may have; absent if it has no limit.", float64(p.Max), "pool", p.Pool)
		}
	}
}

func (e emitter) access(s *State) {
	if s.Access == nil {
		return
	}
	e.gauge("aptmirror_reload_ok", "1 if the configuration, certificates and lists as they are now are in force.", truth(s.Access.Problem == ""))
	e.moment("aptmirror_reload_in_force_timestamp_seconds", "When what is in force was read.", s.Access.Read)
	e.moment("aptmirror_reload_problem_timestamp_seconds", "Since when what the files say cannot be used; absent if it can.", s.Access.ProblemSince)
	e.gauge("aptmirror_restart_needed", "1 if the configuration has changed where only a restart helps.", truth(len(s.Access.Restart) > 0))
	e.gauge("aptmirror_grants", "Rules that give clients rights.", float64(s.Access.Grants))
}

func (e emitter) work(s *State, kinds []string) {
	running := map[string]int{other: 0}
	for _, k := range kinds {
		running[k] = 0
	}
	for _, w := range s.Running {
		if _, ok := running[w.Kind]; ok {
			running[w.Kind]++
		} else {
			running[other]++
		}
	}
	for kind, n := range running {
		e.gauge("aptmirror_jobs_running", "Jobs under way.", float64(n), "kind", kind)
	}
	e.gauge("aptmirror_snapshots", "Snapshots that are kept.", float64(len(s.Snapshots)))
	if len(s.Snapshots) > 0 {
		e.moment("aptmirror_snapshot_newest_timestamp_seconds", "When the newest snapshot was made.", s.Snapshots[0].Created)
	}
	for _, r := range s.Rings {
		e.gauge("aptmirror_ring_behind", "1 if what a ring is taken from has moved on since it was published.", truth(r.Behind), "repository", r.Repository, "suite", r.Suite)
	}
}

// clients counts who was here within some windows.
func (e emitter) clients(b *Board) {
	now := b.Now()
	for _, w := range []struct {
		label string
		age   time.Duration
	}{{"1h", time.Hour}, {"1d", day}, {"7d", 7 * day}, {"30d", 30 * day}} {
		e.gauge("aptmirror_clients_seen", "Identities that were here within a time.", float64(b.clients.since(now.Add(-w.age))), "within", w.label)
	}
}
