package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"aptmirror/cache/blob"
)

// Format is the version of the format that this package writes and reads.
const Format = 1

// Members of a bundle, in this order, before the blobs.
const (
	headName      = "aptmirror-bundle"
	listName      = "list.json"
	signatureName = "list.json.asc"
	filesName     = "files"
	blobFolder    = "blobs/"
)

// Bounds of what is read of a bundle. One that goes beyond is refused.
const (
	maxHead      = 4 << 10  // bytes
	maxList      = 4 << 20  // bytes
	maxSignature = 64 << 10 // bytes
	// MaxFiles is how many files a bundle may have: as many as a generation has
	// paths. Some 100 bytes of memory are needed for each.
	MaxFiles = 4 << 20
	// MaxSuites is how many suites a bundle may have.
	MaxSuites = 4096
	// MaxParts is into how many parts a bundle may be split.
	MaxParts = 9999
	maxText  = 255 // bytes of a name
)

// head is the first member of every part. Nothing signs it: it only says which
// parts belong together, before they are read.
type head struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Base    string    `json:"base,omitempty"` // the ID of the one it builds on
	Created time.Time `json:"created"`
	List    SHA256    `json:"list"` // of list.json
	Part    int       `json:"part"` // counted from 1
	Parts   int       `json:"parts"`
}

// List is what the exporting site signs about a bundle.
type List struct {
	Format int `json:"format"`
	// ID names the snapshot by what it contains: a full bundle and one that
	// builds on another have the same, if they are of the same snapshot.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Series is what the snapshots of one schedule have in common: within it,
	// time does not go back.
	Series  string    `json:"series"`
	Created time.Time `json:"created"` // when the snapshot was made
	// Base is the snapshot whose files were left out; nil for none.
	Base   *Base         `json:"base,omitempty"`
	Suites []ListedSuite `json:"suites"`
	Files  FileTable     `json:"files"`
	Parts  []PartSize    `json:"parts"`
}

// Base names a snapshot.
type Base struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// ListedSuite is one suite of a bundle. Files that it does not have are zeros.
type ListedSuite struct {
	// Source is the archive as the exporting site calls it, or the repository
	// that it built and signed itself.
	Source     string    `json:"source"`
	Suite      string    `json:"suite"`
	Generation uint64    `json:"generation"`
	Date       time.Time `json:"date"`
	InRelease  SHA256    `json:"in_release"`
	Release    SHA256    `json:"release"`
	ReleaseGPG SHA256    `json:"release_gpg"`
	// Wanted counts the packages and installer images that the suite names,
	// Present those that are in the bundle or in its base.
	Wanted  Count `json:"wanted"`
	Present Count `json:"present"`
}

// Count counts files, each content once.
type Count struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// FileTable describes the member that lists the blobs of all parts.
type FileTable struct {
	SHA256 SHA256 `json:"sha256"`
	Size   int64  `json:"size"` // bytes
	// Count and Bytes are of the blobs. The first Metadata of them are Release
	// files and indexes.
	Count    int   `json:"count"`
	Bytes    int64 `json:"bytes"`
	Metadata int   `json:"metadata"`
}

// PartSize says how many of the blobs, in their order, are in a part.
type PartSize struct {
	Files int `json:"files"`
}

// File is one blob of a bundle.
type File struct {
	Digest blob.Digest
	Size   int64 // bytes
}

var (
	idForm     = regexp.MustCompile(`^[0-9a-f]{32}$`)
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)
	sourceForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)
	suiteForm  = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+$`)
)

// CheckName says whether a snapshot can go into a bundle under that name, which
// becomes part of a file's name on the exporting side.
func CheckName(name string) error {
	if !nameForm.MatchString(name) || len(name) > maxText {
		return fmt.Errorf("the name %q is not made of letters, digits and . _ + ~ - alone", name)
	}
	return nil
}

// ReadList reads and checks list.json. Whether its signature is good is the
// caller's business.
func ReadList(data []byte) (*List, error) {
	l := new(List)
	if err := decode(data, l); err != nil {
		return nil, fmt.Errorf("reading %s: %w", listName, err)
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", listName, err)
	}
	return l, nil
}

// decode reads exactly one JSON value without unknown fields.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows its end")
	}
	return nil
}

func (l *List) check() error {
	switch {
	case l.Format != Format:
		return &versionError{l.Format}
	case !idForm.MatchString(l.ID):
		return fmt.Errorf("its id %q is not 32 hexadecimal digits", l.ID)
	case !nameForm.MatchString(l.Series) || len(l.Series) > maxText:
		return fmt.Errorf("its series %q is no name", l.Series)
	case l.Created.IsZero():
		return errors.New("it has no date")
	case len(l.Suites) == 0 || len(l.Suites) > MaxSuites:
		return fmt.Errorf("it has %d suites, not between 1 and %d", len(l.Suites), MaxSuites)
	case l.Base != nil && !idForm.MatchString(l.Base.ID):
		return fmt.Errorf("the id %q of its base is not 32 hexadecimal digits", l.Base.ID)
	}
	if err := CheckName(l.Name); err != nil {
		return err
	}
	if l.Base != nil {
		if err := CheckName(l.Base.Name); err != nil {
			return err
		}
	}
	return errors.Join(l.checkSuites(), l.checkCounts())
}

// versionError is a bundle of a format that this program does not know.
type versionError struct{ format int }

func (e *versionError) Error() string {
	return fmt.Sprintf("it has format %d, this program reads format %d: use a version of aptmirror here that is as new as where it comes from", e.format, Format)
}

func (l *List) checkSuites() error {
	seen := map[[2]string]bool{}
	for _, s := range l.Suites {
		key := [2]string{s.Source, s.Suite}
		switch {
		case !sourceForm.MatchString(s.Source) || len(s.Source) > maxText:
			return fmt.Errorf("the source %q is no name of an archive or repository", s.Source)
		case !suiteForm.MatchString(s.Suite) || len(s.Suite) > maxText:
			return fmt.Errorf("the suite %q of %s is no name of a suite", s.Suite, s.Source)
		case seen[key]:
			return fmt.Errorf("suite %s of %s is there twice", s.Suite, s.Source)
		case s.Release.None():
			return fmt.Errorf("suite %s of %s has no Release", s.Suite, s.Source)
		case s.InRelease.None() && s.ReleaseGPG.None():
			return fmt.Errorf("suite %s of %s has no signature", s.Suite, s.Source)
		case !s.Wanted.holds(s.Present):
			return fmt.Errorf("suite %s of %s has more files than it names", s.Suite, s.Source)
		}
		seen[key] = true
	}
	return nil
}

func (c Count) holds(part Count) bool {
	return part.Files >= 0 && part.Bytes >= 0 && part.Files <= c.Files && part.Bytes <= c.Bytes
}

func (l *List) checkCounts() error {
	f := l.Files
	switch {
	case f.Count < 0 || f.Count > MaxFiles:
		return fmt.Errorf("it has %d files, more than %d", f.Count, MaxFiles)
	case f.Bytes < 0 || f.Metadata < 0 || f.Metadata > f.Count:
		return errors.New("the numbers of its files contradict each other")
	case f.Size < 0 || f.Size > int64(f.Count)*maxLine:
		return fmt.Errorf("its table of %d files has %d bytes", f.Count, f.Size)
	case len(l.Parts) == 0 || len(l.Parts) > MaxParts:
		return fmt.Errorf("it has %d parts, not between 1 and %d", len(l.Parts), MaxParts)
	}
	left := f.Count
	for _, p := range l.Parts {
		if p.Files < 0 || p.Files > left {
			return errors.New("its parts have more files than it has")
		}
		left -= p.Files
	}
	if left != 0 {
		return fmt.Errorf("%d of its files are in no part", left)
	}
	return nil
}

// baseID is "" for a bundle that builds on none.
func (l *List) baseID() string {
	if l.Base == nil {
		return ""
	}
	return l.Base.ID
}

// encode writes list.json.
func (l *List) encode() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = l.check()
	}
	return append(data, '\n'), err
}

// snapshotID is the same for the same contents under the same name.
func snapshotID(s Snapshot) string {
	// Release is not of a suite that the site built: there it is signed anew now
	// and then, over the same contents.
	type suite struct{ Source, Suite, Release, Manifest string }
	of := struct {
		Name    string
		Created int64
		Suites  []suite
	}{s.Name, s.Created.Unix(), nil}
	for _, p := range s.Suites {
		of.Suites = append(of.Suites, suite{p.Source, p.Suite, p.Generation.Release.String(), p.Generation.Manifest.String()})
	}
	text, err := json.Marshal(of)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%x", sum[:16])
}

// decodeAny reads one JSON value whatever fields it has.
func decodeAny(data []byte, into any) error { return json.Unmarshal(data, into) }
