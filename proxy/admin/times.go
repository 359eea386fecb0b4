package admin

import "time"

// Second writes a time as people read it, in UTC wherever they are.
func Second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Minute is Second where seconds do not matter.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Day is Minute where the time of the day does not matter.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
