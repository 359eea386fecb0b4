package blob

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Put stores b and returns its digest. Where the blob exists already it stays as it is, with its own time.
func (s *Store) Put(ctx context.Context, b []byte, modified time.Time) (Digest, error) {
	d := Sum(b)
	_, err := s.Stat(d)
	if errors.Is(err, ErrNotFound) {
		err = s.put(ctx, d, b, modified)
	}
	return d, err
}

func (s *Store) put(ctx context.Context, d Digest, b []byte, modified time.Time) error {
	w, err := s.newWriter(ctx, d, int64(len(b)), modified)
	if err != nil {
		return fmt.Errorf("storing blob %v: %w", d, err)
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err = w.Commit()
	return err
}
