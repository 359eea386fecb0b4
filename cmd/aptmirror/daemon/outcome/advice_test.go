package outcome

import (
	"strings"
	"testing"

	"aptmirror/upstream"
)

func TestEveryRefusalHasAdvice(t *testing.T) {
	reasons := upstream.Reasons()
	for _, r := range reasons {
		got := Advice(string(r), "debian", "bookworm")
		if got == "" || strings.ContainsAny(got, "\n") || strings.Contains(got, "ARCHIVE") {
			t.Errorf("%s: %q", r, got)
		}
		if accepts := r == upstream.RolledBack || r == upstream.Equivocating || r == upstream.InfoChanged; accepts != strings.Contains(got, "archive accept debian bookworm") {
			t.Errorf("%s: %q names the command to accept: %v", r, got, !accepts)
		}
	}
	if len(nextSteps) != len(reasons) {
		t.Errorf("%d reasons have advice, %d are known here", len(nextSteps), len(reasons))
	}
}
