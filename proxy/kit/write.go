package kit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// ErrNotEmpty is returned when the directory holds something and may not be written to.
var ErrNotEmpty = errors.New("the directory is not empty")

// WriteDir writes both forms of the kit into dir, which is made if it does not exist. With
// force, a kit that is already there is replaced but for apt's lists, cache and logs, and
// for the key where the kit brings none. A directory with anything else in it is refused
// with ErrNotEmpty, forced or not. Nothing outside dir is written, whatever links are in it.
func (k *Kit) WriteDir(dir string, force bool) error {
	if err := k.writeDir(dir, force); err != nil {
		return fmt.Errorf("writing client kit to %s: %w", dir, err)
	}
	return nil
}

func (k *Kit) writeDir(dir string, force bool) error {
	host, err := k.check()
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := checkPath(dir); err != nil {
		return err
	}
	if err := prepare(dir, force); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return k.fill(root, host, dir)
}

// fill removes what an earlier kit may have had more of and writes everything.
func (k *Kit) fill(root *os.Root, host, dir string) error {
	if err := errors.Join(root.RemoveAll("system"), root.RemoveAll("keyrings")); err != nil {
		return err
	}
	files := k.private(host, dir)
	for _, f := range k.system(host) {
		f.Path = path.Join("system", f.Path)
		files = append(files, f)
	}
	for _, f := range files {
		if err := writeFile(root, f); err != nil {
			return err
		}
	}
	for _, d := range privateDirs() {
		if err := root.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	return emptyStatus(root)
}

// emptyStatus gives apt a list of installed packages: without the file it stops.
func emptyStatus(root *os.Root) error {
	f, err := root.OpenFile("state/status", os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// prepare leaves dir existing, private, and either empty or a kit.
func prepare(dir string, force bool) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	switch {
	case len(entries) == 0:
	case !isKit(dir):
		return fmt.Errorf("%w and no client kit: choose another", ErrNotEmpty)
	case !force:
		return fmt.Errorf("%w, it holds a client kit: replacing it has to be forced", ErrNotEmpty)
	}
	return os.Chmod(dir, 0o700)
}

func isKit(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "apt.conf"))
	return err == nil && strings.HasPrefix(string(text), marker)
}

// writeFile replaces the file in one step.
func writeFile(root *os.Root, f File) error {
	if err := root.MkdirAll(path.Dir(f.Path), 0o700); err != nil {
		return err
	}
	temp := path.Join(path.Dir(f.Path), ".new-"+path.Base(f.Path))
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode)
	if err != nil {
		return err
	}
	_, err = w.Write(f.Data)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return root.Rename(temp, f.Path)
}

// checkPath refuses directories whose name would mean something in apt.conf, where it
// stands in quotes, or in the Signed-By field, where blanks separate.
func checkPath(dir string) error {
	for _, r := range dir {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._+~@=-", r) {
			return fmt.Errorf("the path must not contain %q: choose one of letters, digits and . _ + ~ @ = -", r)
		}
	}
	return nil
}
