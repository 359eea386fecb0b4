package daemon

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
	now, since, limit := f.daemon.Now(), f.since(set), patience
	if !slices.ContainsFunc(set, isPackage) {
		limit = forgotten
	}
	over := now.Sub(since) >= limit
	state := fmt.Sprint(set, since, over, now.Truncate(patience))
	if f.tried[set[0]] == state || !over && limit == forgotten {
		return
	}
	f.tried[set[0]] = state
	err := f.add(ctx, root, set)
	refusal := (*pool.Error)(nil)
	switch {
	case err == nil:
		f.remove(root, set)
	case errors.As(err, &refusal) && over:
		f.reject(root, set, err)
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

// add reads the files once, into a place where nobody can change them.
func (f *dropFolder) add(ctx context.Context, root *os.Root, set []string) error {
	var files []*spooled
	defer func() { giveUp(files) }()
	for _, name := range set {
		s, err := f.read(ctx, root, name)
		if err != nil {
			return err
		}
		files = append(files, s)
	}
	_, err := f.daemon.addSpooled(ctx, f.pool, "the folder "+f.dir, files)
	return err
}

func (f *dropFolder) read(ctx context.Context, root *os.Root, name string) (*spooled, error) {
	file, err := openPlain(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return f.daemon.spool.take(ctx, f.dir, name, f.seen[name].size, file)
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

func (f *dropFolder) remove(root *os.Root, set []string) {
	for _, name := range set {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.complain(fmt.Errorf("%s is in the pool, but stays in the folder: %w", name, err))
		}
	}
}

// reject moves files out of the way, with the reason beside them.
func (f *dropFolder) reject(root *os.Root, set []string, why error) {
	if err := root.Mkdir(rejectedDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		f.complain(fmt.Errorf("rejecting %s: %w", set[0], err))
		return
	}
	for _, name := range set {
		to := filepath.Join(rejectedDir, name)
		err := writeNew(root, to+".reason", why.Error()+"\n")
		if err == nil {
			err = root.Rename(name, to)
		}
		if err != nil {
			f.complain(fmt.Errorf("rejecting %s: %w", name, err))
		}
	}
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
