// Package doctor looks over a site and its surroundings, and says of each fault
// what mends it.
//
// It looks at what is there: files and who may use them, certificates, keys,
// disk, clock, names, ports, archives, the daemon and its service, and whether a
// client gets in. It works with and without a running daemon. It never changes
// anything, never opens the store, and never prints a secret.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// Levels of a finding, from the best to the worst.
const (
	OK      = "ok"
	Note    = "note"    // worth knowing, or not looked at
	Warning = "warning" // will be a fault
	Fault   = "fault"   // something does not work
)

// Finding is what one look came to.
type Finding struct {
	// Check is what was looked at, one of a fixed set: "disk", "clock".
	Check string `json:"check"`
	// Subject is which one of several: an archive, a file, an address.
	Subject string `json:"subject,omitempty"`
	Level   string `json:"level"`
	Text    string `json:"text"`
	// Mend is a command, or what else to do.
	Mend string `json:"mend,omitempty"`
}

// Report is everything that was found, in the order of the checks.
type Report struct {
	Findings []Finding `json:"findings"`
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
}

// Doctor looks over one site.
type Doctor struct {
	Config *config.Config
	// Program is how commands for this site begin: "aptmirror --config FILE".
	Program string
	Version string
	Now     func() time.Time
	// Daemon asks the one that is running; nil: none is.
	Daemon *admin.Client
	// DaemonError says why one that seems to run cannot be asked; nil: none does.
	DaemonError error
	// Client is a certificate that ought to be let in. nil: one is issued for the
	// time of the check, where the site has a CA.
	Client *tls.Certificate
	// Systemctl runs systemctl(1) and gives what it prints; nil: systemd does not
	// run this machine.
	Systemctl func(ctx context.Context, arguments ...string) (string, error)
	// Offline leaves out what asks other machines.
	Offline bool
}

// atOnce is how many checks run at a time: most of them wait for the network.
const atOnce = 4

// Examine runs all checks.
func (d *Doctor) Examine(ctx context.Context) Report {
	status, findings := d.askDaemon(ctx)
	checks := []func(context.Context) []Finding{
		d.disk, d.permissions, d.serverCertificate, d.clientAuthorities, d.clients, d.keyrings, d.signingKeys, d.policies,
		func(context.Context) []Finding { return d.pools(status) },
		func(ctx context.Context) []Finding { return d.ports(ctx, status) },
		func(ctx context.Context) []Finding { return d.handshakes(ctx, status) },
		d.service, d.synchronised,
	}
	if !d.Offline {
		checks = append(checks, d.names, d.clock, d.archives)
	}
	all := make([][]Finding, len(checks))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, check := range checks {
		group.Go(func() error {
			all[i] = check(ctx)
			return nil
		})
	}
	group.Wait() // checks have no errors
	for _, f := range all {
		findings = append(findings, f...)
	}
	return reportOf(findings)
}

func reportOf(findings []Finding) Report {
	r := Report{Findings: findings}
	for _, f := range findings {
		switch f.Level {
		case Fault:
			r.Faults++
		case Warning:
			r.Warnings++
		}
	}
	return r
}

// Invalid is the report on a configuration that cannot be read.
func Invalid(err error) Report {
	var findings []Finding
	if errors.Is(err, fs.ErrNotExist) {
		return reportOf([]Finding{{"configuration", "", Fault, err.Error(), "name one with --config, or make one with aptmirror init"}})
	}
	for _, p := range problemsOf(err) {
		findings = append(findings, Finding{"configuration", "", Fault, p, "mend the file, then look again"})
	}
	return reportOf(findings)
}

// findings collects what one check finds.
type findings struct {
	check string
	list  []Finding
}

func (f *findings) ok(subject, text string)         { f.add(subject, OK, text, "") }
func (f *findings) note(subject, text string)       { f.add(subject, Note, text, "") }
func (f *findings) warn(subject, text, mend string) { f.add(subject, Warning, text, mend) }
func (f *findings) bad(subject, text, mend string)  { f.add(subject, Fault, text, mend) }

func (f *findings) add(subject, level, text, mend string) {
	f.list = append(f.list, Finding{f.check, subject, level, text, mend})
}
