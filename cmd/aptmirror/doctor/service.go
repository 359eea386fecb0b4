package doctor

import (
	"context"
	"fmt"
	"strings"
)

// Units of the Debian package.
const (
	unit       = "aptmirror.service"
	socketUnit = "aptmirror.socket"
)

// service asks systemd about the unit.
func (d *Doctor) service(ctx context.Context) []Finding {
	f := &findings{check: "service"}
	if d.Systemctl == nil {
		f.note("", "systemd does not run this machine")
		return f.list
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := d.Systemctl(ctx, "show", unit, "--property=LoadState,ActiveState,SubState,Result,NRestarts,NeedDaemonReload,UnitFileState")
	if err != nil {
		f.note(unit, "asking systemd: "+err.Error())
		return f.list
	}
	d.aboutUnit(f, properties(text))
	return f.list
}

// socketListens asks systemd whether it listens for the service.
func (d *Doctor) socketListens(ctx context.Context) bool {
	if d.Systemctl == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := d.Systemctl(ctx, "show", socketUnit, "--property=ActiveState")
	return err == nil && properties(text)["ActiveState"] == "active"
}

// properties reads lines of NAME=VALUE.
func properties(text string) map[string]string {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		p[name] = value
	}
	return p
}

func (d *Doctor) aboutUnit(f *findings, p map[string]string) {
	if p["LoadState"] == "not-found" {
		f.note(unit, "is not installed")
		return
	}
	switch state := p["ActiveState"]; {
	case state == "failed":
		f.bad(unit, fmt.Sprintf("failed (%s)", p["Result"]), "journalctl -u aptmirror -n 50 says why; then: systemctl restart aptmirror")
	case state == "activating" && p["SubState"] == "auto-restart":
		f.bad(unit, "ends again and again, and is being restarted", "journalctl -u aptmirror -n 50 says why")
	case state == "active":
		f.ok(unit, "is running")
	case d.Daemon == nil:
		f.warn(unit, "is "+state, "systemctl enable --now aptmirror")
	default:
		f.warn(unit, "is "+state+", but a daemon runs outside of it", "stop that one, then: systemctl enable --now aptmirror")
	}
	if p["UnitFileState"] == "disabled" {
		f.warn(unit, "does not start with the machine", "systemctl enable aptmirror")
	}
	if p["NeedDaemonReload"] == "yes" {
		f.warn(unit, "has changed on disk", "systemctl daemon-reload && systemctl restart aptmirror")
	}
	if n := p["NRestarts"]; n != "" && n != "0" {
		f.warn(unit, "had to be restarted "+n+" times", "journalctl -u aptmirror -p warning says why")
	}
}
