package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// askTimeout bounds questions to the daemon and to other machines.
const askTimeout = 20 * time.Second

func problemsOf(err error) (lines []string) {
	if e, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range e.Problems {
			lines = append(lines, p.String())
		}
		if e.More > 0 {
			lines = append(lines, fmt.Sprintf("and %d more problems", e.More))
		}
		return lines
	}
	return []string{err.Error()}
}

// askDaemon gives the state of the daemon, nil where there is none to ask.
func (d *Doctor) askDaemon(ctx context.Context) (*admin.Status, []Finding) {
	f := &findings{check: "configuration"}
	f.ok(d.Config.Path, "is valid")
	f.check = "daemon"
	if d.DaemonError != nil {
		f.bad("", d.DaemonError.Error(), accessMend(d.DaemonError, d.Program))
		return nil, f.list
	}
	if d.Daemon == nil {
		f.note("", "no daemon is running")
		return nil, f.list
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var status admin.Status
	if err := d.Daemon.Call(ctx, "status", struct{}{}, func(admin.Event) {}, &status); err != nil {
		f.bad("", fmt.Sprintf("the daemon does not answer on %s: %v", d.Config.Socket(), err), accessMend(err, "journalctl -u aptmirror -n 50"))
		return nil, f.list
	}
	d.aboutDaemon(f, status)
	return &status, f.list
}

func accessMend(err error, otherwise string) string {
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "may not administer") {
		return "run this command as root or as the user of the service"
	}
	return otherwise
}

func (d *Doctor) aboutDaemon(f *findings, s admin.Status) {
	f.ok("", fmt.Sprintf("version %s answers on %s, serving since %s", s.Version, d.Config.Socket(), admin.Minute(s.Started)))
	if s.Version != d.Version {
		f.warn("", fmt.Sprintf("the daemon is version %s, this program %s", s.Version, d.Version), "systemctl restart aptmirror")
	}
	if s.Access != nil && s.Access.Problem != "" {
		f.bad("", "the newer configuration cannot be used: "+s.Access.Problem, "mend that, then: "+d.Program+" reload")
	}
	if s.Access != nil && len(s.Access.Restart) > 0 {
		f.warn("", "the configuration has changed where only a restart helps: "+strings.Join(s.Access.Restart, ", "), "systemctl restart aptmirror")
	}
	for _, suite := range s.Suites {
		d.aboutSuite(f, suite)
	}
}

// aboutSuite is about what the daemon knows; archives looks for itself.
func (d *Doctor) aboutSuite(f *findings, s admin.SuiteStatus) {
	name := s.Repository + "/" + s.Suite
	if s.Reason == upstream.Unreachable && !d.Offline {
		s.Advice = "look at the findings about names and archives below"
	}
	switch {
	case s.Held != nil:
		f.bad(name, fmt.Sprintf("a Release dated %s is held since %s: %s", admin.Minute(s.Held.Date), admin.Minute(s.Held.Since), s.Held.What),
			d.accept(s))
	case s.Generation == 0 && s.Error == "" && !s.Built && s.Checked.IsZero():
		f.bad(name, "nothing verified yet, so that clients get nothing: no sync or import of it has ended", d.firstLook(s.Archive))
	case s.Generation == 0:
		f.bad(name, strings.TrimSuffix("nothing verified yet, so that clients get nothing: "+s.Error, ": "), firstOf(s.Advice, strings.TrimSpace(d.Program+" sync "+s.Archive)))
	case s.Error != "":
		f.warn(name, "the last refresh failed: "+s.Error, firstOf(s.Advice, strings.TrimSpace(d.Program+" sync "+s.Archive)))
	case s.Warning != "":
		f.warn(name, s.Warning, s.Advice)
	default:
		f.ok(name, fmt.Sprintf("generation %d dated %s", s.Generation, admin.Minute(s.Date)))
	}
}

// accept is what lets a held Release in; of a suite that is built, the advice
// names the archive.
func (d *Doctor) accept(s admin.SuiteStatus) string {
	if s.Archive == "" {
		return s.Advice
	}
	return fmt.Sprintf("%s archive accept %s %s", d.Program, s.Archive, s.Suite)
}

// firstLook is the command that brings the first state of an archive, and waits
// for one that is under way.
func (d *Doctor) firstLook(archive string) string {
	if slices.ContainsFunc(d.Config.Archives, func(a config.Archive) bool { return a.Name == archive && len(a.URIs) == 0 }) {
		return d.Program + " import BUNDLE"
	}
	return d.Program + " sync " + archive
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
