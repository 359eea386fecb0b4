package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// place sees to it that a path has its bytes.
func (t *tree) place(ctx context.Context, f TreeFile) error {
	t.out.Files++
	modified, kept, err := t.keep(f)
	switch {
	case err != nil:
		return err
	case kept:
		t.progress.add(f.Size)
	default:
		t.out.New++
		before := modified
		if modified, err = t.put(ctx, f); err == nil {
			modified, err = t.date(f, modified, before)
		}
		if err != nil {
			return err
		}
		reached("tree file written")
	}
	t.now[f.Path] = recorded{file: f.file(), modified: modified.UnixNano()}
	t.placed[f.SHA256.Digest()] = f.Path
	return nil
}

// date sees to it that a Release file is dated at least a second after the one
// that it replaces: that is how apt and web servers tell them apart.
func (t *tree) date(f TreeFile, modified, before time.Time) (time.Time, error) {
	if f.Phase != ReleasePhase || modified.Unix() > before.Unix() {
		return modified, nil
	}
	modified = time.Unix(before.Unix()+1, 0)
	return modified, t.root.Chtimes(f.Path, modified, modified)
}

// keep says whether the path has the right bytes already, and of when what is
// there is. What is neither right nor recorded belongs to somebody else.
func (t *tree) keep(f TreeFile) (modified time.Time, kept bool, err error) {
	info, err := t.root.Lstat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return modified, false, nil
	}
	if err != nil {
		return modified, false, err
	}
	was, ours := t.old[f.Path]
	if info.Mode().IsRegular() && info.Size() == f.Size {
		if ours && was.file == f.file() && was.modified == info.ModTime().UnixNano() {
			return info.ModTime(), true, nil
		}
		if same, err := t.hasBytes(f); same || err != nil {
			return info.ModTime(), same, err
		}
	}
	if !ours || info.IsDir() {
		return modified, false, fmt.Errorf("%s is there and was not written by an export: choose another folder, or remove it", f.Path)
	}
	return info.ModTime(), false, nil
}

func (t *tree) hasBytes(f TreeFile) (bool, error) {
	file, err := t.root.Open(f.Path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	got, err := digestOf(file)
	return got == f.SHA256.Digest(), err
}

// unfinished is the folder for files on their way to their names.
const unfinished = ".aptmirror-tree.files"

// put puts the file where it belongs, in one step. Where its bytes are in the
// tree already, it becomes another name of them, unless the file system has no
// such thing.
func (t *tree) put(ctx context.Context, f TreeFile) (modified time.Time, err error) {
	if err := t.makeFolder(path.Dir(f.Path)); err != nil {
		return modified, err
	}
	temporary := path.Join(unfinished, strconv.Itoa(t.out.Files))
	other, ok := t.placed[f.SHA256.Digest()]
	if ok && t.root.Link(other, temporary) == nil {
		t.progress.add(f.Size)
		modified = time.Unix(0, t.now[other].modified)
	} else if modified, err = t.copy(ctx, temporary, f); err != nil {
		return modified, err
	}
	return modified, t.root.Rename(temporary, f.Path)
}

func (t *tree) makeFolder(folder string) error {
	if t.folders[folder] {
		return nil
	}
	t.folders[folder] = true
	return t.root.MkdirAll(filepath.FromSlash(folder), 0o755)
}

func (t *tree) copy(ctx context.Context, name string, f TreeFile) (modified time.Time, err error) {
	to, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return modified, err
	}
	if err := copyFile(ctx, &metered{ctx, to, &t.progress}, t.from, f.file()); err != nil {
		return modified, errors.Join(fmt.Errorf("%s: %w", f.Path, err), to.Close())
	}
	t.out.Bytes += f.Size
	info, err := to.Stat()
	if err != nil {
		return modified, errors.Join(err, to.Close())
	}
	return info.ModTime(), to.Close()
}
