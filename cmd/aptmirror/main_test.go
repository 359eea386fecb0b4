package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the program itself where it is called
// aptmirror: that copy is first in PATH while the tests run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"aptmirror": main})
}
