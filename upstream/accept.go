package upstream

import (
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// ErrNothingHeld says that no Release of the suite waits for a person.
var ErrNothingHeld = errors.New("nothing of this suite waits to be accepted")

// Accept takes what is held of a suite for the mark that the next refresh
// compares with: that Release passes then, and every newer one that does not
// change again. It must not run while the suite is refreshed.
func (u *Upstream) Accept(archive, suite string) (catalog.Held, error) {
	seen, err := u.Catalog.Check(archive, suite)
	if err != nil {
		return catalog.Held{}, fmt.Errorf("archive %s, suite %s: reading its state: %w", archive, suite, err)
	}
	if seen.Held == nil {
		return catalog.Held{}, fmt.Errorf("archive %s, suite %s: %w", archive, suite, ErrNothingHeld)
	}
	held := *seen.Held
	seen.AcceptedDate, seen.AcceptedRelease, seen.Accepted = held.Date, held.Release, &held.Identity
	seen.Held, seen.URI, seen.LastModified, seen.ETag = nil, "", "", ""
	return held, u.Catalog.SaveCheck(seen)
}

// heldFor notes a refused Release where accepting it would help.
func heldFor(r *release, reason Reason, what error, now time.Time) *catalog.Held {
	if reason != RolledBack && reason != Equivocating && reason != InfoChanged {
		return nil
	}
	return &catalog.Held{
		Since: now.UTC(), Reason: string(reason), What: what.Error(), URI: r.uri,
		Date: r.Date, Release: r.digest(), Identity: identityOf(r.Release),
	}
}

// newestHeld finds what a person would want to accept among all that the
// mirrors sent.
func newestHeld(err error) (newest *catalog.Held) {
	switch e := err.(type) {
	case *RefusedError:
		return e.held
	case *behindError:
		return e.refused.held
	case several:
		for _, one := range e {
			if h := newestHeld(one); h != nil && (newest == nil || h.Date.After(newest.Date)) {
				newest = h
			}
		}
	}
	return newest
}

// checkOf is what to remember of a look at a suite.
func checkOf(seen catalog.Check, r *release, err error, now time.Time) catalog.Check {
	seen.At = now.UTC()
	if err != nil {
		return failedCheck(seen, err)
	}
	seen.OK, seen.Error, seen.Reason, seen.URI, seen.Held = now.UTC(), "", "", r.uri, nil
	seen.LastModified, seen.ETag = r.validator.lastModified, r.validator.etag
	identity := identityOf(r.Release)
	seen.AcceptedDate, seen.AcceptedRelease, seen.Accepted = r.Date, r.digest(), &identity
	return seen
}

// Reasons of a failed look that refused nothing.
const (
	Unreachable = "unreachable" // no mirror gave what was asked for
	NoSpace     = "no-space"    // the store has no room for it
)

// failedCheck leaves what was accepted as it is, and what is held unless
// something else is held now.
func failedCheck(seen catalog.Check, err error) catalog.Check {
	seen.Error, seen.Reason = err.Error(), Unreachable
	if errors.Is(err, blob.ErrNoSpace) {
		seen.Reason = NoSpace
	}
	if re := (*RefusedError)(nil); errors.As(err, &re) {
		seen.Reason = string(re.Reason)
	}
	held := newestHeld(err)
	if held == nil {
		return seen
	}
	if was := seen.Held; was != nil && was.Release == held.Release && was.Reason == held.Reason {
		held.Since = was.Since
	}
	seen.Held = held
	return seen
}
