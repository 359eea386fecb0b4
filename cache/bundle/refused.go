package bundle

import "fmt"

// Reason is a class of refusal, one of a fixed set: it may label a metric.
type Reason string

// Reasons.
const (
	NotABundle  Reason = "not-a-bundle" // something else
	OtherFormat Reason = "format"       // of a format that this program does not know
	Untrusted   Reason = "untrusted"    // not signed by a key whose bundles are taken
	Damaged     Reason = "damaged"      // not as it was written
	Mixed       Reason = "mixed"        // a part of another bundle
	PartMissing Reason = "part-missing" // not all parts are there
	BaseMissing Reason = "base-missing" // builds on a bundle that was not imported
	Replayed    Reason = "replayed"     // older than one that was imported
	Incomplete  Reason = "incomplete"   // files are missing that the base should have brought
)

// RefusedError says why a bundle was not taken. Nothing that it brought is named
// by any generation then.
type RefusedError struct {
	Bundle string // as much of its name as is known: that of a file, until its list is verified
	Reason Reason
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refusing bundle %s: %v", e.Bundle, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

func refuse(bundle string, reason Reason, format string, args ...any) error {
	return &RefusedError{bundle, reason, fmt.Errorf(format, args...)}
}

// again is what to do about a bundle that was not written that way.
const again = "it is not as it was written: copy it again from where it comes from"

// MissingPartsError, in a RefusedError with PartMissing, says which parts are
// still needed, counted from 1. Files that came are in the store, but nothing
// holds them.
type MissingPartsError struct {
	List    *List
	Signers []string
	Missing []int
}

func (e *MissingPartsError) Error() string {
	which := fmt.Sprintf("of %d parts, those of the numbers %v are missing", len(e.List.Parts), e.Missing)
	if len(e.Missing) == 1 {
		which = fmt.Sprintf("part %d of %d is missing", e.Missing[0], len(e.List.Parts))
	}
	return which + ": give all parts, or import again with those; what came is kept until the next collection"
}
