package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// raceOptions make a process under the race detector end at once, not a second
// later, which many short commands would add up.
const raceOptions = "atexit_sleep_ms=0"

// TestMain makes the test binary the program itself where it is called
// aptmirror: that copy is first in PATH while the tests run.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", raceOptions)
	testscript.Main(m, map[string]func(){"aptmirror": main})
}
