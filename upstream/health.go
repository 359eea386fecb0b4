package upstream

import (
	"slices"
	"sync"
	"time"
)

// A mirror that sent wrong bytes is asked last for a while, which doubles each
// time up to the longest pause.
const (
	firstPause   = time.Minute
	longestPause = time.Hour
)

// health remembers the mirrors that lied. The zero value trusts all.
type health struct {
	mu    sync.Mutex // guards aside
	aside map[string]lie
}

type lie struct {
	until time.Time
	pause time.Duration
}

func (h *health) lied(uri string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.aside == nil {
		h.aside = map[string]lie{}
	}
	pause := min(max(2*h.aside[uri].pause, firstPause), longestPause)
	h.aside[uri] = lie{now.Add(pause), pause}
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
