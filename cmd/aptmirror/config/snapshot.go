package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Values of [Snapshot.Every].
const (
	Hourly  = "hourly"
	Daily   = "daily"
	Weekly  = "weekly"
	Monthly = "monthly"
)

// maxKeep is the most snapshots of one schedule: each holds on to what it pins.
const maxKeep = 1000

// Snapshot is one [[snapshot]]: a schedule that pins what repositories serve, and how many of its snapshots stay.
type Snapshot struct {
	// Name is unique among the schedules. The names of its snapshots begin with it.
	Name string
	// Repositories are names of repositories of the same file, at least one.
	Repositories []string
	// Every is Hourly, Daily, Weekly (on Mondays) or Monthly (on the first).
	Every string
	// At is the time of day in the local zone, counted from midnight. Defaults to DefaultSnapshotAt; 0 for Hourly, which is
	// on the hour.
	At time.Duration
	// Keep is how many of the newest stay. Defaults to DefaultKeep where the other three are 0, else to 0.
	Keep int
	// KeepDaily, KeepWeekly and KeepMonthly keep the last snapshot of so many days, weeks and months. All of them 0: Keep
	// counts.
	KeepDaily, KeepWeekly, KeepMonthly int
	// Complete fetches every file that is pinned, so that the snapshot can be served and exported without upstream.
	// Defaults to false.
	Complete bool
}

func (d *decoder) snapshot(t *table, c *Config) Snapshot {
	s := Snapshot{
		Name:         d.one(t, "name", cleanName),
		Repositories: d.list(t, "repositories", c.repositoryName),
		Every:        d.one(t, "every", oneOf(Hourly, Daily, Weekly, Monthly)),
		Keep:         d.number(t, "keep", 1, maxKeep),
		KeepDaily:    d.number(t, "keep_daily", 1, maxKeep),
		KeepWeekly:   d.number(t, "keep_weekly", 1, maxKeep),
		KeepMonthly:  d.number(t, "keep_monthly", 1, maxKeep),
		Complete:     d.yes(t, "complete"),
	}
	d.timeOfDay(t, &s)
	d.required(t, "name", "repositories", "every")
	d.notEmpty(t, "repositories")
	switch periods := s.KeepDaily + s.KeepWeekly + s.KeepMonthly; {
	case periods > 0 && s.Keep > 0:
		d.problem(t.at("keep"), "leave it out, or keep_daily, keep_weekly and keep_monthly: they say something else")
	case periods == 0 && t.nodes["keep"] == nil:
		s.Keep = DefaultKeep
	}
	return s
}

func (d *decoder) timeOfDay(t *table, s *Snapshot) {
	n := t.nodes["at"]
	switch {
	case n == nil && s.Every != Hourly:
		s.At = DefaultSnapshotAt
	case n != nil && s.Every == Hourly:
		d.problem(n.place, "leave it out: hourly is on the hour")
	case n != nil:
		s.At, _ = parseTimeOfDay(d.one(t, "at", cleanTimeOfDay))
	}
}

func parseTimeOfDay(s string) (time.Duration, error) {
	at, err := time.Parse("15:04", s)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err
}

func cleanTimeOfDay(s string) (string, error) {
	if _, err := parseTimeOfDay(s); err != nil {
		return "", fmt.Errorf(`%q is not a time of day: write hours and minutes, as in "03:00"`, s)
	}
	return s, nil
}

// repositoryName looks up the name of a repository.
func (c *Config) repositoryName(s string) (string, error) {
	names := c.RepositoryNames()
	if !slices.Contains(names, s) {
		return "", fmt.Errorf("there is no repository %q%s", s, DidYouMean(s, names))
	}
	return s, nil
}

// RepositoryNames are those of all repositories, as configured.
func (c *Config) RepositoryNames() (names []string) {
	for _, r := range c.Repositories {
		names = append(names, r.Name)
	}
	return names
}

func snapshotValues(s Snapshot) values {
	v := values{
		"name":         quoteSet(s.Name),
		"repositories": quoteList(s.Repositories),
		"every":        quoteSet(s.Every),
		"keep":         formatNumber(s.Keep),
		"keep_daily":   formatNumber(s.KeepDaily),
		"keep_weekly":  formatNumber(s.KeepWeekly),
		"keep_monthly": formatNumber(s.KeepMonthly),
		"complete":     whenTrue(s.Complete),
	}
	if s.Every != Hourly {
		minutes := int(s.At / time.Minute)
		v["at"] = quote(fmt.Sprintf("%02d:%02d", minutes/60, minutes%60))
	}
	return v
}

// formatNumber is "" for 0, which no key takes.
func formatNumber(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
