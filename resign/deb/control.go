package deb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// foreign are the fields that indexes and dpkg's status file add. In a control file they would speak for those.
var foreign = []string{
	"Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Directory", "Files", "MSDOS-Filename", "Description-md5",
	"Status", "Config-Version", "Conffiles", "Triggers-Pending", "Triggers-Awaited", "Package-Revision", "Package_Revision", "Revision",
}

// relations are the fields that apt and dpkg parse, and whether they take alternatives; one bad relation makes apt refuse
// the whole index.
var relations = map[string]bool{
	"Depends": true, "Pre-Depends": true, "Recommends": true, "Suggests": true, "Enhances": true,
	"Breaks": false, "Conflicts": false, "Replaces": false, "Provides": false,
	"Built-Using": false, "Static-Built-Using": false,
}

// multiArch are the values of Multi-Arch.
var multiArch = []string{"no", "same", "foreign", "allowed"}

// parse checks the control file and takes from it what names the package.
func (d *Deb) parse() error {
	s, err := parseStanza(d.Control)
	if err != nil {
		return err
	}
	for _, name := range foreign {
		if f, ok := s.Lookup(name); ok {
			return fmt.Errorf("line %d: the field %s belongs into an index, not into a package", f.Line, name)
		}
	}
	if err := d.parseNames(); err != nil {
		return err
	}
	if err := d.parseRelations(s); err != nil {
		return err
	}
	if err := d.parseFlags(s); err != nil {
		return err
	}
	if f, ok := s.Lookup("Multi-Arch"); ok && !slices.Contains(multiArch, strings.ToLower(string(f.Value))) {
		return fmt.Errorf("line %d: Multi-Arch is %q, not one of %s", f.Line, f.Value, strings.Join(multiArch, ", "))
	}
	section, _ := s.Get("Section")
	d.Section = string(section)
	if err := d.parseSource(s); err != nil {
		return err
	}
	return checkWords(s)
}

// checkWords bounds what apt takes for one word each.
func checkWords(s *deb822.Stanza) error {
	for _, name := range []string{"Version", "Section", "Source"} {
		if f, ok := s.Lookup(name); ok && len(f.Value) > maxWord {
			return fmt.Errorf("line %d: %s has %d bytes, more than %d", f.Line, name, len(f.Value), maxWord)
		}
	}
	return nil
}

func parseStanza(text []byte) (*deb822.Stanza, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	for i, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return nil, fmt.Errorf("line %d: a control character", 1+bytes.Count(text[:i], []byte("\n")))
		}
	}
	return deb822.ParseOne(text, deb822.Limits{StanzaBytes: maxControl + 1, Fields: maxFields})
}

// parseNames lets the rules of an index's stanza decide, with what the index will add.
func (d *Deb) parseNames() error {
	s, err := deb822.ParseOne(slices.Concat(d.Control, []byte("Filename: x\nSize: 1\n")), deb822.Limits{StanzaBytes: maxControl + 64})
	if err != nil {
		return err
	}
	var p debian.Package
	if err := debian.ParsePackage(s, &p); err != nil {
		return err
	}
	if err := checkPolicy(p.Name); err != nil {
		return err
	}
	switch p.Architecture {
	case "any", "source":
		return fmt.Errorf("%q is no architecture of a binary package", p.Architecture)
	}
	if _, err := debian.ParseVersion(p.Version); err != nil {
		return fmt.Errorf("version %q: %w", p.Version, err)
	}
	d.Name, d.Version, d.Arch = p.Name, p.Version, p.Architecture
	return nil
}

// checkPolicy is Debian Policy 5.6.7; dpkg alone would take more.
func checkPolicy(name string) error {
	switch {
	case len(name) < 2:
		return fmt.Errorf("the name %q has less than two characters", name)
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "":
		return fmt.Errorf("the name %q has characters that are none of a-z, 0-9 and +-., which Policy allows", name)
	}
	return nil
}

// parseSource reads "name" or "name (version)".
func (d *Deb) parseSource(s *deb822.Stanza) error {
	d.Source = d.Name
	f, ok := s.Lookup("Source")
	if !ok {
		return nil
	}
	rs, err := debian.ParseRelations(strings.ReplaceAll(string(f.Value), "(", "(= "))
	if err != nil || len(rs) != 1 || len(rs[0]) != 1 || rs[0][0].Qualifier != "" || rs[0][0].Architectures != nil || rs[0][0].Profiles != nil {
		return fmt.Errorf("line %d: %q is no source package", f.Line, f.Value)
	}
	d.Source = rs[0][0].Name
	return checkPolicy(d.Source)
}

// flags are the fields that dpkg takes yes and no for, and nothing else; apt would take more for yes.
var flags = []string{"Essential", "Protected", "Important"}

func (d *Deb) parseFlags(s *deb822.Stanza) error {
	for _, name := range flags {
		f, ok := s.Lookup(name)
		if !ok {
			continue
		}
		yes := strings.EqualFold(string(f.Value), "yes")
		if !yes && !strings.EqualFold(string(f.Value), "no") {
			return fmt.Errorf("line %d: %s is %q, neither yes nor no", f.Line, name, f.Value)
		}
		d.Essential = d.Essential || yes && name == "Essential"
	}
	return nil
}

func (d *Deb) parseRelations(s *deb822.Stanza) error {
	for name, alternatives := range relations {
		f, ok := s.Lookup(name)
		if !ok {
			continue
		}
		rs, err := debian.ParseRelations(string(f.Value))
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", f.Line, name, err)
		}
		for _, group := range rs {
			if len(group) > 1 && !alternatives {
				return fmt.Errorf("line %d: %s with alternatives", f.Line, name)
			}
			for _, r := range group {
				if n := max(len(r.Name), len(r.Qualifier), len(r.Version)); n > maxWord {
					return fmt.Errorf("line %d: %s: a word of %d bytes, more than %d", f.Line, name, n, maxWord)
				}
				if name == "Provides" {
					d.Provides = append(d.Provides, r.Name)
				}
				if r.Architectures != nil || r.Profiles != nil {
					return fmt.Errorf("line %d: %s: %s has a condition, which only source packages may have", f.Line, name, r)
				}
			}
		}
	}
	return nil
}
