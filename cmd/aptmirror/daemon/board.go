package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/listen"
	"aptmirror/proxy"
	"aptmirror/proxy/status"
	"aptmirror/upstream"
)

// jobKinds are those of catalog.Job.Kind, which label metrics: each that a job
// is started with here has to be among them.
var jobKinds = []string{"accept", "build", "download", "export", "gc", "import", "publish", "rollback", "sign", "snapshot", "snapshot complete", "snapshot delete", "sync", "verify"}

// newBoard makes what shows the state of a serving daemon.
func (d *Daemon) newBoard() *status.Board {
	c := status.Config{State: d.state, Archives: boardArchives(d.inForce.Load()), Kinds: jobKinds, Notes: d.cache.Catalog, Log: d.Log, Now: d.Now}
	for _, r := range upstream.Reasons() {
		c.Reasons = append(c.Reasons, string(r))
	}
	b := status.New(c)
	d.board.Store(b)
	return b
}

// upstreamRefused, upstreamFetched and jobDone pass on what is told, where there is
// a board.
func (d *Daemon) upstreamRefused(archive, suite string, reason upstream.Reason) {
	if b := d.board.Load(); b != nil {
		b.UpstreamRefused(archive, suite, string(reason))
	}
}

func (d *Daemon) upstreamFetched(archive string, bytes int64, err error) {
	if b := d.board.Load(); b != nil {
		b.Fetched(archive, bytes, err)
	}
}

func (d *Daemon) jobDone(kind string, took time.Duration, err error) {
	if b := d.board.Load(); b != nil {
		b.JobDone(kind, took, err)
	}
}

// DoctorName is the DNS name of the certificate with which doctor tries to get
// in. It ends within a day, and nobody is to renew it: it is no client.
const DoctorName = "doctor.aptmirror.invalid"

// observer tells a board of requests.
func observer(b *status.Board) func(proxy.Served) {
	return func(s proxy.Served) {
		if s.Identity.Name == "dns:"+DoctorName {
			return
		}
		if s.Status == 0 {
			b.ClientRefused("in the handshake", s.Refused, s.Why)
			return
		}
		b.Observe(status.Request{
			Identity: s.Identity, Peer: s.Peer, Class: status.Class(s.Class), Outcome: outcomeOf(s),
			Bytes: s.Bytes, Duration: s.Duration, Refusal: s.Refused, Why: s.Why,
		})
	}
}

// outcomeOf sums up how a request ended.
func outcomeOf(s proxy.Served) status.Outcome {
	switch {
	case s.Left:
		return status.Left
	case s.Cut:
		return status.Cut
	case s.Status == http.StatusNotFound:
		return status.Missing
	case s.Status == http.StatusServiceUnavailable:
		return status.Unavailable
	case s.Status >= http.StatusInternalServerError:
		return status.Failed
	case s.Outcome == proxy.OutcomeNone && s.Status >= http.StatusBadRequest:
		return status.Refused
	case s.Outcome == proxy.OutcomeNone:
		return status.Done
	}
	return status.Outcome(s.Outcome)
}

// mirrorName is how clients call this mirror.
func mirrorName(c *config.Config) string {
	u, err := url.Parse(c.Serve.PublicURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// pageTimeout bounds one answer on the port of the status page.
const pageTimeout = 30 * time.Second

// pageListener listens for the status page; nil: it has no port of its own.
func (d *Daemon) pageListener(ctx context.Context) (net.Listener, error) {
	if d.began.Status.Listen == "" {
		return nil, nil
	}
	l, err := listen.On(ctx, d.began.Status.Listen, "status.listen")
	if err != nil {
		return nil, fmt.Errorf("listening for the status page: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.page = l.Addr().String()
	d.Log.Info("showing the status", "listen", d.page)
	return l, nil
}

// servePage answers on the port of the status page until ctx ends.
func (d *Daemon) servePage(ctx context.Context, b *status.Board, l net.Listener) error {
	server := &http.Server{
		Handler: status.Local(b.Handler()), ReadHeaderTimeout: pageTimeout, ReadTimeout: pageTimeout, WriteTimeout: pageTimeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelWarn),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answering for the status page: %w", err)
	}
	return nil
}
