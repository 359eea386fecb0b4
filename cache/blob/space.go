package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// openFloor is the free space in bytes without which Open does not try: it writes the key tree's log and a new
// value-log file through a mapping, where a full disk kills the process.
const openFloor = 64 << 20

// hardFloor is the free space in bytes without which nothing is written at all, be it a deletion: the key tree's log is written
// through a mapping too.
const hardFloor = 16 << 20

// freeSpace returns the bytes that this process may still write below dir.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("reading free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func (s *Store) checkOpenSpace() error {
	return s.checkFree(min(s.floor, openFloor), 0)
}

// checkFree returns ErrNoSpace where writing need bytes would leave less than floor.
func (s *Store) checkFree(floor, need int64) error {
	if floor < 0 || s.spare.covers(floor+need) {
		return nil
	}
	free, err := s.free(s.dir)
	if err != nil {
		return err
	}
	s.spare.note(free)
	if free-need < floor {
		return fmt.Errorf("%w: %d MiB free, %d MiB to be written, %d MiB must stay free",
			ErrNoSpace, free>>20, need>>20, floor>>20)
	}
	return nil
}

// CheckRoom returns ErrNoSpace where n bytes more would, with all that writers in progress have yet to store, leave less than
// the floor of free space.
func (s *Store) CheckRoom(n int64) error { return s.checkFree(s.floor, n+s.reserve(0)) }

// DiskUsage returns the bytes that the store's files take up on disk, which is more than Usage's bytes by what
// Reclaim has not given back yet.
func (s *Store) DiskUsage() (int64, error) {
	var total int64
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return ignoreGone(err)
		}
		info, err := e.Info()
		if err != nil {
			return ignoreGone(err)
		}
		// Value-log files are sparse: their length says little.
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			total += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measuring blob store: %w", err)
	}
	return total, nil
}

// ignoreGone drops the error of a file that badger removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
