package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/gate"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
)

const (
	// lookInterval is how often the files are looked at. Changes that have
	// come to rest for one interval are taken up. Looking works where
	// notifications do not: links that are switched, files that come later,
	// network file systems.
	lookInterval = 2 * time.Second
	// retryInterval is the pause after files could not be used and have not
	// changed since: the reason may be elsewhere.
	retryInterval = 10 * time.Minute
	// refreshInterval is how often the built-in CA's list and the server's
	// certificate are looked at; their lives are days.
	refreshInterval = time.Hour
)

// reloader takes up what changes of the configuration, and of the files that it
// names, while the daemon serves: all of it, or nothing where some of it cannot
// be used. No connection is touched, and what is being sent is sent to its end;
// requests that begin afterwards are judged by what is new.
type reloader struct {
	daemon *Daemon
	server *proxy.Server

	turn     sync.Mutex     // held for all of one reload, which alone writes the fields below
	mu       sync.Mutex     // guards the fields below
	config   *config.Config // as it was last in the file
	loaded   *proxy.Access
	seen     string // stamps of the files at the last reload
	changing string // stamps of files that have not come to rest, or ""
	tried    time.Time
	access   admin.Access // without warnings
	crl      error        // of keeping the built-in CA's list fresh
	renewal  error        // of the server's certificate
	record   gate.Record
}

// newReloader reads everything for the first time.
func (d *Daemon) newReloader() (*reloader, error) {
	r := &reloader{daemon: d, config: d.began}
	r.keepFresh()
	r.seen = inforce.Stamps(inforce.WatchedFiles(d.began))
	var err error
	if r.loaded, err = gate.Load(d.began); err != nil {
		return nil, err
	}
	r.access = gate.Describe(r.loaded, d.Now())
	return r, nil
}

// Reload reads the configuration and its files again, also where none has
// changed. If they cannot be used, the error says why.
func (d *Daemon) Reload(_ context.Context, by admin.Caller) (*admin.Access, error) {
	r := d.reloading()
	if r == nil {
		return nil, &admin.Error{Text: "no daemon is serving, so that there is nothing to reload", Exit: admin.ExitFailed}
	}
	err := r.reload(by.String())
	return r.state(), err
}

func (d *Daemon) reloading() *reloader {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reloads
}

// watch takes up changes until ctx ends.
func (r *reloader) watch(ctx context.Context) error {
	look, refresh := time.NewTicker(lookInterval), time.NewTicker(refreshInterval)
	defer look.Stop()
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.daemon.Hangup:
			r.reload("SIGHUP") // the log has the error
		case <-refresh.C:
			r.keepFresh()
		case <-look.C:
			if why := r.reason(); why != "" {
				r.reload(why) // likewise
			}
		}
	}
}

// reason says why it is time for a reload, "" if it is not.
func (r *reloader) reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := inforce.Stamps(inforce.WatchedFiles(r.config))
	switch {
	case now == r.seen:
		r.changing = ""
		if r.access.Problem != "" && r.daemon.Now().Sub(r.tried) >= retryInterval {
			return "another try"
		}
		return ""
	case now != r.changing: // a certificate without its key yet, perhaps
		r.changing = now
		return ""
	}
	return "a change of the files"
}

// reload returns when nothing is under way any more of what is no longer in
// force.
func (r *reloader) reload(why string) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.tell(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
	settle, err := r.tryTake(why)
	if err != nil {
		r.daemon.Log.Error("reloading failed: what was in force before stays", "by", why, "in_force_since", r.access.Read, "error", err)
	} else {
		settle()
	}
	r.tell(systemd.SdNotifyReady + "\nSTATUS=" + r.headline())
	return err
}

// tryTake notes whether it worked.
func (r *reloader) tryTake(why string) (settle func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried, r.changing = r.daemon.Now().UTC(), ""
	r.seen = inforce.Stamps(inforce.WatchedFiles(r.config))
	if settle, err = r.take(why); err != nil {
		r.keep(err)
	}
	return settle, err
}

// take puts in force what the files say now.
func (r *reloader) take(why string) (settle func(), err error) {
	d := r.daemon
	next, err := config.Load(d.began.Path)
	if err != nil {
		return nil, err
	}
	access, err := gate.Load(next)
	if err != nil {
		return nil, err
	}
	f, err := inforce.Read(d.life, startedAs(next, d.began), d.inForce.Load())
	if err == nil {
		err = f.Fault()
	}
	if err != nil {
		return nil, err
	}
	if settle, err = d.replace(f, func() { r.server.SetAccess(access) }); err != nil {
		return nil, err
	}
	changed := config.Changed(r.config, next)
	r.config, r.loaded, r.access = next, access, gate.Describe(access, r.tried)
	r.seen = inforce.Stamps(inforce.WatchedFiles(next))
	r.access.Restart = slices.DeleteFunc(config.Changed(d.began, next), func(key string) bool { return !needsRestart(key) })
	d.Log.Info("reloaded the configuration", "by", why, "changed_keys", changed, "grants", r.access.Grants)
	if len(r.access.Restart) > 0 {
		d.Log.Warn("the configuration has changed where only a restart helps", "keys", r.access.Restart)
	}
	return settle, nil
}

// keep notes why the files are not in force.
func (r *reloader) keep(err error) {
	if r.access.Problem == "" {
		r.access.ProblemSince = r.tried
	}
	r.access.Problem = err.Error()
}

// needsRestart reports whether a changed key is only looked at when the daemon
// starts: where the store is, and who is listened to.
func needsRestart(key string) bool {
	table, _, _ := strings.Cut(key, ".")
	return table == "state" || table == "cache" || table == "status" || key == "serve.listen" || key == "serve.max_connections"
}

// startedAs gives a configuration with what needs a restart as it began.
func startedAs(next, began *config.Config) *config.Config {
	c := *next
	c.State, c.Cache, c.Status = began.State, began.Cache, began.Status
	c.Serve.Listen, c.Serve.MaxConnections = began.Serve.Listen, began.Serve.MaxConnections
	return &c
}

// headline is one line about the state of things.
func (r *reloader) headline() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.access.Problem == "" {
		return "serving"
	}
	first, _, _ := strings.Cut(r.access.Problem, "\n")
	return fmt.Sprintf("serving with the configuration of %s, the newer one cannot be used: %s", admin.Minute(r.access.Read), first)
}

// tell tells the service manager; see sd_notify(3).
func (r *reloader) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		r.daemon.Log.Warn("telling systemd about a reload failed", "error", err)
	}
}

// keepFresh signs what the site's own CAs have signed anew before it ends; watch sees
// the new files.
func (r *reloader) keepFresh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	log, now := r.daemon.Log, r.daemon.Now()
	if r.crl = gate.RefreshCRL(r.config, now); r.crl != nil {
		log.Error("keeping the revocation list fresh failed; when it ends, all clients are refused", "error", r.crl)
	}
	renewed, err := site.RenewInTime(r.config, now)
	if r.renewal = err; err != nil {
		log.Error("renewing the server certificate failed; when it ends, no client connects any more", "error", err)
	}
	if renewed != nil {
		log.Info("renewed the server certificate", "file", r.config.Serve.Cert, "until", renewed.NotAfter)
	}
}

// state is what status says.
func (r *reloader) state() *admin.Access {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, now := r.access, r.daemon.Now()
	out.Kept = r.daemon.kept()
	for _, c := range gate.ServerCAs(r.config) {
		out.ServerCA = append(out.ServerCA, gate.Certificate(c))
	}
	out.Warnings = gate.Warnings(r.config, r.loaded, now)
	if r.crl != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the revocation list cannot be kept fresh: %v", r.crl))
	}
	if r.renewal != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the server certificate cannot be renewed: %v", r.renewal))
	}
	ending, err := r.record.Ending(r.config, now)
	if err != nil && r.crl == nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the certificates of clients cannot be looked at: %v", err))
	}
	out.Warnings = append(out.Warnings, gate.EndingLine(ending)...)
	out.ClientsEnding = ending[:min(len(ending), gate.MaxEnding)]
	return &out
}
