package resign

import (
	"runtime/debug"
	"sync"
)

// selectionGCPercent is what GOGC is at most while there are selections, which
// are most of what a process has in memory then. Nearly all of that lives until
// the end, so that letting as much garbage pile up beside it, as the default of
// 100 does, doubles the memory of the process and saves hardly any time: see
// BenchmarkMemory.
const selectionGCPercent = 20

// collector is the garbage collector's setting, of which a process has one.
var collector struct {
	sync.Mutex // guards the fields below
	users      int
	percent    int // before the first user
}

// collectMore keeps the garbage small until end is called, unless the process
// has less anyway, or has none collected before GOMEMLIMIT.
func collectMore() (end func()) {
	collector.Lock()
	defer collector.Unlock()
	if collector.users++; collector.users == 1 {
		collector.percent = debug.SetGCPercent(selectionGCPercent)
		if collector.percent < selectionGCPercent { // -1: none
			debug.SetGCPercent(collector.percent)
		}
	}
	return func() {
		collector.Lock()
		defer collector.Unlock()
		if collector.users--; collector.users == 0 {
			debug.SetGCPercent(collector.percent)
		}
	}
}
