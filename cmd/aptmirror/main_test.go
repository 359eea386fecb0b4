package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// raceOptions make a process under the race detector end at once, not a second
// later, which many short commands would add up.
const raceOptions = "atexit_sleep_ms=0"

// TestMain makes the test binary the program itself where it is called
// aptmirror: that copy is first in PATH while the tests run.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", raceOptions)
	testscript.Main(m, map[string]func(){"aptmirror": func() {
		if file := os.Getenv(clockVariable); file != "" {
			clock = func() time.Time { return shifted(file) }
		}
		askTimeout, slowDisk = patience, patience/2
		main()
	}})
}

// clockVariable names a file that says how far from the system's clock the
// program's is, in the words of time.ParseDuration.
const clockVariable = "TEST_CLOCK"

// shifted looks at the file each time: a test may move the clock of a daemon.
func shifted(file string) time.Time {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	ahead, err := time.ParseDuration(string(text))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(ahead)
}
