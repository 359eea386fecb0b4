package daemon

import (
	"testing"
	"time"
)

func TestWhatWasDoneInTheFutureIsOverdue(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	for last, want := range map[time.Time]bool{
		{}: true, now.AddDate(1, 0, 0): true, now: false, now.Add(-time.Hour + 1): false, now.Add(-time.Hour): true,
	} {
		if got := overdue(last, now, time.Hour); got != want {
			t.Errorf("last at %v: %v, want %v", last, got, want)
		}
	}
}
