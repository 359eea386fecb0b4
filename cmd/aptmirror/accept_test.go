package main

import (
	"strings"
	"testing"

	"aptmirror/proxy/admin"
)

// What a suite says of itself has changed: nothing is published until somebody
// gives the command that status names.
func TestArchiveAccept(t *testing.T) {
	t.Parallel()
	for name, withDaemon := range map[string]bool{"without a daemon": false, "with one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, _ := sample(t)
			h := newHost(t, a)
			h.must("sync")
			if withDaemon {
				h.serve()
			}
			if r := h.run("archive", "accept", "debian", "stable"); r.code != 1 || !strings.Contains(r.stderr, "nothing of this suite waits") {
				t.Errorf("accepting nothing: exit code %d\n%s", r.code, r.stderr)
			}
			a.Suite.Origin = "Somebody else"
			a.Publish()
			if r := h.run("sync"); r.code != 4 || !strings.Contains(r.stderr, "aptmirror archive accept debian stable") {
				t.Errorf("sync: exit code %d\n%s", r.code, r.stderr)
			}
			if r := h.must("status"); !strings.Contains(r.stdout, `its Origin changed from "Example" to "Somebody else"`) || !strings.Contains(r.stdout, "what to do   if the archive has announced this: aptmirror archive accept debian stable") {
				t.Errorf("status says\n%s", r.stdout)
			}
			got := data[admin.AcceptResult](h, "archive", "accept", "debian", "stable")
			if got.Accepted.Reason != "info-changed" || got.Suite.Generation != 2 {
				t.Errorf("archive accept: %+v", got)
			}
			if s := data[admin.Status](h, "status").Suites[0]; s.Generation != 2 || s.Held != nil || s.Error != "" {
				t.Errorf("status afterwards: %+v", s)
			}
			h.checkStore()
		})
	}
}

func TestArchiveAcceptUsage(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newHost(t, a)
	for _, args := range [][]string{{"archive", "accept"}, {"archive", "accept", "debian"}, {"archive", "accept", "debian", "sid"}, {"archive", "forget"}} {
		if r := h.run(args...); r.code != 2 || r.stderr == "" {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
}
