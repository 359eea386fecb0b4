package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Write writes the bundle to a folder, if dest is one, ends in a slash or the
// bundle has parts, and otherwise to the file dest. A file has its name only once
// it is whole and on the disk; running a killed export again leaves nothing else
// behind.
func (b *Writer) Write(ctx context.Context, dest string) (out Written, err error) {
	paths, err := b.paths(dest)
	if err != nil {
		return out, fmt.Errorf("writing bundle %s: %w", b.List.Name, err)
	}
	b.start()
	for n, path := range paths {
		size, err := b.writeFile(ctx, path, n)
		if err != nil {
			return out, fmt.Errorf("writing bundle %s: %w", b.List.Name, err)
		}
		out.Files = append(out.Files, path)
		out.Bytes += size
	}
	return out, nil
}

// paths gives the files to be written, and makes their folder.
func (b *Writer) paths(dest string) (paths []string, err error) {
	info, err := os.Stat(dest)
	isFolder := err == nil && info.IsDir()
	if !isFolder && !strings.HasSuffix(dest, "/") && len(b.List.Parts) == 1 {
		return []string{dest}, nil
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return nil, err
	}
	for _, name := range b.List.names() {
		paths = append(paths, filepath.Join(dest, name))
	}
	return paths, nil
}

// temporary is the name that a file has until it is whole. It is always the
// same, so that what a killed export left is written over.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".unfinished")
}

func (b *Writer) writeFile(ctx context.Context, path string, n int) (size int64, err error) {
	f, err := openTemporary(temporary(path))
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := b.writePart(ctx, f, n); err != nil {
		return 0, err
	}
	reached("part written")
	if err := f.Sync(); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	reached("part renamed")
	return info.Size(), errors.Join(f.Close(), syncFolder(filepath.Dir(path)))
}

// openTemporary opens a file that nobody else writes, empty. It follows no
// symbolic link: others may be able to write to the folder.
func openTemporary(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another export is writing %s: %w", path, err), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	// Some file systems for USB sticks cannot; the rename is as durable there as it gets.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return errors.Join(err, d.Close())
	}
	return d.Close()
}

// testingOnlyReached is called at named points, so that a test can kill the
// process there.
var testingOnlyReached func(point string)

func reached(point string) {
	if testingOnlyReached != nil {
		testingOnlyReached(point)
	}
}
