package resign

import (
	"runtime/debug"
	"testing"
)

func TestGarbageIsKeptSmallWhileThereAreSelections(t *testing.T) {
	for _, c := range []struct{ before, during int }{{100, selectionGCPercent}, {selectionGCPercent - 1, selectionGCPercent - 1}, {-1, -1}} {
		own := debug.SetGCPercent(c.before)
		first, second := collectMore(), collectMore()
		first()
		if got := percent(); got != c.during {
			t.Errorf("%d of before became %d, want %d", c.before, got, c.during)
		}
		second()
		if got := percent(); got != c.before {
			t.Errorf("%d of before was not restored: %d", c.before, got)
		}
		debug.SetGCPercent(own)
	}
}

// percent is GOGC as it is.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}
