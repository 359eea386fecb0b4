package catalog

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// httptest servers of the archives under test close with their tests, the
	// connections to them a moment later.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}
