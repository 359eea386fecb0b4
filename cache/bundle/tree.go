package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// TreeWriter writes a snapshot as plain apt repositories, one for each source:
// DIR/SOURCE/dists/... and DIR/SOURCE/pool/..., for any web server or a file: URI.
//
// Into a tree that it wrote before, it writes what has changed. Packages come
// first, then indexes by hash, then indexes under their plain names, and when all
// that is on the disk, the Release files. What the snapshot no longer names goes
// with the next export, so that clients that still read the former state find it.
// It knows what is its own by a record in the tree, and touches nothing else.
type TreeWriter struct {
	Blobs  *blob.Store
	Tables Tables
	Room   Room // nil where nobody removes files
	// Partial takes what is there of a snapshot that is not complete.
	Partial  bool
	Progress func(done, total int64) // bytes of all files of the tree; nil is nobody
}

// TreeWritten counts the files of a tree.
type TreeWritten struct {
	Files, New, Removed int
	Bytes               int64 // of new files
}

// treeFile is one path of a tree.
type treeFile struct {
	path  string // relative to the tree
	file  File
	phase phase
}

// phase orders the writing.
type phase uint8

const (
	packagePhase phase = iota // nothing names them yet
	hashPhase                 // nor these
	plainPhase                // clients that do not ask by hash may notice
	releasePhase              // from here on all is new
)

// releaseNames are in the order in which they are written: apt asks for InRelease first.
var releaseNames = []string{"Release.gpg", "Release", "InRelease"}

// tree is one on its way out.
type tree struct {
	*TreeWriter
	root     *os.Root
	old      map[string]recorded // what the record had
	now      map[string]recorded // what is to be in the tree
	placed   map[blob.Digest]string
	folders  map[string]bool
	out      TreeWritten
	progress meter
}

// Write writes or updates the tree in dir, which is made where it is not there.
func (w *TreeWriter) Write(ctx context.Context, dir string, s Snapshot) (TreeWritten, error) {
	out, err := w.write(ctx, dir, s)
	if err != nil {
		return out, fmt.Errorf("writing snapshot %s to the tree %s: %w", s.Name, dir, err)
	}
	return out, nil
}

func (w *TreeWriter) write(ctx context.Context, dir string, s Snapshot) (out TreeWritten, err error) {
	files, total, err := w.files(ctx, s)
	if err != nil {
		return out, err
	}
	defer hold(w.Room, files)()
	root, unlock, err := openTree(dir)
	if err != nil {
		return out, err
	}
	defer unlock()
	t := &tree{
		TreeWriter: w, root: root, now: map[string]recorded{}, placed: map[blob.Digest]string{}, folders: map[string]bool{},
		progress: meter{tell: w.Progress, total: total},
	}
	err = t.update(ctx, s, files)
	return t.out, err
}

func hold(room Room, files []treeFile) (release func()) {
	if room == nil {
		return func() {}
	}
	var digests []blob.Digest
	for _, f := range files {
		digests = append(digests, f.file.Digest)
	}
	return room.Hold(digests...)
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

// files lists the tree, in the order in which it is written.
func (w *TreeWriter) files(ctx context.Context, s Snapshot) (files []treeFile, total int64, err error) {
	p := &plan{blobs: w.Blobs}
	for _, suite := range s.Suites {
		if !sourceForm.MatchString(suite.Source) {
			return nil, 0, fmt.Errorf("%q is no name for a folder", suite.Source)
		}
		found, err := w.filesOf(ctx, p, suite)
		if err != nil {
			return nil, 0, fmt.Errorf("suite %s of %s: %w", suite.Suite, suite.Source, err)
		}
		files = append(files, found...)
	}
	if err := p.complete(s.Name); err != nil && !w.Partial {
		return nil, 0, err
	}
	slices.SortStableFunc(files, func(a, b treeFile) int { return int(a.phase) - int(b.phase) })
	for _, f := range files {
		total += f.file.Size
	}
	return files, total, nil
}

// filesOf lists what the store has of one suite, and counts the rest.
func (w *TreeWriter) filesOf(ctx context.Context, p *plan, s Suite) (files []treeFile, err error) {
	table, err := w.Tables.Table(ctx, s.Generation)
	if err != nil {
		return nil, err
	}
	var c Counted
	for e := range table.All() {
		if e.Kind == catalog.KindRelease {
			continue
		}
		f, ok, err := c.add(w.Blobs, e)
		if err != nil {
			return nil, err
		}
		if ok {
			files = append(files, treeFile{path.Join(s.Source, e.Path), f, phaseOf(e.Kind)})
		} else if slices.Contains(s.Generation.Indexes, e.Path) {
			return nil, fmt.Errorf("%s is not in the store: run sync to have it mended", e.Path)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	p.suites = append(p.suites, ListedSuite{Source: s.Source, Suite: s.Suite, Wanted: c.Wanted, Present: c.Present})
	return w.addRelease(files, s)
}

func phaseOf(k catalog.Kind) phase {
	switch k {
	case catalog.KindByHash:
		return hashPhase
	case catalog.KindIndex:
		return plainPhase
	}
	return packagePhase
}

func (w *TreeWriter) addRelease(files []treeFile, s Suite) ([]treeFile, error) {
	for i, d := range s.signed() {
		if d == (blob.Digest{}) {
			continue
		}
		info, err := w.Blobs.Stat(d)
		if err != nil {
			return nil, fmt.Errorf("looking for its %s: %w", releaseNames[i], err)
		}
		files = append(files, treeFile{path.Join(s.Source, catalog.SuiteDir(s.Suite), releaseNames[i]), File{d, info.Size}, releasePhase})
	}
	return files, nil
}

// update brings the tree from what it is to what it should be. Whatever an export
// may have put there stands in the record before it is.
func (t *tree) update(ctx context.Context, s Snapshot, files []treeFile) (err error) {
	if t.old, err = t.readRecord(); err != nil {
		return err
	}
	for _, f := range files {
		t.now[f.path] = recorded{file: f.file}
	}
	if err := t.announce(); err != nil {
		return err
	}
	last := packagePhase
	for _, f := range files {
		if f.phase != last && f.phase == releasePhase {
			syscall.Sync()
			reached("all but Release written")
		}
		last = f.phase
		if err := t.place(ctx, f); err != nil {
			return err
		}
	}
	if err := t.dropRelease(s); err != nil {
		return err
	}
	reached("Release written")
	if err := t.removeOld(); err != nil {
		return err
	}
	syscall.Sync()
	return nil
}

// place sees to it that a path has its bytes.
func (t *tree) place(ctx context.Context, f treeFile) error {
	t.out.Files++
	kept, err := t.keep(f)
	switch {
	case err != nil:
		return err
	case kept:
		t.progress.add(f.file.Size)
	default:
		t.out.New++
		if err := t.write(ctx, f); err != nil {
			return err
		}
		reached("tree file written")
	}
	info, err := t.root.Lstat(f.path)
	if err != nil {
		return err
	}
	t.now[f.path] = recorded{file: f.file, modified: info.ModTime().UnixNano()}
	t.placed[f.file.Digest] = f.path
	return nil
}

// keep says whether the path has the right bytes already. What is there and is
// neither right nor recorded belongs to somebody else.
func (t *tree) keep(f treeFile) (bool, error) {
	info, err := t.root.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was, ours := t.old[f.path]
	if info.Mode().IsRegular() && info.Size() == f.file.Size {
		if ours && was.file == f.file && was.modified == info.ModTime().UnixNano() {
			return true, nil
		}
		if same, err := t.hasBytes(f); same || err != nil {
			return same, err
		}
	}
	if !ours || info.IsDir() {
		return false, fmt.Errorf("%s is there and was not written by an export: choose another folder, or remove it", f.path)
	}
	return false, nil
}

func (t *tree) hasBytes(f treeFile) (bool, error) {
	file, err := t.root.Open(f.path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	got, err := digestOf(file)
	return got == f.file.Digest, err
}

// unfinished is the folder for files on their way to their names.
const unfinished = ".aptmirror-tree.files"

// write puts the file where it belongs, in one step. Where its bytes are in the
// tree already, it becomes another name of them.
func (t *tree) write(ctx context.Context, f treeFile) error {
	if err := t.makeFolder(path.Dir(f.path)); err != nil {
		return err
	}
	temporary := path.Join(unfinished, "file")
	if err := t.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	other, ok := t.placed[f.file.Digest]
	if ok && t.root.Link(other, temporary) == nil {
		t.progress.add(f.file.Size)
	} else if err := t.copy(ctx, temporary, f); err != nil {
		return err
	}
	return t.root.Rename(temporary, f.path)
}

func (t *tree) makeFolder(folder string) error {
	if t.folders[folder] {
		return nil
	}
	t.folders[folder] = true
	return t.root.MkdirAll(filepath.FromSlash(folder), 0o755)
}

func (t *tree) copy(ctx context.Context, name string, f treeFile) error {
	stored, err := t.Blobs.Open(f.file.Digest)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	defer stored.Close()
	to, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	n, err := stored.WriteTo(&metered{ctx, to, &t.progress})
	if err == nil && n != f.file.Size {
		err = fmt.Errorf("%s: %d bytes were read, not %d", f.path, n, f.file.Size)
	}
	t.out.Bytes += n
	return errors.Join(err, to.Close())
}

// dropRelease removes Release files that a suite no longer has: they would
// contradict the others.
func (t *tree) dropRelease(s Snapshot) error {
	for _, suite := range s.Suites {
		for _, name := range releaseNames {
			p := path.Join(suite.Source, catalog.SuiteDir(suite.Suite), name)
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
