package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/upstream/debian"
)

// recordName is the file in a tree that says what of it was written by exports.
//
//	aptmirror-tree 1
//	STATE SHA-256 SIZE MODIFIED PATH
//
// STATE is "now", or "former" for what only the export before named. MODIFIED is
// in nanoseconds of Unix time, 0 for what may not be there yet.
const (
	recordName   = ".aptmirror-tree"
	recordHeader = "aptmirror-tree 1"
	// maxRecord bounds what is read of one: MaxFiles paths of the usual length.
	maxRecord = 1 << 30 // bytes
)

// recorded is what the record says of a path.
type recorded struct {
	file     File
	modified int64
	former   bool
}

// readRecord gives what exports wrote so far; nothing in a tree without record.
func (t *tree) readRecord() (map[string]recorded, error) {
	info, err := t.root.Lstat(recordName)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]recorded{}, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxRecord) {
		err = fmt.Errorf("%s is not the record of an export", recordName)
	}
	if err != nil {
		return nil, err
	}
	f, err := t.root.Open(recordName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	of, err := parseRecord(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w: remove it if everything in the tree may be replaced by hand, or choose another folder", recordName, err)
	}
	return of, nil
}

// parseRecord reads a record. Its paths are clean, so that they stay below the
// tree; whoever can write to the tree can have anything in it removed, and
// nothing else.
func parseRecord(r io.Reader) (map[string]recorded, error) {
	of := map[string]recorded{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if lines.Text() != recordHeader {
				return nil, fmt.Errorf("line 1: %.40q is not %q", lines.Text(), recordHeader)
			}
			continue
		}
		path, rec, err := parseRecorded(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		of[path] = rec
	}
	return of, lines.Err()
}

func parseRecorded(line string) (path string, r recorded, err error) {
	var state, digest string
	head, path, ok := cutFields(line, 4)
	if !ok {
		return "", r, errors.New("it has no path")
	}
	if _, err := fmt.Sscanf(head, "%s %s %d %d", &state, &digest, &r.file.Size, &r.modified); err != nil {
		return "", r, err
	}
	if r.file.Digest, err = blob.ParseDigest(digest); err != nil {
		return "", r, err
	}
	if clean, err := debian.CleanPath(path); err != nil || clean != path {
		return "", r, fmt.Errorf("%q is no clean path", path)
	}
	r.former = state == "former"
	if !r.former && state != "now" {
		return "", r, fmt.Errorf("%q is no state", state)
	}
	return path, r, nil
}

// cutFields splits behind the n-th blank.
func cutFields(line string, n int) (head, rest string, ok bool) {
	at := 0
	for range n {
		i := strings.IndexByte(line[at:], ' ')
		if i < 0 {
			return "", "", false
		}
		at += i + 1
	}
	return line[:at-1], line[at:], true
}

// announce records what will be in the tree beside what is, before any of it is
// written. What is still there from before keeps its state, so that an export
// that is killed and run again removes nothing too early.
func (t *tree) announce() error {
	if err := t.root.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := t.root.Mkdir(unfinished, 0o755); err != nil {
		return err
	}
	both := maps.Clone(t.old)
	for p, r := range t.now {
		if was, ok := both[p]; !ok || was.former {
			both[p] = r
		}
	}
	return t.saveRecord(both)
}

// saveRecord replaces the record in one step.
func (t *tree) saveRecord(of map[string]recorded) error {
	var b bytes.Buffer
	b.WriteString(recordHeader + "\n")
	for _, p := range slices.Sorted(maps.Keys(of)) {
		r, state := of[p], "now"
		if r.former {
			state = "former"
		}
		fmt.Fprintf(&b, "%s %s %d %d %s\n", state, r.file.Digest, r.file.Size, r.modified, p)
	}
	temporary := recordName + ".unfinished"
	if err := t.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := t.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return t.root.Rename(temporary, recordName)
}

func digestOf(r io.Reader) (d blob.Digest, err error) {
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return blob.Digest(sum.Sum(nil)), err
}
