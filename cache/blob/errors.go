package blob

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound means that no blob of that digest exists (any more).
	ErrNotFound = errors.New("no such blob")
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("in use by another process")
	// ErrNoSpace means that storing would leave less free space than Options.FreeFloor.
	ErrNoSpace = errors.New("not enough free space")
	// ErrClosed means that the store, reader, writer or follower is closed.
	ErrClosed = errors.New("closed")
	// ErrAborted is what followers get when Abort was called without a reason.
	ErrAborted = errors.New("writing was given up")
)

// CorruptError says that a blob exists but cannot be read as it was written. The caller should delete it
// and fetch it again.
type CorruptError struct {
	Digest Digest
	Chunk  int64 // index of the chunk at fault, -1 = the whole blob or its row
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Chunk < 0 {
		return fmt.Sprintf("blob %v is damaged: %s", e.Digest, e.Reason)
	}
	return fmt.Sprintf("blob %v is damaged in chunk %d: %s", e.Digest, e.Chunk, e.Reason)
}

// MismatchError says that the bytes written are not the ones declared. The blob does not exist.
type MismatchError struct {
	Want, Got         Digest // Got is zero where the size alone was wrong
	WantSize, GotSize int64  // bytes; GotSize counts up to the first byte too many
}

func (e *MismatchError) Error() string {
	if e.WantSize != e.GotSize {
		return fmt.Sprintf("wrong size: want %d bytes, got %d", e.WantSize, e.GotSize)
	}
	return fmt.Sprintf("wrong SHA-256: want %v, got %v", e.Want, e.Got)
}
