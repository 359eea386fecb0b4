package pki

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

const (
	// maxName is the longest DNS name in bytes, without the final dot (RFC 1035 section 2.3.4).
	maxName = 253
	// maxLabel is the longest part between two dots, in bytes.
	maxLabel = 63
	// maxURI is the longest identity URI in bytes; longer ones would not fit in a message.
	maxURI = 255
)

// CheckName accepts a lower-case DNS host name (RFC 1123 section 2.1): labels of a-z, 0-9
// and hyphen, one label allowed, no final dot, no wildcard, not an IP address. Such a name
// is also safe as a file name.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("empty host name")
	case len(name) > maxName:
		return fmt.Errorf("host name of %d bytes, at most %d are allowed", len(name), maxName)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("%q is an address, not a host name", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return fmt.Errorf("host name %q: %w", name, err)
		}
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("empty part between dots")
	case len(label) > maxLabel:
		return fmt.Errorf("a part of %d bytes, at most %d are allowed", len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("part %q begins or ends with a hyphen", label)
	}
	for _, r := range label {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-') {
			return fmt.Errorf("character %q is not allowed (a-z, 0-9, hyphen)", r)
		}
	}
	return nil
}

// checkServerName is CheckName that also accepts a wildcard as the whole first label.
func checkServerName(name string) error {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		return CheckName(rest)
	}
	return CheckName(name)
}

// CheckURI accepts a URI that can be the identity of a client: scheme spiffe or urn,
// printable ASCII, at most 255 bytes, without user, query or fragment.
func CheckURI(u *url.URL) error {
	s := u.String()
	switch {
	case len(s) > maxURI:
		return fmt.Errorf("URI of %d bytes, at most %d are allowed", len(s), maxURI)
	case u.Scheme != "spiffe" && u.Scheme != "urn":
		return fmt.Errorf("URI %q: the scheme must be spiffe or urn", s)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("URI %q: user, query and fragment are not allowed", s)
	case u.Scheme == "spiffe" && u.Host == "" || u.Scheme == "urn" && u.Opaque == "":
		return fmt.Errorf("URI %q: nothing after the scheme", s)
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("URI %q must be printable ASCII without blanks", s)
		}
	}
	return nil
}
