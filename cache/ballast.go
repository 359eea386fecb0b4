package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The ballast is a file that does nothing but take space up. Opening and closing
// the databases needs some, and without it would crash; where others have filled
// the disk, the ballast is removed first. Both sizes are in bytes.
const (
	ballastSize = 96 << 20
	roomNeeded  = 96 << 20
)

func ballastPath(dir string) string { return filepath.Join(dir, "ballast") }

// makeRoom removes the ballast where the disk is nearly full.
func makeRoom(dir string) error {
	free, err := freeSpace(dir)
	if err != nil || free >= roomNeeded {
		return err
	}
	if err := os.Remove(ballastPath(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the ballast from a full disk: %w", err)
	}
	return nil
}

// keepBallast makes the ballast where it is missing and there is room for more
// than it. A file system that cannot set space aside goes without.
func (c *Cache) keepBallast(context.Context) error {
	path := ballastPath(c.dir)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c.Blobs.CheckRoom(ballastSize) != nil {
		return nil
	}
	err := allocate(path+".new", ballastSize)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the ballast: %w", err)
	}
	return nil
}

func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("reading free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
