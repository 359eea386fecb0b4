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

// staleError is what is wrong with a Release that is verified.
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
func (a *Archive) checkFresh(r *debian.Release, digest blob.Digest, suite string, seen catalog.Check, now time.Time) error {
	switch {
	case r.Date.After(now.Add(maxFuture)):
		return stale(FromFuture, "it is dated %s, which is %s later than this machine's clock", stamp(r.Date), r.Date.Sub(now).Round(time.Second))
	case !r.ValidUntil.IsZero() && !now.Before(r.ValidUntil):
		return stale(Expired, "it was valid until %s only; the mirror is no longer updated, or somebody replays an old state", stamp(r.ValidUntil))
	case a.MaxAge > 0 && now.Sub(r.Date) > a.MaxAge:
		return stale(Frozen, "it is dated %s, longer ago than max_age allows; the mirror is no longer updated, or somebody replays an old state", stamp(r.Date))
	case !isSuite(r, suite):
		return stale(WrongSuite, "it says it is suite %q, codename %q", r.Suite, r.Codename)
	}
	return checkMark(r, digest, seen)
}

// checkMark compares with what was accepted last. What it finds a person may
// accept: see Accept.
func checkMark(r *debian.Release, digest blob.Digest, seen catalog.Check) error {
	switch {
	case r.Date.Before(seen.AcceptedDate):
		return stale(RolledBack, "it is dated %s, older than the one of %s accepted before; the mirror is behind, or somebody replays an old state", stamp(r.Date), stamp(seen.AcceptedDate))
	case r.Date.Equal(seen.AcceptedDate) && digest != seen.AcceptedRelease && seen.AcceptedRelease != (blob.Digest{}):
		return stale(Equivocating, "it is dated %s like the one accepted before, but says something else; two versions of one Release are signed", stamp(r.Date))
	case seen.Accepted == nil:
		return nil
	}
	if changes := identityChanges(*seen.Accepted, identityOf(r)); len(changes) > 0 {
		return stale(InfoChanged, "%s; this needs somebody's consent", strings.Join(changes, " and "))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// identityOf gives what clients pin by.
func identityOf(r *debian.Release) catalog.Identity {
	id := catalog.Identity{Origin: r.Origin, Label: r.Label, Codename: r.Codename, Pin: 500}
	switch {
	case r.NotAutomatic && r.ButAutomaticUpgrades:
		id.Pin = 100
	case r.NotAutomatic:
		id.Pin = 1
	}
	return id
}

// identityChanges names what apt calls a changed release info: Version and
// Suite may change freely.
func identityChanges(was, is catalog.Identity) (changes []string) {
	for _, f := range []struct{ name, was, is string }{
		{"Origin", was.Origin, is.Origin}, {"Label", was.Label, is.Label}, {"Codename", was.Codename, is.Codename},
	} {
		if f.was != f.is {
			changes = append(changes, fmt.Sprintf("its %s changed from %q to %q", f.name, f.was, f.is))
		}
	}
	if was.Pin != is.Pin {
		changes = append(changes, fmt.Sprintf("its default priority changed from %d to %d", was.Pin, is.Pin))
	}
	return changes
}

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

// warnAfter is the part of its life that a Release may use up before it is
// worth a warning: what is left is the time to do something about it.
const warnAfter = 0.75

// AgeWarning tells that a Release is about to be refused by clients or by this
// program, or is already, as long as no newer one comes. It is "" while there
// is nothing to tell.
func (a *Archive) AgeWarning(date, validUntil, now time.Time) string {
	end, then := validUntil, "clients refuse it"
	if limit := date.Add(a.MaxAge); a.MaxAge > 0 && (end.IsZero() || limit.Before(end)) {
		end, then = limit, "it is older than max_age allows"
	}
	life := end.Sub(date)
	switch {
	case end.IsZero() || date.IsZero() || float64(now.Sub(date)) < warnAfter*float64(life):
		return ""
	case now.Before(end):
		return fmt.Sprintf("nothing newer than %s has come; from %s on, in %s, %s", stamp(date), stamp(end), end.Sub(now).Round(time.Minute), then)
	}
	return fmt.Sprintf("nothing newer than %s has come; since %s %s", stamp(date), stamp(end), then)
}
