package upstream

import (
	"fmt"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// maxFuture is how far ahead of our clock a Release may be dated; apt's
// Acquire::Max-FutureTime.
const maxFuture = 10 * time.Second

// Reason is a class of refusal, one of a fixed set.
type Reason string

// Reasons for which a signed Release is not accepted.
const (
	Expired      Reason = "expired"       // past its Valid-Until
	FromFuture   Reason = "future"        // dated ahead of our clock
	RolledBack   Reason = "rollback"      // older than one accepted before
	Equivocating Reason = "equivocation"  // dated as one accepted before, with other contents
	WrongSuite   Reason = "wrong-suite"   // says it is another suite
	Unverified   Reason = "signature"     // no good signature of a known key
	Malformed    Reason = "malformed"     // signed, but not a usable Release or index
	WrongContent Reason = "wrong-content" // bytes that do not match their signed digest
)

// RefusedError says why something that an archive sent was not accepted.
type RefusedError struct {
	Archive, Suite, File string
	URI                  string
	Reason               Reason
	Err                  error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("archive %s, suite %s: refusing %s from %s: %v", e.Archive, e.Suite, e.File, e.URI, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

type staleError struct {
	reason Reason
	text   string
}

func (e *staleError) Error() string { return e.text }

func stale(reason Reason, format string, args ...any) error {
	return &staleError{reason, fmt.Sprintf(format, args...)}
}

// checkFresh judges a verified Release by the clock and by what was accepted
// before: time only goes forward (TUF specification 1.5.2, rollback and freeze).
func checkFresh(r *debian.Release, digest blob.Digest, suite string, seen catalog.Check, now time.Time) error {
	switch {
	case r.Date.After(now.Add(maxFuture)):
		return stale(FromFuture, "it is dated %s, which is %s ahead of this machine's clock; check the clock", stamp(r.Date), r.Date.Sub(now).Round(time.Second))
	case !r.ValidUntil.IsZero() && !now.Before(r.ValidUntil):
		return stale(Expired, "it was valid until %s only; the mirror is no longer updated, or somebody replays an old state", stamp(r.ValidUntil))
	case r.Date.Before(seen.AcceptedDate):
		return stale(RolledBack, "it is dated %s, older than the one of %s accepted before; the mirror is behind, or somebody replays an old state", stamp(r.Date), stamp(seen.AcceptedDate))
	case r.Date.Equal(seen.AcceptedDate) && digest != seen.AcceptedRelease && seen.AcceptedRelease != (blob.Digest{}):
		return stale(Equivocating, "it is dated %s like the one accepted before, but says something else; two versions of one Release are signed", stamp(r.Date))
	case !isSuite(r, suite):
		return stale(WrongSuite, "it says it is suite %q, codename %q", r.Suite, r.Codename)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// isSuite follows apt's CheckDist: either name may be the configured one; an
// archive of a derived suite ("bookworm/updates") may leave out the last part.
// A flat suite has no name to compare with, and some Releases have none.
func isSuite(r *debian.Release, suite string) bool {
	if strings.HasSuffix(suite, "/") || r.Suite+r.Codename == "" {
		return true
	}
	base, _ := strings.CutSuffix(suite, "/updates")
	for _, s := range []string{r.Suite, r.Codename} {
		if s == suite || s == base || strings.TrimSuffix(s, "/updates") == base {
			return true
		}
	}
	return false
}
