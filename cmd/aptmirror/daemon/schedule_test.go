package daemon

import (
	"testing"
	"time"
)

func TestPauses(t *testing.T) {
	tests := []struct {
		failures int
		random   float64
		want     time.Duration
	}{
		{0, 0, time.Hour},
		{0, 0.5, time.Hour + 3*time.Minute},
		{1, 0, time.Minute},
		{2, 0, 2 * time.Minute},
		{3, 0.5, 4*time.Minute + 12*time.Second},
		{7, 0, time.Hour}, // 64 minutes would be more than the interval
		{1 << 30, 0, time.Hour},
	}
	for _, test := range tests {
		if got := pause(time.Hour, test.failures, test.random); got != test.want {
			t.Errorf("after %d failures (random %g): %s, want %s", test.failures, test.random, got, test.want)
		}
	}
	if got := pause(30*time.Second, 1, 0); got != 30*time.Second {
		t.Errorf("an interval shorter than the first retry: %s", got)
	}
}
