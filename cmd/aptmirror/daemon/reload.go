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

// reloader takes up certificates, revocation lists, grants, policies, site keys
// and what the built suites of a repository are made of, that change while the
// daemon serves. No connection is touched: requests that begin
// afterwards are judged by what is new. What cannot be used leaves in force
// what was there before.
type reloader struct {
	daemon *Daemon
	server *proxy.Server

	mu       sync.Mutex     // held for all of one reload; guards the fields below
	config   *config.Config // of which loaded was made
	loaded   *proxy.Access
	seen     string // stamps of the files at the last reload
	changing string // stamps of files that have not come to rest, or ""
	tried    time.Time
	access   admin.Access // without warnings
	crl      error        // of keeping the built-in CA's list fresh
	renewal  error        // of the server's certificate
	record   record
}

// newReloader reads everything for the first time.
func (d *Daemon) newReloader() (*reloader, error) {
	r := &reloader{daemon: d, config: d.config}
	r.keepFresh()
	r.seen = stamps(watchedFiles(d.config))
	var err error
	if r.loaded, err = loadAccess(d.config); err != nil {
		return nil, err
	}
	r.access = describe(r.loaded, d.Now())
	return r, nil
}

// Reload reads certificates, revocation lists and grants again, also where no
// file has changed. If they cannot be used, the error says why.
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
	now := stamps(watchedFiles(r.config))
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

func (r *reloader) reload(why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
	r.tried, r.changing = r.daemon.Now().UTC(), ""
	r.seen = stamps(watchedFiles(r.config))
	err := r.take(why)
	if err != nil {
		r.keep(err)
		r.daemon.Log.Error("reloading failed: what was in force before stays", "by", why, "in_force_since", r.access.Read, "error", err)
	}
	r.tell(systemd.SdNotifyReady + "\nSTATUS=" + r.headline())
	return err
}

// take puts in force what the files say now.
func (r *reloader) take(why string) error {
	next, err := config.Load(r.daemon.config.Path)
	if err != nil {
		return err
	}
	access, err := loadAccess(next)
	if err != nil {
		return err
	}
	m := loadMakings(next)
	if err := m.fault(); err != nil {
		return err
	}
	changed := config.Changed(r.config, next)
	r.server.SetAccess(access)
	r.daemon.takeMakings(m)
	r.config, r.loaded, r.access = next, access, describe(access, r.tried)
	r.seen = stamps(watchedFiles(next))
	r.access.Restart = slices.DeleteFunc(config.Changed(r.daemon.config, next), func(key string) bool { return reloads(key) || m.reloads(key, r.daemon.config) })
	r.daemon.Log.Info("reloaded certificates, revocation lists, grants, policies and site keys", "by", why, "changed_keys", changed, "grants", r.access.Grants)
	if len(r.access.Restart) > 0 {
		r.daemon.Log.Warn("the configuration has changed where only a restart helps", "keys", r.access.Restart)
	}
	return nil
}

// keep notes why the files are not in force.
func (r *reloader) keep(err error) {
	if r.access.Problem == "" {
		r.access.ProblemSince = r.tried
	}
	r.access.Problem = err.Error()
}

// reloads reports whether a changed key is taken up without a restart. What
// the daemon never looks at counts, too.
func reloads(key string) bool {
	table, _, _ := strings.Cut(key, ".")
	aliases := table == "archive" && strings.HasSuffix(key, ".aliases")
	return key != "serve.listen" && key != "serve.max_connections" && (table == "serve" || table == "clients" || table == "grant" || aliases)
}

// headline is one line about the state of things.
func (r *reloader) headline() string {
	if r.access.Problem == "" {
		return "serving"
	}
	first, _, _ := strings.Cut(r.access.Problem, "\n")
	return fmt.Sprintf("serving with certificates and grants of %s, newer ones cannot be used: %s", minute(r.access.Read), first)
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
	if r.crl = refreshCRL(r.config, now); r.crl != nil {
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
	for _, c := range serverCAs(r.config) {
		out.ServerCA = append(out.ServerCA, certificate(c))
	}
	out.Warnings = warnings(r.config, r.loaded, now)
	if r.crl != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the revocation list cannot be kept fresh: %v", r.crl))
	}
	if r.renewal != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the server certificate cannot be renewed: %v", r.renewal))
	}
	ending, err := r.record.ending(r.config, now)
	if err != nil && r.crl == nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the certificates of clients cannot be looked at: %v", err))
	}
	out.Warnings = append(out.Warnings, endingLine(ending)...)
	out.ClientsEnding = ending[:min(len(ending), maxEnding)]
	return &out
}
