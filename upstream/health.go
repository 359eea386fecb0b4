package upstream

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// A mirror that fails is asked last for a while, which doubles each time up to
// the longest pause; the pauses are longer for one that sent wrong bytes.
const (
	downPause        = 10 * time.Second
	longestDownPause = 10 * time.Minute
	liePause         = time.Minute
	longestLiePause  = time.Hour
	// longestLeave bounds how long a mirror is not asked at all because it
	// said so: Retry-After must not take an archive away for good.
	longestLeave = 10 * time.Minute
)

// maxWhy bounds what is kept of a mirror's failure, in bytes.
const maxWhy = 400

// health remembers the mirrors of one archive that failed. The zero value trusts
// all.
type health struct {
	mu    sync.Mutex       // guards aside
	aside map[string]aside // by URI
}

type aside struct {
	until time.Time
	leave time.Time // until then it is not asked at all
	pause time.Duration
	lied  bool
	why   string
}

func (u *Upstream) healthOf(a *Archive) *health {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := u.healths[a.Name]
	if h == nil {
		h = &health{}
		u.healths[a.Name] = h
	}
	return h
}

// lied sets a mirror aside that sent what no honest one can have.
func (h *health) lied(uri string, why error, now time.Time) {
	h.setAside(uri, liePause, longestLiePause, true, why, now)
}

// down sets a mirror aside that could not be reached or did not answer as it
// should, for at least as long as it wants to be left alone itself.
func (h *health) down(uri string, why error, after time.Duration, now time.Time) {
	h.setAside(uri, max(downPause, min(after, longestLeave)), longestDownPause, false, why, now)
	if after <= longestWait { // that much was waited for
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.aside[uri]
	was.leave = now.Add(min(after, longestLeave))
	h.aside[uri] = was
}

// leftAlone is an error as long as a mirror wants not to be asked.
func (h *health) leftAlone(uri string, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was := h.aside[uri]; now.Before(was.leave) {
		return fmt.Errorf("%s: the mirror wants not to be asked before %s: %s", uri, stamp(was.leave), was.why)
	}
	return nil
}

// setAside leaves a mirror alone that is aside already: several requests that
// fail at the same time are one failure.
func (h *health) setAside(uri string, first, longest time.Duration, lied bool, why error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.aside[uri]
	if now.Before(was.until) && (was.lied || !lied) {
		return
	}
	if h.aside == nil {
		h.aside = map[string]aside{}
	}
	text := why.Error()
	pause := max(min(2*was.pause, longest), first)
	h.aside[uri] = aside{until: now.Add(pause), leave: was.leave, pause: pause, lied: lied, why: text[:min(len(text), maxWhy)]}
}

// good ends the pause of a mirror that works again. What is said of one that
// lied stands until the pause is over.
func (h *health) good(uri string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, ok := h.aside[uri]; ok && (!was.lied || !now.Before(was.until)) {
		delete(h.aside, uri)
	}
}

// order gives the mirrors in the order to ask them: first, where it is not "",
// then as configured, and at the end those that are set aside.
func (h *health) order(uris []string, first string, now time.Time) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	rank := func(uri string) int {
		switch {
		case now.Before(h.aside[uri].until):
			return 2
		case uri == first:
			return 0
		}
		return 1
	}
	ordered := slices.Clone(uris)
	slices.SortStableFunc(ordered, func(a, b string) int { return rank(a) - rank(b) })
	return ordered
}

// Mirror is one address of an archive, as it has turned out so far.
type Mirror struct {
	URI string
	// LastUntil is when it will be asked again before others; it is zero for a
	// mirror in good standing.
	LastUntil time.Time
	Why       string
}

// Mirrors tells how the mirrors of an archive are, in configured order.
func (u *Upstream) Mirrors(a *Archive) []Mirror {
	h := u.healthOf(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Mirror
	for _, uri := range a.URIs {
		m := Mirror{URI: uri}
		if was := h.aside[uri]; u.Now().Before(was.until) {
			m.LastUntil, m.Why = was.until, was.why
		}
		all = append(all, m)
	}
	return all
}
