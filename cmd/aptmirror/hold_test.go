package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// moveClock sets how far from the system's clock that of the program is, in
// commands and in a daemon that runs.
func (h *host) moveClock(ahead time.Duration) {
	h.t.Helper()
	if h.clock == "" {
		h.clock = filepath.Join(h.dir, "clock")
	}
	err := os.WriteFile(h.clock+".new", []byte(ahead.String()), 0o644)
	if err == nil {
		err = os.Rename(h.clock+".new", h.clock) // the daemon reads it at any time
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// A hold ends by itself. apt's own clock stands: it begins in its past, since it
// takes nothing from the future, and what is signed then is still valid for it.
func TestAHoldEnds(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	past := time.Now().Add(-9 * day)
	a := upstreamtest.New(t)
	a.Clock = func() time.Time { return past.Add(-time.Hour) }
	a.Suite.ValidFor = 30 * day
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	a.Publish()
	h := &host{t: t, dir: t.TempDir(), program: "aptmirror"}
	h.moveClock(-9 * day)
	h.make(a)
	h.edit(func(text string) string {
		text = replaceOnce(t, text, "\n[[repository]]\nname = \"debian\"\narchive = \"debian\"\n", siteTables)
		text = replaceOnce(t, text, "allow ?true\n", "hold 7d ?true   # let others find out\nallow ?true\n")
		return replaceOnce(t, text, "\nsign_with = [\"keys/site.asc\"]\n", "\nsign_with = [\"keys/site.asc\"]\nvalid_for = \"30d\"\n")
	})
	h.must("sync") // what is there at first counts as old
	h.serve()
	newer := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	fresh := a.AddPackage(upstreamtest.Package{Name: "fresh", Version: "1.0"})
	a.Publish()
	h.must("sync")

	c := h.client("client")
	c.update()
	if got := c.candidate("hello"); got != "1.0" {
		t.Errorf("apt would install hello %q, whose newer version is held", got)
	}
	if out := c.mustApt("apt-cache", "policy", "fresh"); strings.Contains(out, "1.0") {
		t.Errorf("apt sees what is held:\n%s", out)
	}
	ends := h.wantWhy("held until ", "(let others find out)", "served      no").Until
	if early := past.Add(7 * day).Truncate(time.Minute); ends.Before(early) || ends.After(early.Add(patience)) {
		t.Errorf("the hold is said to end at %s, want soon after %s", ends, early)
	}

	h.moveClock(-3 * day) // six days later
	h.must("sync")
	c.update()
	if got := c.candidate("hello"); got != "1.0" {
		t.Errorf("a day too early, apt would install hello %q", got)
	}
	if got := h.wantWhy("held until ").Until; !got.Equal(ends) {
		t.Errorf("the hold is said to end at %s, and before that at %s", got, ends)
	}

	h.moveClock(-day)
	h.must("sync")
	c.update()
	c.download(newer)
	c.download(fresh)
	if got := c.candidate("hello"); got != "2.0" {
		t.Errorf("after the hold, apt would install hello %q", got)
	}
	if got := h.wantWhy("served      yes"); !got.Until.IsZero() || !got.FirstSeen.Equal(ends.Add(-7*day)) {
		t.Errorf("after the hold: %+v", got)
	}
	h.checkStore()
}

// wantWhy wants "why" to say these words of package fresh, in its one version.
func (h *host) wantWhy(words ...string) admin.Candidate {
	h.t.Helper()
	out := h.must("why", "site", "fresh").stdout
	for _, w := range words {
		if !strings.Contains(out, w) {
			h.t.Errorf("why says no %q:\n%s", w, out)
		}
	}
	result := data[admin.WhyResult](h, "why", "site", "fresh")
	if len(result.Suites) != 1 || len(result.Suites[0].Candidates) != 1 {
		h.t.Fatalf("%+v", result)
	}
	return result.Suites[0].Candidates[0]
}
