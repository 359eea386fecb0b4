package upstreamtest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"
)

// Suite is what a suite's Release says and which files go with it. Empty text fields are left out.
type Suite struct {
	Name                            string // the directory below dists
	Suite, Codename                 string
	Origin, Label                   string
	Version, Description            string
	Changelogs, Snapshots, SignedBy string
	Components, Architectures       []string
	// ListedComponents is what Release says its components are, where that is not Components: Debian's security archive
	// lists updates/main and has main.
	ListedComponents                   []string
	Date                               time.Time     // zero: newer than any before
	ValidUntil                         time.Time     // zero: by ValidFor
	ValidFor                           time.Duration // zero: no Valid-Until, as in Debian's stable
	AcquireByHash                      bool
	NotAutomatic, ButAutomaticUpgrades bool
	// SeparateAll puts packages of architecture all into binary-all instead of every architecture's index.
	SeparateAll bool
	// Hashes are the sections of Release: MD5Sum, SHA1, SHA256 (the default), SHA512.
	Hashes []string
	// Compressions are the served forms of each index: gz, xz (the default both), bz2, zst, lz4, or "" for plain. The plain
	// form is always listed. Forms whose tool is not installed are left out.
	Compressions []string
	// Fields are further lines of Release, such as "Foo: bar".
	Fields []string
	// Files are further files below the suite's directory that Release lists.
	Files map[string][]byte
	// Rewrite, unless nil, changes the text of an index, by its path below the suite's directory, before it is published.
	Rewrite func(name string, text []byte) []byte
	// OmitInRelease leaves Release and Release.gpg, OmitRelease leaves InRelease.
	OmitInRelease, OmitRelease bool
}

func (s *Suite) flat() bool { return strings.HasSuffix(s.Name, "/") }

// Dir returns the directory of the suite's Release, relative to the archive.
func (s *Suite) Dir() string {
	if s.flat() {
		return path.Clean(s.Name)
	}
	return path.Join("dists", s.Name)
}

// Option changes one call of Publish.
type Option func(*publication)

type publication struct {
	date     time.Time
	unsigned bool
	tampered bool
}

// At dates the publication of suites that have no Date of their own, whatever the last date was.
func At(date time.Time) Option { return func(p *publication) { p.date = date } }

// Unsigned leaves only the Release file, without signatures.
func Unsigned() Option { return func(p *publication) { p.unsigned = true } }

// Tampered changes a digest in InRelease and Release after they were signed.
func Tampered() Option { return func(p *publication) { p.tampered = true } }

// Publish writes the indexes and Release files of all suites and serves them from now on, in one step. Each publication is
// at least a second newer than the last. By-hash files of earlier ones stay. It returns the number of the generation,
// counted from 1.
func (a *Archive) Publish(options ...Option) int {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var p publication
	for _, option := range options {
		option(&p)
	}
	if p.date.IsZero() {
		p.date = later(a.date, a.Clock())
		a.date = p.date
	}
	files := make(map[string][]byte)
	for _, s := range a.suites {
		a.publishSuite(s, p, files)
	}
	a.replaceDists(files)
	a.generations = append(a.generations, files)
	return len(a.generations)
}

// later returns now, or the second after last if that is later.
func later(last, now time.Time) time.Time {
	now = now.Truncate(time.Second)
	if next := last.Add(time.Second); now.Before(next) {
		return next
	}
	return now
}

func (a *Archive) publishSuite(s *Suite, p publication, files map[string][]byte) {
	a.t.Helper()
	listed := maps.Clone(s.Files)
	if listed == nil {
		listed = make(map[string][]byte)
	}
	served := maps.Clone(listed)
	for name, text := range a.indexes(s) {
		if s.Rewrite != nil {
			text = s.Rewrite(name, text)
		}
		listed[name] = text
		for _, format := range s.Compressions {
			if packed, ok := a.compress(format, text); ok {
				full := strings.TrimSuffix(name+"."+format, ".")
				listed[full], served[full] = packed, packed
			}
		}
	}
	for name, data := range served {
		files[path.Join(s.Dir(), name)] = data
		if s.AcquireByHash {
			for _, kind := range s.Hashes {
				files[path.Join(s.Dir(), path.Dir(name), "by-hash", kind, hexDigest(kind, data))] = data
			}
		}
	}
	a.addRelease(s, p, s.release(p.date, listed), files)
}

// addRelease signs the text and adds the files that the suite wants.
func (a *Archive) addRelease(s *Suite, p publication, text []byte, files map[string][]byte) {
	a.t.Helper()
	signed, detached := text, []byte(nil)
	if !p.unsigned {
		signed, detached = clearsign(a.t, text, p.date, a.keys), detachSign(a.t, text, p.date, a.keys)
	}
	if p.tampered {
		signed, text = tamper(signed), tamper(text)
	}
	if !s.OmitRelease || p.unsigned {
		files[path.Join(s.Dir(), "Release")] = text
	}
	if !s.OmitRelease && !p.unsigned {
		files[path.Join(s.Dir(), "Release.gpg")] = detached
	}
	if !s.OmitInRelease && !p.unsigned {
		files[path.Join(s.Dir(), "InRelease")] = signed
	}
}

// tamper changes one digit of the last digest.
func tamper(release []byte) []byte {
	release = bytes.Clone(release)
	end := bytes.LastIndex(release, []byte("\n "))
	if end < 0 {
		end = bytes.Index(release, []byte("Suite: ")) + len("Suite:")
	}
	release[end+2] = map[bool]byte{true: 'b', false: 'a'}[release[end+2] == 'a']
	return release
}

// release writes the Release text.
func (s *Suite) release(date time.Time, listed map[string][]byte) []byte {
	if !s.Date.IsZero() {
		date = s.Date
	}
	until := s.ValidUntil
	if until.IsZero() && s.ValidFor != 0 {
		until = date.Add(s.ValidFor)
	}
	var out bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	field("Origin", s.Origin)
	field("Label", s.Label)
	field("Suite", s.Suite)
	field("Version", s.Version)
	field("Codename", s.Codename)
	field("Changelogs", s.Changelogs)
	field("Snapshots", s.Snapshots)
	field("Date", releaseDate(date))
	if !until.IsZero() {
		field("Valid-Until", releaseDate(until))
	}
	field("Acquire-By-Hash", yes(s.AcquireByHash))
	field("NotAutomatic", yes(s.NotAutomatic))
	field("ButAutomaticUpgrades", yes(s.ButAutomaticUpgrades))
	architectures := strings.Join(s.Architectures, " ")
	if !s.SeparateAll && !s.flat() {
		field("No-Support-for-Architecture-all", "Packages")
	}
	field("Architectures", strings.TrimSpace("all "+architectures))
	if !s.flat() {
		components := s.Components
		if s.ListedComponents != nil {
			components = s.ListedComponents
		}
		field("Components", strings.Join(components, " "))
	}
	field("Description", s.Description)
	field("Signed-By", s.SignedBy)
	for _, line := range s.Fields {
		out.WriteString(line + "\n")
	}
	for _, kind := range s.Hashes {
		out.WriteString(kind + ":\n")
		for _, name := range slices.Sorted(maps.Keys(listed)) {
			fmt.Fprintf(&out, " %s %8d %s\n", hexDigest(kind, listed[name]), len(listed[name]), name)
		}
	}
	return out.Bytes()
}

func releaseDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// hexDigest computes a digest by its name in Release.
func hexDigest(kind string, data []byte) string {
	switch kind {
	case "MD5Sum":
		return fmt.Sprintf("%x", md5.Sum(data))
	case "SHA1":
		return fmt.Sprintf("%x", sha1.Sum(data))
	case "SHA512":
		return fmt.Sprintf("%x", sha512.Sum512(data))
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// compress packs an index; ok is false where the tool for it is missing. Needs a.mu.
func (a *Archive) compress(format string, data []byte) (packed []byte, ok bool) {
	switch format {
	case "":
		return data, true
	case "gz":
		return gzipped(data), true
	}
	key := format + hexDigest("SHA256", data)
	if _, done := a.packed[key]; !done {
		a.packed[key] = runCompressor(format, data)
	}
	return a.packed[key], a.packed[key] != nil
}

// gzipped has no time stamp and no name, so the same data gives the same bytes.
func gzipped(data []byte) []byte { return gzippedAt(gzip.DefaultCompression, data) }

// gzippedAt spares the work for what is random anyway, which takes seconds under
// the race detector.
func gzippedAt(level int, data []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, level) // the levels are gzip's own
	w.Write(data)                            // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

// runCompressor returns nil where the tool is missing or fails.
func runCompressor(format string, data []byte) []byte {
	tools := map[string]string{"xz": "xz", "bz2": "bzip2", "zst": "zstd", "lz4": "lz4"}
	cmd := exec.Command(tools[format], "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	return out
}
