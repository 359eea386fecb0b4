package pool

import "fmt"

// Reason says why a set was refused. The set is bounded, so it can be a metric label.
type Reason string

const (
	Malformed  Reason = "malformed"  // a file is not what it should be
	Incomplete Reason = "incomplete" // a file that another names is not in the set, or one is that none names
	Signature  Reason = "signature"  // no uploader's key vouches for a package
	Conflict   Reason = "conflict"   // the pool has other bytes for it
	Reserved   Reason = "reserved"   // the name may not be in this pool
	Removed    Reason = "removed"    // the pool had it, and it was removed
	Full       Reason = "full"       // it would be more than the pool, or who brings it, may have
)

// Error refuses a set because of one file.
type Error struct {
	Reason Reason
	File   string // as it was offered
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

func refuse(r Reason, file, format string, args ...any) *Error {
	return &Error{r, file, fmt.Errorf(format, args...)}
}
