package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// MinRefresh keeps a configuration from hammering an upstream.
	MinRefresh = time.Minute
	// MinMaxAge is far below the age at which any archive's Release is replaced.
	MinMaxAge = time.Hour
	// MinValidFor leaves time to sign again before clients refuse a Release.
	MinValidFor = time.Hour
	// maxDuration is the longest duration that a file may name.
	maxDuration = 3650 * day

	day = 24 * time.Hour
)

// parseDuration reads Go's durations with days before them: "15m", "6h", "7d", "1d12h".
func parseDuration(s string) (time.Duration, error) {
	days, rest, hasDays := strings.Cut(s, "d")
	if !hasDays {
		days, rest = "0", s
	} else if rest == "" {
		rest = "0s"
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, errNotDuration
	}
	fraction, err := time.ParseDuration(rest)
	if err != nil || fraction < 0 || strings.HasPrefix(rest, "+") {
		return 0, errNotDuration
	}
	if total := time.Duration(n)*day + fraction; fraction <= maxDuration && total <= maxDuration {
		return total, nil
	}
	return 0, fmt.Errorf("is longer than %s", formatDuration(maxDuration))
}

var errNotDuration = errors.New(`is not a duration: write a number and s, m, h or d, as in "15m", "6h" or "7d"`)

// formatDuration writes what parseDuration reads, in the largest unit that leaves no remainder.
func formatDuration(d time.Duration) string {
	units := []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for _, u := range units {
		if d >= u.length && d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + u.name
		}
	}
	return d.String()
}
