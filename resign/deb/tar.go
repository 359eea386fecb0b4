package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"

	"aptmirror/upstream/compress"
)

// unpacked is a compressed tar archive and how much may come out of it.
type unpacked struct {
	ctx    context.Context // reading ends with it
	packed io.Reader
	format compress.Format
	limit  int64
}

// walk calls visit with every entry, and reads on to the end, where compressors have their checksums.
func (u unpacked) walk(visit func(*tar.Header, io.Reader) error) error {
	decompressed, err := compress.NewReader(u.format, interruptible{u.ctx, u.packed}, u.limit)
	if err != nil {
		return err
	}
	defer decompressed.Close()
	plain := interruptible{u.ctx, decompressed} // a few bytes may take long to unpack
	entries := tar.NewReader(plain)
	for n := 0; ; n++ {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d entries: %w", n, u.explain(err))
		}
		if n == maxEntries {
			return fmt.Errorf("more than %d entries", maxEntries)
		}
		if err := visit(h, entries); err != nil {
			return fmt.Errorf("%.200q: %w", h.Name, u.explain(err))
		}
	}
	_, err = io.Copy(zeros{}, plain)
	return u.explain(err)
}

// zeros takes what stands behind the end of a tar archive. A signature within a package covers its members one after the
// other, not where one ends: were other bytes allowed here, data.tar could be made a part of control.tar.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) {
	if len(bytes.Trim(p, "\x00")) > 0 {
		return 0, errors.New("bytes behind the end of the archive")
	}
	return len(p), nil
}

var errPAX = errors.New("a header in PAX format, which dpkg does not read")

// inPAX also knows records of PAX before a header of another format, which leave the format of the entry open.
func inPAX(h *tar.Header) bool { return h.Format == tar.FormatPAX || h.PAXRecords != nil }

func (u unpacked) explain(err error) error {
	if errors.Is(err, compress.ErrTooLong) {
		return fmt.Errorf("unpacks to more than %d bytes", u.limit)
	}
	return err
}

// readControl returns the control file. dpkg takes plain files only, in one folder.
func readControl(u unpacked) (text []byte, err error) {
	found := false
	err = u.walk(func(h *tar.Header, body io.Reader) error {
		name := strings.TrimPrefix(h.Name, "./")
		switch {
		case inPAX(h):
			return errPAX
		case h.Typeflag == tar.TypeDir && strings.Trim(name, "./") == "" && !strings.Contains(name, ".."):
			return nil
		case h.Typeflag != tar.TypeReg:
			return errors.New("neither a plain file nor the folder itself")
		case name == "" || name == "." || name == ".." || strings.Contains(name, "/"):
			return errors.New("no plain file name")
		case name != "control":
			return nil
		case found:
			return errors.New("a second time")
		case h.Size > maxControl:
			return fmt.Errorf("%d bytes, more than %d", h.Size, maxControl)
		}
		found = true
		text, err = io.ReadAll(body)
		return err
	})
	if err == nil && !found {
		err = errors.New("no control file in it")
	}
	if err != nil {
		return nil, err
	}
	return trimLines(text), nil
}

// trimLines takes empty lines off both ends and puts one newline at the end.
func trimLines(text []byte) []byte {
	text = bytes.TrimRight(text, " \t\n")
	for {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		if !found || len(bytes.TrimRight(line, " \t")) > 0 {
			return append(bytes.Clone(text), '\n')
		}
		text = rest
	}
}

// readData reads all of data.tar, and gives its Paths. What dpkg makes of its files is left to dpkg, but for paths out of
// the root.
func readData(u unpacked) ([]byte, error) {
	var paths pathList
	err := u.walk(func(h *tar.Header, _ io.Reader) error {
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		default:
			return fmt.Errorf("an entry of type %q, which dpkg does not read", h.Typeflag)
		}
		if inPAX(h) {
			return errPAX
		}
		if leadsOut(h.Name) || h.Typeflag == tar.TypeLink && leadsOut(h.Linkname) {
			return errors.New("leads out of the package's root")
		}
		return paths.add(h)
	})
	if err != nil {
		return nil, err
	}
	return paths.text(), nil
}

// pathList collects the paths of a package.
type pathList struct {
	paths []string
	size  int // bytes of all with their newlines
}

func (l *pathList) add(h *tar.Header) error {
	if len(h.Name) > maxPath {
		return fmt.Errorf("a path of %d bytes, more than %d", len(h.Name), maxPath)
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if h.Typeflag == tar.TypeDir || name == "" || strings.ContainsFunc(name, unicode.IsControl) {
		return nil
	}
	l.paths = append(l.paths, name)
	if l.size += len(name) + 1; l.size > MaxPaths {
		return fmt.Errorf("the paths up to here have more than %d bytes", MaxPaths)
	}
	return nil
}

func (l *pathList) text() []byte {
	slices.Sort(l.paths)
	text := make([]byte, 0, l.size)
	for _, name := range slices.Compact(l.paths) {
		text = append(append(text, name...), '\n')
	}
	return text
}

func leadsOut(name string) bool {
	return name == "" || path.IsAbs(name) || strings.ContainsRune(name, 0) || strings.Contains("/"+name+"/", "/../")
}

// interruptible reads until ctx ends.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.Reader.Read(p)
}
