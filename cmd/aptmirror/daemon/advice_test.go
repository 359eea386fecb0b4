package daemon

import (
	"strings"
	"testing"

	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

func TestEveryRefusalHasAdvice(t *testing.T) {
	reasons := []upstream.Reason{
		upstream.NotSigned, upstream.Malformed, upstream.Expired, upstream.Frozen, upstream.FromFuture, upstream.WrongSuite,
		upstream.RolledBack, upstream.Equivocating, upstream.InfoChanged, upstream.WrongContent, upstream.PrivateHost, upstream.NotBrought,
	}
	for _, r := range []pgp.Reason{
		pgp.Unsigned, pgp.UnknownKey, pgp.BadSignature, pgp.WeakDigest, pgp.WeakKey, pgp.ExpiredKey, pgp.RevokedKey, pgp.ExpiredSignature,
	} {
		reasons = append(reasons, upstream.Reason(r))
	}
	for _, r := range reasons {
		got := advice(string(r), "debian", "bookworm")
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
