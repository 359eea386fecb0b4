package bundles

import (
	"errors"
	"strings"
	"testing"

	"aptmirror/cache/bundle"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// A script can tell what was refused from what failed.
func TestRefusalsHaveTheirExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		exit int // 0 where it stays as it is
		want string
	}{
		{&bundle.RefusedError{}, admin.ExitRefused, "nothing was changed"},
		{&upstream.RefusedError{Archive: "debian", Suite: "stable", Reason: upstream.RolledBack}, admin.ExitRefused, "aptmirror archive accept debian stable"},
		{errors.New("no disk"), 0, "no disk"},
	} {
		got := refusedImport(test.err)
		fault := (*admin.Error)(nil)
		if !errors.As(got, &fault) {
			fault = &admin.Error{}
		}
		if fault.Exit != test.exit || !strings.Contains(got.Error(), test.want) {
			t.Errorf("%v: %v, with exit code %d", test.err, got, fault.Exit)
		}
	}
}
