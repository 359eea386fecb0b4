package blob

import (
	"context"
	"fmt"
	"io"
)

// ReadAll returns the whole of a blob of at most limit bytes.
func (s *Store) ReadAll(ctx context.Context, d Digest, limit int64) ([]byte, error) {
	r, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Info().Size > limit {
		return nil, fmt.Errorf("blob %s has %d bytes, more than %d", d, r.Info().Size, limit)
	}
	data := make([]byte, r.Info().Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	return data, ctx.Err()
}
