package daemon

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

// maxSpooled is how much may be on its way into pools at once, in bytes; more
// has to come again later.
const maxSpooled = 16 << 30

var errSpoolFull = errors.New("too much is being uploaded at once, try again later")

// spool keeps files that are on their way into a pool. They have no name in the
// file system, so that nothing can change them after they were looked at, and
// nothing is left of them when the process ends.
type spool struct {
	dir   string
	cache *cache.Cache // which sets the room aside

	mu   sync.Mutex // guards held
	held int64      // bytes of all files
}

func newSpool(state string, c *cache.Cache) *spool {
	return &spool{dir: filepath.Join(state, "uploads"), cache: c}
}

// spooled is one such file, of which exactly size bytes came.
type spooled struct {
	*os.File
	name  string
	size  int64
	spool *spool
	room  func()
}

// take reads a file of that size. The caller closes it.
func (s *spool) take(ctx context.Context, name string, size int64, body io.Reader) (_ *spooled, err error) {
	if err := s.enter(size); err != nil {
		return nil, err
	}
	room, err := s.cache.Reserve(ctx, size, true)
	if err != nil {
		s.leave(size)
		return nil, err
	}
	f := &spooled{name: name, size: size, spool: s, room: room}
	if f.File, err = s.nameless(); err != nil {
		room()
		s.leave(size)
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

func (s *spool) enter(size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size < 0 || s.held+size > maxSpooled {
		return errSpoolFull
	}
	s.held += size
	return nil
}

func (s *spool) leave(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= size
}

// Close gives the file up, once.
func (f *spooled) Close() {
	f.File.Close() // it was only read
	f.room()
	f.spool.leave(f.size)
}

func giveUp(files []*spooled) {
	for _, f := range files {
		f.Close()
	}
}
