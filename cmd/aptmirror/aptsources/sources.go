// Package aptsources reads a machine's own apt sources, so that a mirror can start from what the machine uses.
//
// It owns the reading of both formats of sources.list(5): one source a line in etc/apt/sources.list and
// etc/apt/sources.list.d/*.list, and stanzas in *.sources. Where apt refuses all sources because of one fault, this
// package sets the faulty line or stanza aside with the reason and goes on. It is stricter than apt in two points: a
// field that occurs twice, and a line without a colon, set their stanza aside.
//
// The package never writes, never asks the network and never reads a key: it hands out the names of keyrings, and
// embedded keys as they stand.
package aptsources

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	// maxFile is the size in bytes of a sources file beyond which it is set aside.
	maxFile = 1 << 20
	// maxWords is the number of URIs, suites, components or other values that one entry may have.
	maxWords = 256
)

// Source is one line or one stanza.
type Source struct {
	// File is the path of the file, Line (1-based) where the entry begins.
	File string
	Line int
	// Types holds "deb", "deb-src" or both.
	Types []string
	// URIs are as written, with $(ARCH) replaced. Each is an archive of its own, as for apt.
	URIs []string
	// Suites are as written, with $(ARCH) replaced. Those of flat repositories end in "/"; then there are no Components.
	Suites, Components []string
	// Architectures is what apt would download binary packages for: those of the machine, changed by the options.
	Architectures []string
	// Languages are those of translations: "en", changed by the options. The machine's own Acquire::Languages and locale
	// do not count, because a mirror serves more than one machine.
	Languages []string
	// SignedBy are absolute paths of keyrings and fingerprints in upper case, with "!" at the end for exactly that key.
	// A path is as written, whatever the root that the file was read from.
	SignedBy []string
	// SignedByKey is an embedded armoured public key with its empty lines restored; SignedBy is empty then.
	SignedByKey []byte
	// Trusted is "yes" or "no" where the option is set, and else empty: signatures decide.
	Trusted string
	// Enabled is false for a stanza with Enabled: no.
	Enabled bool
}

// Skipped is something that was set aside.
type Skipped struct {
	File   string
	Line   int // 1-based; 0 for the whole file
	Reason string
}

// String is the form file:line: reason.
func (s Skipped) String() string {
	if s.Line == 0 {
		return s.File + ": " + s.Reason
	}
	return fmt.Sprintf("%s:%d: %s", s.File, s.Line, s.Reason)
}

// Read returns the sources below root, in apt's order; an empty root is the machine itself. Disabled stanzas are among
// them. An error means that apt's folder is there but cannot be read; a file that cannot be read is skipped.
func Read(root string) (sources []Source, skipped []Skipped, err error) {
	r := &reader{native: Architecture()}
	r.architectures = architectures(root, r.native)
	apt := aptDir(root)
	if _, err := os.Lstat(filepath.Join(apt, "sources.list")); err == nil {
		r.file(filepath.Join(apt, "sources.list"), r.lines)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading apt sources: %w", err)
	}
	if err := r.parts(filepath.Join(apt, "sources.list.d")); err != nil {
		return nil, nil, fmt.Errorf("reading apt sources: %w", err)
	}
	return r.sources, r.skipped, nil
}

// Text reads one file of another machine, of the format that its name says; architecture is that of a source that names
// none.
func Text(file, text, architecture string) ([]Source, []Skipped) {
	r := &reader{native: architecture, architectures: []string{architecture}}
	if strings.HasSuffix(file, ".sources") {
		r.stanzas(file, text)
	} else {
		r.lines(file, text)
	}
	return r.sources, r.skipped
}

func aptDir(root string) string {
	if root == "" {
		root = "/"
	}
	return filepath.Join(root, "etc/apt")
}

// reader collects what Read returns.
type reader struct {
	native        string   // what $(ARCH) stands for
	architectures []string // of a source that names none
	sources       []Source
	skipped       []Skipped
}

func (r *reader) skip(file string, line int, format string, args ...any) {
	r.skipped = append(r.skipped, Skipped{file, line, fmt.Sprintf(format, args...)})
}

// ignoredNames are the defaults of apt's Dir::Ignore-Files-Silently, and hidden files.
var ignoredNames = regexp.MustCompile(`^\.|~$|\.disabled$|\.bak$|\.dpkg-[a-z]+$|\.ucf-[a-z]+$|\.save$|\.orig$|\.distUpgrade$`)

// parts reads the files of a folder in the order of their names, whichever format they have.
func (r *reader) parts(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() || ignoredNames.MatchString(e.Name()):
		case !acceptedName(e.Name(), "list", "sources"):
			r.skip(path, 0, "apt ignores the file because of its name: letters, digits, _ - . and at the end .list or .sources")
		case strings.HasSuffix(path, ".list"):
			r.file(path, r.lines)
		default:
			r.file(path, r.stanzas)
		}
	}
	return nil
}

var partName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.([a-z]+)$`)

// acceptedName follows sources.list(5): letters, digits, "_", "-", "." and one of the extensions.
func acceptedName(name string, extensions ...string) bool {
	m := partName.FindStringSubmatch(name)
	for _, e := range extensions {
		if m != nil && m[1] == e {
			return true
		}
	}
	return false
}

func (r *reader) file(path string, parse func(path, text string)) {
	text, err := readRegular(path)
	if err != nil {
		r.skip(path, 0, "%v", err)
		return
	}
	parse(path, strings.ReplaceAll(text, "\r\n", "\n"))
}

// readRegular refuses devices and pipes, which could block or never end.
func readRegular(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("longer than %d bytes", maxFile)
	}
	return string(text), nil
}
