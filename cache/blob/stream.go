package blob

import "io"

// Stream is a file that can be sent, perhaps while it still comes. Readers and Followers are streams.
type Stream interface {
	Info() Info
	// WriteRange writes the n bytes at off to w as they come. Nothing but verified bytes is ever written whole: see HoldBack.
	WriteRange(w io.Writer, off, n int64) (int64, error)
	Close() error
}

var (
	_ Stream = (*Reader)(nil)
	_ Stream = (*Follower)(nil)
)
