package pool

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// buildRelations are the fields of a source package that apt parses.
var buildRelations = []string{
	"Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch", "Build-Conflicts", "Build-Conflicts-Indep", "Build-Conflicts-Arch",
}

// source is a .dsc file, dsc(5).
type source struct {
	name, version string
	section       string // "" where it says none
	stanza        []byte // as Sources has it, without Directory
	files         []debian.SourceFile
}

func (s *set) readSource(f File) ([]offer, error) {
	vouched := ""
	if s.changes != nil {
		vouched = s.changes.signer
	}
	text, signer, err := s.vouchText(f, vouched)
	if err != nil {
		return nil, err
	}
	src, err := parseSource(f, text)
	if err != nil {
		return nil, &Error{Malformed, f.Name, err}
	}
	section := src.section
	if s.changes != nil {
		section = s.changes.sections[f.Name]
	}
	component, err := s.pool.component(section)
	if err != nil {
		return nil, &Error{Malformed, f.Name, err}
	}
	base := catalog.PoolFile{Component: component, Package: src.name, Version: src.version, Signer: signer}
	return s.sourceOffers(f, src, base)
}

// sourceOffers gives the .dsc and those of its files that are in the set; the others must be in the pool.
func (s *set) sourceOffers(dsc File, src *source, base catalog.PoolFile) (offers []offer, err error) {
	dir := place(base.Component, src.name)
	for _, part := range src.files {
		if part.Path == dsc.Name {
			continue
		}
		f, there := s.files[part.Path]
		if !there {
			if err := s.inPool(dsc, dir, part); err != nil {
				return nil, err
			}
			continue
		}
		if f.Size != part.Size || s.digests[f.Name] != part.SHA256 {
			return nil, refuse(Malformed, f.Name, "has %d bytes with SHA-256 %s, %s says %d bytes with %x", f.Size, s.digests[f.Name], dsc.Name, part.Size, part.SHA256)
		}
		o := offer{PoolFile: base, file: f}
		o.Kind, o.Path, o.Digest, o.Size = catalog.PoolSourceFile, dir+f.Name, part.SHA256, f.Size
		s.claimed[f.Name], offers = true, append(offers, o)
	}
	o := offer{PoolFile: base, file: dsc, stanza: src.stanza}
	o.Kind, o.Path, o.Digest, o.Size, o.Stanza, o.Architecture = catalog.PoolSource, dir+dsc.Name, s.digests[dsc.Name], dsc.Size, blob.Sum(src.stanza), "source"
	return append(offers, o), nil
}

// inPool finds a file that came with an earlier version of a source package.
func (s *set) inPool(dsc File, dir string, part debian.SourceFile) error {
	have, err := s.pool.Cache.Catalog.PoolFile(s.pool.Name, dir+part.Path)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return refuse(Incomplete, dsc.Name, "names %s, which is neither in the set nor in the pool", part.Path)
	case err != nil:
		return err
	case have.Digest != part.SHA256 || have.Size != part.Size:
		return refuse(Conflict, dsc.Name, "names %s with SHA-256 %x, the pool has it with %s", part.Path, part.SHA256, have.Digest)
	}
	return nil
}

// maxFields is the number of fields of a .dsc above which it is refused: an index adds some, and a stanza of it with more
// than deb822.DefaultFields cannot be read.
const maxFields = 512

func parseSource(f File, text []byte) (*source, error) {
	stanza, err := deb822.ParseOne(text, deb822.Limits{StanzaBytes: maxTextBytes + 1, Fields: maxFields})
	if err != nil {
		return nil, err
	}
	if err := checkSourceFields(stanza); err != nil {
		return nil, err
	}
	dsc, err := readText(f)
	if err != nil {
		return nil, err
	}
	src := &source{stanza: sourceStanza(stanza, f.Name, dsc)}
	parsed, err := src.parse()
	if err != nil {
		return nil, err
	}
	return src, src.checkFiles(f.Name, parsed)
}

// checkSourceFields wants what an index of source packages needs, and nothing that it adds itself.
func checkSourceFields(stanza *deb822.Stanza) error {
	for _, name := range []string{"Source", "Version", "Files", "Checksums-Sha256"} {
		if _, ok := stanza.Lookup(name); !ok {
			return fmt.Errorf("without the field %s", name)
		}
	}
	for _, name := range []string{"Package", "Directory"} {
		if f, ok := stanza.Lookup(name); ok {
			return fmt.Errorf("line %d: the field %s belongs into an index, not into a .dsc", f.Line, name)
		}
	}
	for _, name := range buildRelations {
		if f, ok := stanza.Lookup(name); ok {
			if _, err := debian.ParseRelations(string(f.Value)); err != nil {
				return fmt.Errorf("line %d: %s: %w", f.Line, name, err)
			}
		}
	}
	return nil
}

// sourceStanza is what Sources says of a .dsc but for Directory: Source becomes Package, and the .dsc itself is one of
// the files.
func sourceStanza(stanza *deb822.Stanza, name string, dsc []byte) []byte {
	var out bytes.Buffer
	source, _ := stanza.Get("Source")
	fmt.Fprintf(&out, "Package: %s\n", source)
	for _, f := range stanza.Fields() {
		digest := ""
		switch strings.ToLower(string(f.Name)) {
		case "source":
			continue
		case "files":
			digest = fmt.Sprintf("%x", md5.Sum(dsc))
		case "checksums-sha1":
			digest = fmt.Sprintf("%x", sha1.Sum(dsc))
		case "checksums-sha256":
			digest = blob.Sum(dsc).String()
		case "checksums-sha512":
			digest = fmt.Sprintf("%x", sha512.Sum512(dsc))
		}
		writeField(&out, f)
		if digest != "" {
			fmt.Fprintf(&out, " %s %d %s\n", digest, len(dsc), name)
		}
	}
	return out.Bytes()
}

func writeField(out *bytes.Buffer, f deb822.Field) {
	out.Write(f.Name)
	out.WriteByte(':')
	if len(f.Value) > 0 && f.Value[0] != '\n' {
		out.WriteByte(' ')
	}
	out.Write(f.Value)
	if len(f.Value) == 0 || f.Value[len(f.Value)-1] != '\n' {
		out.WriteByte('\n')
	}
}

// parse reads the stanza as those who read the index will.
func (src *source) parse() (*debian.Source, error) {
	stanza, err := deb822.ParseOne(src.stanza, deb822.Limits{StanzaBytes: 2 * maxTextBytes})
	if err != nil {
		return nil, err
	}
	var parsed debian.Source
	if err := debian.ParseSource(stanza, &parsed); err != nil {
		return nil, err
	}
	src.name, src.version = parsed.Name, parsed.Version
	src.section = sectionOf(stanza)
	return &parsed, nil
}

// sectionOf takes the section from the field, which few have, or from the first line of Package-List: name, type,
// section, priority.
func sectionOf(stanza *deb822.Stanza) string {
	if f, ok := stanza.Lookup("Section"); ok {
		return string(f.Value)
	}
	list, _ := stanza.Get("Package-List")
	for line := range bytes.Lines(list) {
		if words := strings.Fields(string(line)); len(words) >= 3 {
			return words[2]
		}
	}
	return ""
}

func (src *source) checkFiles(dsc string, parsed *debian.Source) error {
	if strings.ToLower(src.name) != src.name {
		return fmt.Errorf("%q is no name of a source package", src.name)
	}
	if _, err := debian.ParseVersion(src.version); err != nil {
		return fmt.Errorf("version %q: %w", src.version, err)
	}
	if want := src.name + "_" + withoutEpoch(src.version) + ".dsc"; dsc != want {
		return fmt.Errorf("by its content it is %s", want)
	}
	if len(parsed.Files) < 2 {
		return errors.New("names no files")
	}
	for _, f := range parsed.Files {
		switch {
		case !f.HasSHA256:
			return fmt.Errorf("no SHA-256 of %s", f.Path)
		case !nameForm.MatchString(f.Path) || !strings.HasPrefix(f.Path, src.name+"_"):
			return fmt.Errorf("%.200q is no name for a file of this source package", f.Path)
		}
	}
	src.files = slices.Clone(parsed.Files)
	return nil
}

// sourceFiles gives the files that a stanza made by sourceStanza names.
func sourceFiles(stanza []byte) ([]debian.SourceFile, error) {
	parsed, err := (&source{stanza: stanza}).parse()
	if err != nil {
		return nil, err
	}
	return parsed.Files, nil
}
