package pool

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/pgp"
)

// changes is a .changes file, deb-changes(5), of which every listed file was found, in the set or in the pool.
type changes struct {
	name     string
	signer   string
	sections map[string]string // of the files
}

// listed is a line of Checksums-Sha256.
type listed struct {
	digest blob.Digest
	size   int64
	name   string
}

// readChanges reads the set's .changes, if it has one, which must list all other files of the set; what it
// lists besides is in the pool.
func (s *set) readChanges() error {
	names := s.named(".changes")
	if len(names) == 0 {
		return nil
	}
	if len(names) > 1 {
		return refuse(Malformed, names[1], "a second .changes, after %s; add one at a time", names[0])
	}
	f := s.files[names[0]]
	text, signer, err := s.vouchText(f, "")
	if err != nil {
		return err
	}
	c := &changes{name: f.Name, signer: signer}
	list, err := c.parse(text)
	if err != nil {
		return &Error{Malformed, f.Name, err}
	}
	s.changes = c
	return s.checkListed(list)
}

// parse reads the two lists, which have the same files.
func (c *changes) parse(text []byte) (list []listed, err error) {
	if list, err = checksums(text); err != nil {
		return nil, err
	}
	stanza, err := deb822.ParseOne(text, deb822.Limits{StanzaBytes: maxTextBytes + 1})
	if err != nil {
		return nil, err
	}
	files, ok := stanza.Lookup("Files")
	if !ok {
		return nil, fmt.Errorf("without the field Files")
	}
	return list, c.parseFiles(files, list)
}

// parseSums reads lines of digest, size and name.
func parseSums(f deb822.Field) (list []listed, err error) {
	known := map[string]bool{}
	for line := range bytes.Lines(f.Value) {
		words := strings.Fields(string(line))
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("line %d: %s: %.200q is not a digest, a size and a name", f.Line, f.Name, line)
		}
		l := listed{name: words[2]}
		if l.digest, err = blob.ParseDigest(words[0]); err == nil {
			l.size, err = parseSize(words[1])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %.200q: %w", f.Line, f.Name, line, err)
		}
		if known[l.name] {
			return nil, fmt.Errorf("line %d: %s: %.200q twice", f.Line, f.Name, l.name)
		}
		known[l.name] = true
		if list = append(list, l); len(list) > MaxFiles {
			return nil, fmt.Errorf("line %d: %s: more than %d files", f.Line, f.Name, MaxFiles)
		}
	}
	return list, nil
}

func parseSize(s string) (int64, error) {
	if strings.Trim(s, "0123456789") != "" || s == "" {
		return 0, fmt.Errorf("%q is no size", s)
	}
	return strconv.ParseInt(s, 10, 64)
}

// parseFiles reads lines of MD5, size, section, priority and name, for the sections.
func (c *changes) parseFiles(f deb822.Field, list []listed) error {
	sizes := map[string]int64{}
	for _, l := range list {
		sizes[l.name] = l.size
	}
	c.sections = map[string]string{}
	for line := range bytes.Lines(f.Value) {
		words := strings.Fields(string(line))
		if len(words) == 0 {
			continue
		}
		if len(words) != 5 {
			return fmt.Errorf("line %d: Files: %.200q is not MD5, size, section, priority and name", f.Line, line)
		}
		size, err := parseSize(words[1])
		if err != nil {
			return fmt.Errorf("line %d: Files: %w", f.Line, err)
		}
		if want, ok := sizes[words[4]]; !ok || want != size {
			return fmt.Errorf("line %d: Files and Checksums-Sha256 disagree on %.200q", f.Line, words[4])
		}
		c.sections[words[4]] = words[2]
	}
	if len(c.sections) != len(list) {
		return fmt.Errorf("line %d: Files has %d files and Checksums-Sha256 %d", f.Line, len(c.sections), len(list))
	}
	return nil
}

func (s *set) checkListed(list []listed) error {
	known := map[string]bool{s.changes.name: true}
	var absent []listed
	for _, l := range list {
		f, there := s.files[l.name]
		switch {
		case !there:
			absent = append(absent, l)
			continue
		case f.Size != l.size:
			return refuse(Malformed, f.Name, "has %d bytes, %s says %d", f.Size, s.changes.name, l.size)
		case s.digests[f.Name] != l.digest:
			return refuse(Malformed, f.Name, "has SHA-256 %s, %s says %s", s.digests[f.Name], s.changes.name, l.digest)
		}
		known[l.name] = true
	}
	if err := s.checkAbsent(absent); err != nil {
		return err
	}
	for _, name := range s.order {
		if !known[name] {
			return refuse(Incomplete, name, "%s does not list it", s.changes.name)
		}
	}
	return nil
}

// checkAbsent wants what is not in the set to be in the pool, whatever it was called when it came.
func (s *set) checkAbsent(absent []listed) error {
	if len(absent) == 0 {
		return nil
	}
	have, err := s.pool.List(s.ctx)
	if err != nil {
		return err
	}
	sizes := map[blob.Digest]int64{}
	for _, h := range have {
		sizes[h.Digest] = h.Size
	}
	for _, l := range absent {
		if size, there := sizes[l.digest]; !there || size != l.size {
			return refuse(Incomplete, s.changes.name, "lists %.200q, which is neither in the set nor in the pool", l.name)
		}
	}
	return nil
}

// Listed gives the names of the files that a .changes or .dsc lists, before
// anything vouches for it. What is wrong with it is an *Error.
func Listed(f File) (names []string, err error) {
	data, err := readText(f)
	if err != nil {
		return nil, err
	}
	text, err := pgp.Unverified(data)
	var list []listed
	if err == nil {
		list, err = checksums(text)
	}
	if err != nil {
		return nil, &Error{Malformed, f.Name, err}
	}
	for _, l := range list {
		names = append(names, l.name)
	}
	return names, nil
}

// checksums reads the field Checksums-Sha256 of a file that consists of one stanza.
func checksums(text []byte) ([]listed, error) {
	stanza, err := deb822.ParseOne(text, deb822.Limits{StanzaBytes: maxTextBytes + 1})
	if err != nil {
		return nil, err
	}
	sums, ok := stanza.Lookup("Checksums-Sha256")
	if !ok {
		return nil, errNoChecksums
	}
	return parseSums(sums)
}

var errNoChecksums = errors.New("without the field Checksums-Sha256, nothing can be verified")
