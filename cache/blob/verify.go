package blob

import (
	"context"
	"crypto/sha256"
	"io"
)

// Verify reads every chunk of a blob and hashes it again. The error is ErrNotFound, a CorruptError, or the cause of ctx's
// end.
func (s *Store) Verify(ctx context.Context, d Digest) error {
	r, err := s.Open(d)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := r.WriteTo(&untilDone{ctx, h}); err != nil {
		return err
	}
	if got := Digest(h.Sum(nil)); got != d {
		return &CorruptError{Digest: d, Chunk: -1, Reason: "its SHA-256 is " + got.String()}
	}
	return nil
}

// untilDone is a Writer that fails once ctx has ended.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u *untilDone) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.w.Write(p)
}
