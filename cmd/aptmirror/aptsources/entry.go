package aptsources

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// entry is a line or a stanza before its values are checked; options have the names of the one-line format.
type entry struct {
	types, uris, suites, components []string
	options                         map[string]string
}

// add turns the entry into a source, or skips it.
func (r *reader) add(path string, line int, e entry) {
	s := Source{File: path, Line: line, Types: e.types, Components: e.components, Enabled: boolean(e.options["enabled"]) != "no"}
	s.URIs, s.Suites = r.substitute(e.uris), r.substitute(e.suites)
	s.Architectures = e.set("arch", r.architectures)
	s.Languages = slices.DeleteFunc(e.set("lang", []string{"en"}), func(l string) bool { return l == "none" })
	s.Trusted = boolean(e.options["trusted"])
	err := errors.Join(e.check(), s.signedBy(e.options["signed-by"]))
	if err != nil && s.Enabled {
		r.skip(path, line, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if err == nil {
		r.sources = append(r.sources, s)
	}
}

func (r *reader) substitute(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ReplaceAll(w, "$(ARCH)", r.native)
	}
	return out
}

// check holds the rules that sources.list(5) has for both formats.
func (e entry) check() error {
	switch {
	case len(e.types) == 0:
		return errors.New("no type: write deb or deb-src")
	case len(e.uris) == 0:
		return errors.New("no URI")
	case len(e.suites) == 0:
		return errors.New("no suite")
	case max(len(e.uris), len(e.suites), len(e.components)) > maxWords:
		return fmt.Errorf("more than %d URIs, suites or components", maxWords)
	}
	for _, t := range e.types {
		if t != "deb" && t != "deb-src" {
			return fmt.Errorf("type %q is neither deb nor deb-src", t)
		}
	}
	for _, u := range e.uris {
		if !strings.Contains(u, ":") {
			return fmt.Errorf("%q is not a URI", u)
		}
	}
	return e.checkComponents()
}

func (e entry) checkComponents() error {
	for _, s := range e.suites {
		flat := strings.HasSuffix(s, "/")
		if flat && len(e.components) > 0 {
			return fmt.Errorf(`suite %q ends in "/", so there must be no components`, s)
		}
		if !flat && len(e.components) == 0 {
			return fmt.Errorf(`suite %q has no components`, s)
		}
	}
	return nil
}

// set gives a multi-value option: the default or what replaces it, with additions and without removals.
func (e entry) set(option string, values []string) []string {
	if v, ok := e.options[option]; ok {
		values = splitList(v)
	}
	remove := splitList(e.options[option+"-"])
	var out []string
	for _, v := range slices.Concat(values, splitList(e.options[option+"+"])) {
		if !slices.Contains(out, v) && !slices.Contains(remove, v) && len(out) < maxWords {
			out = append(out, v)
		}
	}
	return out
}

// splitList splits at commas, which the one-line format has, and blanks; apt takes either in both formats.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || isBlank(r) })
}

// boolean gives "yes", "no", or for what apt does not understand "".
func boolean(s string) string {
	switch strings.ToLower(s) {
	case "no", "false", "without", "off", "disable":
		return "no"
	case "yes", "true", "with", "on", "enable":
		return "yes"
	}
	switch n, err := strconv.ParseInt(s, 0, 64); {
	case err == nil && n == 0:
		return "no"
	case err == nil && n == 1:
		return "yes"
	}
	return ""
}

var fingerprintForm = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})!?$`)

const armourHeader = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// signedBy reads the value of Signed-By: a key, or a list of files and fingerprints.
func (s *Source) signedBy(value string) error {
	value = strings.Trim(value, blanks)
	if strings.HasPrefix(value, armourHeader) {
		s.SignedByKey = restoreArmour(value)
		return nil
	}
	for _, v := range splitList(value) {
		fingerprint := strings.ToUpper(v)
		switch {
		case strings.HasPrefix(v, "/"):
			s.SignedBy = append(s.SignedBy, v)
		case fingerprintForm.MatchString(fingerprint):
			s.SignedBy = append(s.SignedBy, fingerprint)
		default:
			return fmt.Errorf("%q in Signed-By is neither an absolute path nor a whole fingerprint", v)
		}
	}
	return nil
}

// restoreArmour undoes what deb822 does to text with empty lines: a blank before each line and " ." for an empty one.
func restoreArmour(value string) []byte {
	var b strings.Builder
	for line := range strings.SplitSeq(value, "\n") {
		if line = strings.Trim(line, blanks); line != "." {
			b.WriteString(line)
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
