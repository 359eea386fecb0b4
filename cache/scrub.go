package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

const (
	// scrubNote is the name of a scrubbed in the catalog.
	scrubNote = "scrub"
	// scrubSave is how often the place is kept; a restart reads as much again.
	scrubSave = 5 * time.Minute
)

// Scrubbed is how far reading the store back has come.
type Scrubbed struct {
	Next     blob.Digest `json:"next"`              // files before it have been read
	Began    time.Time   `json:"began"`             // this reading
	Finished time.Time   `json:"finished,omitzero"` // the last whole reading
	Files    int         `json:"files"`             // read so far
	Bytes    int64       `json:"bytes"`
}

// Scrubbed gives the place that was kept last; zero where nothing was read yet.
func (c *Cache) Scrubbed() (s Scrubbed, err error) {
	err = c.Catalog.Note(scrubNote, &s)
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return s, err
}

// Scrub reads all files once, from where it was stopped the last time, at no
// more than rate bytes a second (0: as fast as it goes). damaged is called with
// every file that is not what it should be, and may drop it.
func (c *Cache) Scrub(ctx context.Context, rate int64, damaged func(context.Context, *blob.CorruptError) error) error {
	s, err := c.Scrubbed()
	if err != nil {
		return err
	}
	if s.Next == (blob.Digest{}) {
		s = Scrubbed{Began: c.now().UTC(), Finished: s.Finished}
	}
	saved := c.now()
	for info, err := range c.Blobs.From(ctx, s.Next) {
		s.Next = info.Digest
		if now := c.now(); now.Sub(saved) >= scrubSave {
			saved = now
			if err := c.Catalog.SaveNote(scrubNote, s); err != nil {
				return err
			}
		}
		if err == nil {
			err = c.scrubOne(ctx, info.Digest, rate)
		}
		if corrupt := (*blob.CorruptError)(nil); errors.As(err, &corrupt) {
			err = damaged(ctx, corrupt)
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), c.Catalog.SaveNote(scrubNote, s))
		}
		if ignoreNotFound(err) != nil {
			return fmt.Errorf("reading the store back: %w", err)
		}
		s.Files++
		s.Bytes += info.Size
	}
	s.Next, s.Finished = blob.Digest{}, c.now().UTC()
	return c.Catalog.SaveNote(scrubNote, s)
}

func (c *Cache) scrubOne(ctx context.Context, d blob.Digest, rate int64) error {
	r, err := c.Blobs.Open(d)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := r.WriteTo(&paced{ctx, sum, rate}); err != nil {
		return err
	}
	if got := blob.Digest(sum.Sum(nil)); got != d {
		return &blob.CorruptError{Digest: d, Chunk: -1, Reason: "its SHA-256 is " + got.String()}
	}
	return nil
}

// paced is a Writer that takes no more than rate bytes a second, and fails
// when ctx ends.
type paced struct {
	ctx  context.Context
	to   io.Writer
	rate int64
}

func (p *paced) Write(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	if p.rate > 0 {
		timer := time.NewTimer(time.Duration(int64(len(b)) * int64(time.Second) / p.rate))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			return 0, context.Cause(p.ctx)
		}
	}
	return p.to.Write(b)
}
