package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"aptmirror/upstream/deb822"
)

// Kind is what sort of package a stanza describes. Packages of different kinds
// never meet: each kind has names of its own.
type Kind uint8

// The kinds. Deb is what apt installs, Udeb is for the installer.
const (
	Deb Kind = iota
	Udeb
	Source
)

var kindNames = [...]string{Deb: "deb", Udeb: "udeb", Source: "source"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Input says where an index's packages come from. All packages of one index
// share one Input.
type Input struct {
	Name    string // as it is configured, for people: "archive:debian/bookworm"; may be empty
	Archive string // name of the archive or pool in the configuration
	Pool    bool   // the name is a pool's
	Signer  string // who signed the Release, for people; may be empty

	// From the Release file, as apt-cache policy shows them behind a=, n=, o=
	// and l=; empty for pools.
	Suite, Codename, Origin, Label string

	Component string
}

// String names the input for people.
func (in *Input) String() string {
	switch {
	case in == nil:
		return "nowhere"
	case in.Name != "":
		return in.Name
	case in.Pool:
		return "pool " + in.Archive
	case in.Suite != "" || in.Codename != "":
		return in.Archive + "/" + firstNonEmpty(in.Codename, in.Suite)
	}
	return in.Archive
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Package is what is known about one version of one package in one input. Its
// strings may be parts of the index's text.
type Package struct {
	Name, Version string
	Architecture  string // as written: "all" for packages of every architecture, "source" for sources
	SourceName    string // of what it is built from; of a source, its own
	SourceVersion string
	Section       string
	Stanza        string // the control text, from which rarely needed fields are read
	Input         *Input // never nil in a Set
	Digest        [sha256.Size]byte
	FirstSeen     time.Time // when the version was first seen; zero: since ever

	Kind      Kind
	Priority  Priority
	MultiArch MultiArch
	Essential bool
	Protected bool // Protected: yes, or Important: yes as it was called before

	// The relations that are asked for most, set by Read.
	preDepends, depends, recommends, provides string
}

// Priority is the Priority field, as apt orders it.
type Priority uint8

// The priorities. Whatever else a field says is PriorityExtra, as for apt.
const (
	NoPriority Priority = iota
	PriorityRequired
	PriorityImportant
	PriorityStandard
	PriorityOptional
	PriorityExtra
)

var priorityNames = [...]string{"", "required", "important", "standard", "optional", "extra"}

func (p Priority) String() string { return priorityNames[min(p, PriorityExtra)] }

func parsePriority(s string) Priority {
	for i, name := range priorityNames {
		if strings.EqualFold(s, name) {
			return Priority(i)
		}
	}
	return PriorityExtra
}

// MultiArch is the Multi-Arch field.
type MultiArch uint8

// The values of Multi-Arch that mean something.
const (
	MultiArchNo MultiArch = iota
	MultiArchSame
	MultiArchForeign
	MultiArchAllowed
)

func parseMultiArch(s string) MultiArch {
	switch s {
	case "same":
		return MultiArchSame
	case "foreign":
		return MultiArchForeign
	case "allowed":
		return MultiArchAllowed
	}
	return MultiArchNo
}

var errNoName = errors.New("no Package or no Version field")

// Read fills in what a stanza says, for a package of the given kind: all but
// Input and FirstSeen, which are left alone, and for sources the digest, which
// becomes that of the .dsc. The strings are parts of s.Raw, which must not
// change while p is in use. Only what rules ask for is looked at: paths and sizes
// are for debian.ParsePackage and debian.ParseSource to check.
func (p *Package) Read(s *deb822.Stanza, kind Kind) error {
	*p = Package{Kind: kind, Input: p.Input, FirstSeen: p.FirstSeen, Stanza: alias(s.Raw)}
	var source string
	for _, f := range s.Fields() {
		p.readField(f, &source)
	}
	if p.Name == "" || p.Version == "" {
		return fmt.Errorf("reading the package in line %d: %w", s.Line, errNoName)
	}
	if kind == Source {
		p.Architecture = "source"
		p.SourceName, p.SourceVersion = p.Name, p.Version
		return nil
	}
	p.SourceName, p.SourceVersion = splitSource(source, p.Name, p.Version)
	return nil
}

// blanks are what apt passes over at both ends of a value, which may begin in the
// next line.
const blanks = " \t\r\n\v\f"

// readField compares lengths first: most fields are of no interest, and there
// are some twenty of them in each of 60,000 stanzas.
func (p *Package) readField(f deb822.Field, source *string) {
	is := func(name string) bool { return len(f.Name) == len(name) && strings.EqualFold(alias(f.Name), name) }
	value := strings.Trim(alias(f.Value), blanks)
	switch {
	case is("Package"):
		p.Name = value
	case is("Version"):
		p.Version = value
	case is("Architecture"):
		p.Architecture = value
	case is("Section"):
		p.Section = value
	case is("Priority"):
		p.Priority = parsePriority(value)
	case is("Source"):
		*source = value
	case is("Essential"):
		p.Essential = isYes(value)
	case is("Protected"), is("Important"):
		p.Protected = p.Protected || isYes(value)
	case is("Multi-Arch"):
		p.MultiArch = parseMultiArch(value)
	case is("Depends"):
		p.depends = value
	case is("Pre-Depends"):
		p.preDepends = value
	case is("Recommends"):
		p.recommends = value
	case is("Provides"):
		p.provides = value
	case is("SHA256") && p.Kind != Source:
		p.readDigest(value)
	case is("Checksums-Sha256") && p.Kind == Source:
		p.readDigest(dscDigest(value))
	}
}

// readDigest leaves the digest zero where the field holds none: what was
// verified is settled long before.
func (p *Package) readDigest(value string) {
	if len(value) != 2*sha256.Size {
		return
	}
	var d [sha256.Size]byte
	if _, err := hex.Decode(d[:], []byte(value)); err == nil {
		p.Digest = d
	}
}

// dscDigest finds the digest of the .dsc, which stands for the whole source: it
// names the other files with theirs.
func dscDigest(value string) string {
	for line := range strings.Lines(value) {
		if words := strings.Fields(line); len(words) == 3 && strings.HasSuffix(words[2], ".dsc") {
			return words[0]
		}
	}
	return ""
}

// splitSource reads a Source field: "name" or "name (version)".
func splitSource(source, name, version string) (string, string) {
	if source == "" {
		return name, version
	}
	of, rest, ok := strings.Cut(source, " ")
	if !ok {
		return source, version
	}
	if _, rest, ok = strings.Cut(rest, "("); ok {
		if v, _, closed := strings.Cut(rest, ")"); closed {
			return of, v
		}
	}
	return of, version
}

// isYes reads a flag as apt does, for which a number is one in any spelling.
func isYes(value string) bool {
	if n, err := strconv.ParseInt(value, 0, 64); err == nil {
		return n == 1
	}
	for _, yes := range [...]string{"yes", "true", "with", "on", "enable"} {
		if strings.EqualFold(value, yes) {
			return true
		}
	}
	return false
}

// Field returns a field of the stanza, as deb822.Field has it, and "" where there
// is none. It searches the text each time.
func (p *Package) Field(name string) string {
	for rest := p.Stanza; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(line[:len(name)], name) {
			return strings.Trim(withContinuation(line, rest)[len(name)+1:], blanks)
		}
		rest = after
	}
	return ""
}

// withContinuation extends the first line of text by the lines that continue it.
func withContinuation(line, text string) string {
	end := len(line)
	for end+1 < len(text) && (text[end+1] == ' ' || text[end+1] == '\t') {
		next := strings.IndexByte(text[end+1:], '\n')
		if next < 0 {
			return text
		}
		end += 1 + next
	}
	return text[:end]
}

// FullName is name, version and architecture as dpkg and apt put them together.
func (p *Package) FullName() string { return p.Name + "_" + p.Version + "_" + p.Architecture }

// alias saves a copy: an index of 60,000 packages has 50 MB.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
