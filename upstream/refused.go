package upstream

import (
	"errors"
	"fmt"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
)

// Reason is a class of refusal, one of a fixed set: it may label a metric. For
// a signature that does not count it is one of pgp's reasons, but NotSigned for
// pgp.Malformed and FromFuture for pgp.FutureSignature.
type Reason string

// Reasons beside those of pgp.
const (
	NotSigned    Reason = "not-signed-text" // framing, armour or packets are not what apt accepts: a damaged file
	Malformed    Reason = "malformed"       // signed, but not a usable Release or index
	Expired      Reason = "expired"         // past its Valid-Until
	Frozen       Reason = "frozen"          // older than the archive's max_age
	FromFuture   Reason = "future"          // dated ahead of our clock
	WrongSuite   Reason = "wrong-suite"     // says it is another suite
	RolledBack   Reason = "rollback"        // older than one accepted before
	Equivocating Reason = "equivocation"    // dated as one accepted before, with other contents
	InfoChanged  Reason = "info-changed"    // other Origin, Label, Codename or default priority than before
	WrongContent Reason = "wrong-content"   // bytes that do not match their signed digest
	NotBrought   Reason = "not-brought"     // an index that did not come with a Release that was not fetched
	PrivateHost  Reason = "private-address" // the mirror, or where it redirects to, is not on the public net
)

// Reasons returns every reason there is.
func Reasons() []Reason {
	return []Reason{
		Reason(pgp.Unsigned), NotSigned, Reason(pgp.UnknownKey), Reason(pgp.BadSignature), Reason(pgp.WeakDigest), Reason(pgp.WeakKey),
		Reason(pgp.ExpiredKey), Reason(pgp.RevokedKey), Reason(pgp.ExpiredSignature), Malformed, Expired, Frozen, FromFuture, WrongSuite,
		RolledBack, Equivocating, InfoChanged, WrongContent, NotBrought, PrivateHost,
	}
}

// tell counts a refusal.
func (u *Upstream) tell(e *RefusedError) *RefusedError {
	u.Refused(e.Archive, e.Suite, e.Reason)
	return e
}

// RefusedError says why something that an archive sent was not accepted.
type RefusedError struct {
	Archive, Suite, File string
	URI                  string
	Reason               Reason
	Err                  error

	held *catalog.Held // nil where Accept cannot help
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("archive %s, suite %s: refusing %s from %s: %v", e.Archive, e.Suite, e.File, e.URI, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// reasonOf classifies what is wrong with a Release.
func reasonOf(err error) Reason {
	if se := (*staleError)(nil); errors.As(err, &se) {
		return se.reason
	}
	if pe := (*pgp.Error)(nil); errors.As(err, &pe) {
		switch pe.Reason {
		case pgp.Malformed:
			return NotSigned
		case pgp.FutureSignature:
			return FromFuture
		}
		return Reason(pe.Reason)
	}
	if pe := (*PrivateAddressError)(nil); errors.As(err, &pe) {
		return PrivateHost
	}
	return Malformed
}

// isLie says whether a mirror that is as it should be could not have sent this.
func (e *RefusedError) isLie() bool {
	pe := (*pgp.Error)(nil)
	return errors.As(e.Err, &pe) || e.Reason == Malformed || e.Reason == WrongContent
}

// several are the failures of places that were tried one after the other, told
// on one line.
type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s several) Unwrap() []error { return s }
