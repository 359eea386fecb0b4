package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"aptmirror/cache/blob"
)

// Tree is a snapshot as plain apt repositories, one for each source:
// DIR/SOURCE/dists/... and DIR/SOURCE/pool/..., for any web server or a file: URI.
// PlanTree makes it, and it can be written in another process than that of the
// store.
//
// Into a folder that has an earlier one, what has changed is written. Packages
// come first, then indexes by hash, then indexes under their plain names, and when
// all that is on the disk, the Release files. What the snapshot no longer names
// goes with the next export, so that clients that still read the former state find
// it. What is its own it knows by a record in the folder, and touches nothing else.
type Tree struct {
	Name  string     `json:"name"` // of the snapshot
	Files []TreeFile `json:"files"`
	// Suites are the folders of Release files, which are to contain no others.
	Suites []string    `json:"suites"`
	Counts []TreeCount `json:"counts"`
}

// TreeFile is one path of a tree.
type TreeFile struct {
	Path   string `json:"path"` // relative to the tree
	SHA256 SHA256 `json:"sha256"`
	Size   int64  `json:"size"` // bytes
	Phase  Phase  `json:"phase"`
}

func (f TreeFile) file() File { return File{f.SHA256.Digest(), f.Size} }

// TreeCount says how much of what a suite names is in a tree.
type TreeCount struct {
	Source  string `json:"source"`
	Suite   string `json:"suite"`
	Wanted  Count  `json:"wanted"`
	Present Count  `json:"present"`
}

// Phase orders the writing of a tree.
type Phase uint8

// The phases, in order.
const (
	PackagePhase Phase = iota // nothing names them yet
	HashPhase                 // nor these
	PlainPhase                // clients that do not ask by hash may notice
	ReleasePhase              // from here on all is new
)

// releaseNames are in the order in which they are written: apt asks for InRelease first.
var releaseNames = []string{"Release.gpg", "Release", "InRelease"}

// TreeWritten counts the files of a tree.
type TreeWritten struct {
	Files   int   `json:"files"`
	New     int   `json:"new"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"` // of new files
}

// tree is one on its way out.
type tree struct {
	*Tree
	from     Files
	root     *os.Root
	old      map[string]recorded // what the record had
	now      map[string]recorded // what is to be in the tree
	placed   map[blob.Digest]string
	folders  map[string]bool
	out      TreeWritten
	progress meter
}

// Write writes or updates the tree in dir, which is made where it is not there.
// progress is told now and then how many bytes of all are right; nil is nobody.
func (t *Tree) Write(ctx context.Context, dir string, from Files, progress func(done, total int64)) (TreeWritten, error) {
	w := &tree{
		Tree: t, from: from, now: map[string]recorded{}, placed: map[blob.Digest]string{}, folders: map[string]bool{}, progress: meter{tell: progress},
	}
	for _, f := range t.Files {
		w.progress.total += f.Size
	}
	if err := w.write(ctx, dir); err != nil {
		return w.out, fmt.Errorf("writing snapshot %s to the tree %s: %w", t.Name, dir, err)
	}
	return w.out, nil
}

func (t *tree) write(ctx context.Context, dir string) error {
	root, unlock, err := openTree(dir)
	if err != nil {
		return err
	}
	defer unlock()
	t.root = root
	return t.update(ctx)
}

// openTree opens the folder for this process alone. What lies in it cannot lead
// out of it.
func openTree(dir string) (root *os.Root, unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("another export is writing it: %w", err), lock.Close())
	}
	if root, err = os.OpenRoot(dir); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return root, func() { root.Close(); lock.Close() }, nil
}

// update brings the tree from what it is to what it should be. Whatever an export
// may have put there stands in the record before it is.
func (t *tree) update(ctx context.Context) (err error) {
	if t.old, err = t.readRecord(); err != nil {
		return err
	}
	for _, f := range t.Files {
		t.now[f.Path] = recorded{file: f.file()}
	}
	if err := t.announce(); err != nil {
		return err
	}
	last := PackagePhase
	for _, f := range t.Files {
		if f.Phase != last && f.Phase == ReleasePhase {
			syscall.Sync()
			reached("all but Release written")
		}
		last = f.Phase
		if err := t.place(ctx, f); err != nil {
			return err
		}
	}
	if err := t.dropRelease(); err != nil {
		return err
	}
	reached("Release written")
	if err := t.removeOld(); err != nil {
		return err
	}
	syscall.Sync()
	return nil
}

// dropRelease removes Release files that a suite no longer has: they would
// contradict the others.
func (t *tree) dropRelease() error {
	for _, folder := range t.Suites {
		for _, name := range releaseNames {
			p := path.Join(folder, name)
			_, recorded := t.old[p]
			if _, wanted := t.now[p]; !recorded || wanted {
				continue
			}
			if err := t.remove(p); err != nil {
				return err
			}
			delete(t.old, p)
		}
	}
	return nil
}

// removeOld removes what neither this export nor the one before named, and
// leaves the record as it is to be.
func (t *tree) removeOld() error {
	for p, was := range t.old {
		switch _, wanted := t.now[p]; {
		case wanted:
		case was.former:
			if err := t.remove(p); err != nil {
				return err
			}
		default:
			was.former = true
			t.now[p] = was
		}
	}
	if err := t.root.RemoveAll(unfinished); err != nil {
		return err
	}
	return t.saveRecord(t.now)
}

// remove removes a file, whatever has become of it but for a folder, and the
// folders that are empty without it.
func (t *tree) remove(p string) error {
	info, err := t.root.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = t.root.Remove(p)
	}
	if err != nil {
		return err
	}
	t.out.Removed++
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if t.root.Remove(dir) != nil {
			break // not empty
		}
		delete(t.folders, dir)
	}
	return nil
}
