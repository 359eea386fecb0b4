package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"aptmirror/cache"
)

const (
	// maxSpooled is how much may be on its way into pools at once, in bytes; more
	// has to come again later.
	maxSpooled = 16 << 30
	// maxSpooledOfOne is how much of that one uploader may have: a size counts
	// from when it is announced, whether or not the bytes come.
	maxSpooledOfOne = maxSpooled / 2
)

var errSpoolFull = errors.New("too much is being uploaded at once, try again later")

// spool keeps files that are on their way into a pool. They have no name in the
// file system, so that nothing can change them after they were looked at, and
// nothing is left of them when the process ends.
type spool struct {
	dir   string
	cache *cache.Cache // which sets the room aside

	mu   sync.Mutex       // guards the fields below
	held int64            // bytes of all files
	of   map[string]int64 // and of each who has any
}

func newSpool(state string, c *cache.Cache) *spool {
	return &spool{dir: filepath.Join(state, "uploads"), cache: c, of: map[string]int64{}}
}

// spooled is one such file, of which exactly size bytes came.
type spooled struct {
	*os.File
	by    string
	name  string
	size  int64
	spool *spool
	room  func()
}

// take reads a file of that size from somebody. The caller closes it.
func (s *spool) take(ctx context.Context, by, name string, size int64, body io.Reader) (_ *spooled, err error) {
	if err := s.enter(by, size); err != nil {
		return nil, err
	}
	room, err := s.cache.Reserve(ctx, size, true)
	if err != nil {
		s.leave(by, size)
		return nil, err
	}
	f := &spooled{by: by, name: name, size: size, spool: s, room: room}
	if f.File, err = s.nameless(); err != nil {
		room()
		s.leave(by, size)
		return nil, fmt.Errorf("making a file for %s: %w", name, err)
	}
	if _, err := io.CopyN(f.File, body, size); err != nil {
		f.Close()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("taking %s: %w", name, err)
	}
	return f, nil
}

// nameless makes a file and takes its name away.
func (s *spool) nameless() (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.dir, "")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *spool) enter(by string, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size < 0 || size > maxSpooled-s.held || size > maxSpooledOfOne-s.of[by] {
		return errSpoolFull
	}
	s.held += size
	s.of[by] += size
	return nil
}

func (s *spool) leave(by string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= size
	if s.of[by] -= size; s.of[by] == 0 {
		delete(s.of, by)
	}
}

// Close gives the file up, once.
func (f *spooled) Close() {
	f.File.Close() // it was only read
	f.room()
	f.spool.leave(f.by, f.size)
}

func giveUp(files []*spooled) {
	for _, f := range files {
		f.Close()
	}
}
