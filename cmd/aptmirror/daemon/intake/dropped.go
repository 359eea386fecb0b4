package intake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"aptmirror/resign/pool"
)

// try adds a set when it came to rest and, if that was too early, again when
// patience has ended; then it is rejected. Faults of ours are tried again with
// every minute.
func (f *dropFolder) try(ctx context.Context, root *os.Root, set []string) {
	now, since, limit := f.intake.Now(), f.since(set), patience
	if !slices.ContainsFunc(set, isPackage) {
		limit = forgotten
	}
	over := now.Sub(since) >= limit
	state := fmt.Sprint(set, since, over, now.Truncate(patience))
	if f.tried[set[0]] == state || !over && limit == forgotten {
		return
	}
	f.tried[set[0]] = state
	read, err := f.add(ctx, root, set)
	refusal := (*pool.Error)(nil)
	switch {
	case err == nil:
		f.remove(root, read)
	case errors.Is(err, errChanged): // the next look sees it
	case errors.As(err, &refusal) && over:
		f.reject(root, read, err)
	case !errors.As(err, &refusal) && ctx.Err() == nil:
		f.complain(fmt.Errorf("taking %s: %w", strings.Join(set, ", "), err))
	}
}

func isPackage(name string) bool {
	switch filepath.Ext(name) {
	case ".deb", ".udeb", ".dsc", ".changes":
		return true
	}
	return false
}

// errChanged says that a file is not what it was at the last look.
var errChanged = errors.New("it has changed")

// add reads the files once, into a place where nobody can change them, and tells
// which files they were.
func (f *dropFolder) add(ctx context.Context, root *os.Root, set []string) (read []fs.FileInfo, err error) {
	var files []*spooled
	defer func() { giveUp(files) }()
	for _, name := range set {
		s, info, err := f.read(ctx, root, name)
		if err != nil {
			return read, err
		}
		files, read = append(files, s), append(read, info)
	}
	_, err = f.intake.addSpooled(ctx, f.pool, "the folder "+f.dir, (*pool.Pool).Add, files)
	return read, err
}

func (f *dropFolder) read(ctx context.Context, root *os.Root, name string) (*spooled, fs.FileInfo, error) {
	file, err := openPlain(root, name)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if seen := f.seen[name]; info.Size() != seen.size || !info.ModTime().Equal(seen.changed) {
		return nil, nil, errChanged
	}
	s, err := f.intake.spool.take(ctx, f.dir, name, info.Size(), file)
	return s, info, err
}

// openPlain never waits, as a pipe would have it that took the file's place.
func openPlain(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no plain file any more", name)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// still says whether a file has the name yet under which it was read: who puts
// another there, or writes on, wants that to be taken too.
func still(root *os.Root, read fs.FileInfo) bool {
	now, err := root.Lstat(read.Name())
	return err == nil && os.SameFile(now, read) && now.Size() == read.Size() && now.ModTime().Equal(read.ModTime())
}

func (f *dropFolder) remove(root *os.Root, read []fs.FileInfo) {
	for _, info := range read {
		name := info.Name()
		if !still(root, info) {
			continue
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.complain(fmt.Errorf("%s is in the pool, but stays in the folder: %w", name, err))
		}
	}
}

// reject moves files out of the way, with the reason beside them.
func (f *dropFolder) reject(root *os.Root, read []fs.FileInfo, why error) {
	if err := root.Mkdir(rejectedDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		f.complain(fmt.Errorf("rejecting %s: %w", read[0].Name(), err))
		return
	}
	for _, info := range read {
		name := info.Name()
		if !still(root, info) {
			continue
		}
		to := filepath.Join(rejectedDir, name)
		err := writeNew(root, filepath.Join(rejectedDir, reasonOf(name)), why.Error()+"\n")
		if err == nil {
			err = root.Rename(name, to)
		}
		if err != nil {
			f.complain(fmt.Errorf("rejecting %s: %w", name, err))
		}
	}
}

// reasonOf is the name of the file with the reason; no name has more than 255 bytes.
func reasonOf(name string) string {
	const ending, most = ".reason", 255
	return name[:min(len(name), most-len(ending))] + ending
}

// writeNew writes a file of its own, in place of whatever has the name: writing
// to that could wait for ever, or change a file that is somebody else's.
func writeNew(root *os.Root, name, text string) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
