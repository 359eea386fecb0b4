package debian

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aptmirror/upstream/deb822"
)

const (
	// maxReleaseBytes is apt's Acquire::MaxReleaseFileSize.
	maxReleaseBytes = 10_000_000
	// maxReleaseFiles is far above Debian's suites, which list 2,000 to 4,000.
	maxReleaseFiles = 50_000
	// maxReleaseFields bounds the fields of a Release file; Debian has 17.
	maxReleaseFields = 100
	// maxReleaseWords bounds Architectures, Components and Signed-By each.
	maxReleaseWords = 1000
)

// Release is a Release file, the description of a suite. Fields that the file
// does not have are zero.
type Release struct {
	Origin, Label, Suite, Codename, Version, Description string

	Date       time.Time // when it was made; never zero
	ValidUntil time.Time // zero: without end

	Architectures, Components []string

	// NoSupportForArchitectureAll says that binary-all/Packages is not to be
	// used although Architectures lists "all", because every architecture's
	// index has those packages.
	NoSupportForArchitectureAll bool
	AcquireByHash               bool
	NotAutomatic                bool
	ButAutomaticUpgrades        bool

	Changelogs string   // URI with @CHANGEPATH@, or "no"
	Snapshots  string   // URI with @SNAPSHOTID@, or "no"
	SignedBy   []string // fingerprints as written, some with "!" at the end

	// Files are those with a SHA256 or SHA512, one per path, in the order of
	// first mention.
	Files []IndexFile

	at map[string]int // path to index in Files
}

// File returns what the Release file says about a path that CleanPath returned.
func (r *Release) File(path string) (IndexFile, bool) {
	t := sumTable{files: r.Files, at: r.at}
	if i := t.find(path); i >= 0 {
		return r.Files[i], true
	}
	return IndexFile{}, false
}

// ParseRelease reads the text of a Release file, without signature. It wants
// exactly one stanza of UTF-8 without control characters in at most 10 MB, a
// Date, and a SHA256 or SHA512 field. Everything that is listed must be well
// formed and free of contradictions; files with weak hashes only are then left
// out. Errors name the line.
func ParseRelease(text []byte) (*Release, error) {
	if len(text) > maxReleaseBytes {
		return nil, fmt.Errorf("parsing Release: longer than %d bytes", maxReleaseBytes)
	}
	r, err := parseRelease(text)
	if err != nil {
		return nil, fmt.Errorf("parsing Release: %w", err)
	}
	return r, nil
}

func parseRelease(text []byte) (*Release, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	s, err := deb822.ParseOne(text, deb822.Limits{StanzaBytes: maxReleaseBytes + 1, Fields: maxReleaseFields})
	if err != nil {
		return nil, err
	}
	r := new(Release)
	r.readStrings(s)
	r.readSwitches(s)
	for _, read := range []func(*deb822.Stanza) error{r.readDates, r.readWords, r.readFiles} {
		if err := read(s); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkText refuses what terminals, logs and other parsers could take for
// something else.
func checkText(text []byte) error {
	for i := 0; i < len(text); {
		c, size := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(text[i:])
		}
		bad := unicode.IsControl(c) && c != '\n' && c != '\t'
		if bad || c == utf8.RuneError && size == 1 {
			line := 1 + bytes.Count(text[:i], []byte{'\n'})
			column := i - bytes.LastIndexByte(text[:i], '\n')
			return &deb822.SyntaxError{Line: line, Column: column, Msg: fmt.Sprintf("control character or invalid UTF-8 (byte 0x%02x)", text[i])}
		}
		i += size
	}
	return nil
}

func (r *Release) readDates(s *deb822.Stanza) error {
	f, err := need(s, "Date")
	if err != nil {
		return err
	}
	if r.Date, err = ParseDate(string(f.Value)); err != nil {
		return inField(f, err)
	}
	if f, ok := s.Lookup("Valid-Until"); ok {
		if r.ValidUntil, err = ParseDate(string(f.Value)); err != nil {
			return inField(f, err)
		}
	}
	return nil
}

func (r *Release) readStrings(s *deb822.Stanza) {
	for name, dst := range map[string]*string{
		"Origin": &r.Origin, "Label": &r.Label, "Suite": &r.Suite, "Codename": &r.Codename, "Version": &r.Version,
		"Description": &r.Description, "Changelogs": &r.Changelogs, "Snapshots": &r.Snapshots,
	} {
		v, _ := s.Get(name)
		*dst = string(v)
	}
}

func (r *Release) readWords(s *deb822.Stanza) (err error) {
	if r.Architectures, err = words(s, "Architectures", isASCIISpace); err != nil {
		return err
	}
	if r.Components, err = words(s, "Components", isASCIISpace); err != nil {
		return err
	}
	r.SignedBy, err = words(s, "Signed-By", func(c rune) bool { return c == ',' || isASCIISpace(c) })
	return err
}

func words(s *deb822.Stanza, name string, isSeparator func(rune) bool) ([]string, error) {
	f, ok := s.Lookup(name)
	if !ok {
		return nil, nil
	}
	w := strings.FieldsFunc(string(f.Value), isSeparator)
	if len(w) > maxReleaseWords {
		return nil, inField(f, fmt.Errorf("more than %d words", maxReleaseWords))
	}
	return w, nil
}

func (r *Release) readSwitches(s *deb822.Stanza) {
	r.AcquireByHash = isYes(s, "Acquire-By-Hash")
	r.NotAutomatic = isYes(s, "NotAutomatic")
	r.ButAutomaticUpgrades = isYes(s, "ButAutomaticUpgrades")
	v, _ := s.Get("No-Support-for-Architecture-all")
	r.NoSupportForArchitectureAll = slices.Contains(strings.FieldsFunc(string(v), isASCIISpace), "Packages")
}

// isYes knows the words that apt takes for true; all else is false.
func isYes(s *deb822.Stanza, name string) bool {
	v, _ := s.Get(name)
	switch strings.ToLower(string(v)) {
	case "yes", "true", "with", "on", "enable", "1":
		return true
	}
	return false
}

func (r *Release) readFiles(s *deb822.Stanza) error {
	t := sumTable{at: map[string]int{}, limit: maxReleaseFiles, clean: CleanPath}
	strong := false
	for _, f := range s.Fields() {
		size, ok := sumFieldSize(string(f.Name))
		if !ok {
			continue
		}
		strong = strong || size >= sha256.Size
		if err := t.addField(f, size); err != nil {
			return err
		}
	}
	if !strong {
		return fmt.Errorf("line %d: neither SHA256 nor SHA512 is listed, which leaves only weak hashes or none", s.Line)
	}
	r.Files = slices.DeleteFunc(t.files, func(f IndexFile) bool { return !f.strong() })
	r.at = make(map[string]int, len(r.Files))
	for i, f := range r.Files {
		r.at[f.Path] = i
	}
	return nil
}

// sumFieldSize tells the fields of a Release file that list files from others,
// by the length of their hashes.
func sumFieldSize(name string) (int, bool) {
	switch strings.ToLower(name) {
	case "md5sum":
		return md5Size, true
	case "sha1":
		return sha1Size, true
	case "sha256":
		return sha256.Size, true
	case "sha512":
		return sha512.Size, true
	}
	return 0, false
}
