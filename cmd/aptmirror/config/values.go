package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	// minServed and maxServed bound max_connections: fewer serve nobody, more need other limits of the system first.
	minServed, maxServed = 16, 100_000
	// maxName is the length in bytes of the name of an archive or a repository. It becomes part of addresses and keys.
	maxName = 64
	// maxWord is the length in bytes of a suite, a component, an architecture or a language.
	maxWord = 255
	// maxText is the length in bytes of a path, a URI or an identity: the kernel's PATH_MAX.
	maxText = 4095
)

var (
	nameForm         = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)
	segmentForm      = regexp.MustCompile(`^[A-Za-z0-9._~+-]+$`)
	architectureForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	languageForm     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._@-]*$`)
	hostForm         = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	fingerprintForm  = regexp.MustCompile(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$`)
	hexForm          = regexp.MustCompile(`^(0x)?[0-9A-Fa-f]{8,}!?$`)
)

func cleanName(s string) (string, error) {
	if len(s) > maxName || !nameForm.MatchString(s) {
		return "", fmt.Errorf("%q is not a name: letters a-z, digits, dots and hyphens, a letter or digit first, at most %d", s, maxName)
	}
	return s, nil
}

func oneOf(values ...string) cleaner {
	return func(s string) (string, error) {
		if !slices.Contains(values, s) {
			return "", fmt.Errorf("%q is not allowed: write \"%s\"", s, strings.Join(values, `" or "`))
		}
		return s, nil
	}
}

// path resolves a file name against the folder of the configuration.
func (d *decoder) path(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("is empty: write a path, or leave the key out")
	case len(s) > maxText || strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("is not a path: at most %d bytes, no control characters", maxText)
	case !filepath.IsAbs(s):
		s = filepath.Join(d.dir, s)
	}
	return filepath.Clean(s), nil
}

// signer reads an entry of signed_by: whole fingerprints as apt takes them, everything else is a file.
func (d *decoder) signer(s string) (string, error) {
	if fingerprintForm.MatchString(s) {
		return strings.ToUpper(s), nil
	}
	if hexForm.MatchString(s) || hexForm.MatchString(strings.ReplaceAll(s, " ", "")) {
		return "", fmt.Errorf("%q is not a whole fingerprint: write its 40 or 64 hexadecimal digits without spaces (short key IDs can be forged), or ./%[1]s for a file", s)
	}
	return d.path(s)
}

// CleanURI checks the base of an archive: http or https and nothing but a host and a path. The result has no slash at the
// end.
func CleanURI(s string) (string, error) {
	u, err := parseURL(s, "http", "https")
	if err != nil {
		return "", err
	}
	p := strings.TrimRight(u.EscapedPath(), "/")
	for segment := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || p != "" && segment == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, `/\`) {
			return "", fmt.Errorf(`%q: empty, "." and ".." elements, "\" and encoded slashes are not allowed in a path`, s)
		}
	}
	return u.Scheme + "://" + u.Host + p, nil
}

func cleanPublicURL(s string) (string, error) {
	u, err := parseURL(s, "https")
	if err != nil {
		return "", err
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%q has a path: write https://HOST:PORT only, repositories are below it by their names", s)
	}
	return "https://" + u.Host, nil
}

// parseURL allows a scheme, a host and a path, in the characters of RFC 3986. The scheme and the host come back in lower case.
func parseURL(s string, schemes ...string) (*url.URL, error) {
	allowed := strings.Join(schemes, " or ")
	if len(s) > maxText {
		return nil, fmt.Errorf("is longer than %d bytes", maxText)
	}
	u, err := url.Parse(s)
	if strings.Contains(s, "@") && (err != nil || strings.ContainsFunc(s, notInURL)) {
		return nil, fmt.Errorf("is not an %s URI", allowed) // there may be a password in it
	}
	if err != nil || strings.ContainsFunc(s, notInURL) {
		return nil, fmt.Errorf("%q is not an %s URI", s, allowed)
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("has a user name or password before the host: credentials do not belong into a configuration, "+
			"write %q, and them into the file that an archive's key auth names", u.Scheme+"://"+u.Host+u.EscapedPath())
	case !slices.Contains(schemes, u.Scheme) || u.Opaque != "":
		return nil, fmt.Errorf("%q must begin with %s://", s, strings.Join(schemes, ":// or "))
	case strings.ContainsAny(s, "?#"):
		return nil, fmt.Errorf("%q has a query or fragment, which files below it cannot have", s)
	}
	u.Host = strings.ToLower(u.Host)
	if err := checkHost(u.Hostname(), u.Port(), strings.HasSuffix(u.Host, ":")); err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	return u, nil
}

func notInURL(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

func checkHost(host, port string, noPort bool) error {
	if net.ParseIP(host) == nil && (len(host) > 253 || !hostForm.MatchString(host)) {
		return errors.New("has no valid host name or address")
	}
	if noPort || port != "" && !validPort(port, 1) {
		return errors.New("the port must be a number from 1 to 65535")
	}
	return nil
}

func validPort(s string, lowest uint64) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n >= lowest && s == strconv.FormatUint(n, 10)
}

func cleanListen(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf(`%q is not an address: write "host:port", ":port" or "[::1]:port"`, s)
	}
	if !validPort(port, 0) {
		return "", fmt.Errorf("%q: the port must be a number from 0 to 65535", s)
	}
	if host != "" && net.ParseIP(host) == nil && !hostForm.MatchString(host) {
		return "", fmt.Errorf("%q: %q is neither an IP address nor a host name", s, host)
	}
	return net.JoinHostPort(host, port), nil
}

// CleanSuite checks a suite: a relative path, at its end "/" for a flat repository. The ways to write the base directory
// itself ("/", "./") become "./", and a "./" before a path goes away.
func CleanSuite(s string) (string, error) {
	if s == "/" || s == "./" {
		return "./", nil
	}
	rest, flat := strings.CutSuffix(strings.TrimPrefix(s, "./"), "/")
	if !relativePath(rest) {
		return "", fmt.Errorf(`%q is not a suite: a name or relative path such as "bookworm" or "stable/updates", "/" at the end only for a flat repository`, s)
	}
	if flat {
		rest += "/"
	}
	return rest, nil
}

// CleanComponent checks a component: a name, rarely a relative path.
func CleanComponent(s string) (string, error) {
	if !relativePath(s) {
		return "", fmt.Errorf(`%q is not a component: a name or relative path such as "main" or "updates/main"`, s)
	}
	return s, nil
}

func relativePath(s string) bool {
	if len(s) > maxWord {
		return false
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "." || segment == ".." || !segmentForm.MatchString(segment) {
			return false
		}
	}
	return true
}

// CleanArchitecture checks the name of a Debian architecture, or "source".
func CleanArchitecture(s string) (string, error) {
	if len(s) > maxWord || !architectureForm.MatchString(s) {
		return "", fmt.Errorf(`%q is not an architecture: letters a-z, digits and hyphens, such as "amd64", or "source"`, s)
	}
	return s, nil
}

// CleanLanguage checks the code of a language as it stands in the file name Translation-CODE.
func CleanLanguage(s string) (string, error) {
	switch {
	case s == "none":
		return "", errors.New(`write [] for no translations, "none" is no language`)
	case s == "environment":
		return "", errors.New(`clients differ in their environment: name the languages, such as "en" or "pt_BR"`)
	case len(s) > maxWord || !languageForm.MatchString(s):
		return "", fmt.Errorf(`%q is not a language: a code such as "en", "pt_BR" or "sr@latin"`, s)
	}
	return s, nil
}

// cleanIdentity checks the kind of an identity and what all kinds have in common.
func cleanIdentity(s string) (string, error) {
	kind, rest, _ := strings.Cut(s, ":")
	if !slices.Contains([]string{"dns", "uri", "cn", "sha256"}, kind) || rest == "" {
		return "", fmt.Errorf("%q is not an identity: write dns:NAME, uri:URI, cn:NAME or sha256:DIGEST", s)
	}
	if len(s) > maxText || strings.TrimSpace(rest) != rest || strings.ContainsFunc(rest, unicode.IsControl) {
		return "", fmt.Errorf("%q: no blanks around the name, no control characters, at most %d bytes", s, maxText)
	}
	if kind == "sha256" {
		digest, err := hex.DecodeString(rest)
		if err != nil || len(digest) != 32 {
			return "", fmt.Errorf("%q: the digest of a certificate has 64 hexadecimal digits and no colons", s)
		}
		return "sha256:" + hex.EncodeToString(digest), nil
	}
	if kind != "cn" && strings.ContainsFunc(rest, unicode.IsSpace) {
		return "", fmt.Errorf("%q: blanks cannot be part of a %s name", s, kind)
	}
	return s, nil
}

// cleanField checks the value of a field of a Release: one line.
func cleanField(s string) (string, error) {
	if s == "" || len(s) > maxWord || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("%q: one line without blanks around it, at most %d bytes, no control characters", s, maxWord)
	}
	return s, nil
}

// cleanLoopback is cleanListen for what has no client certificates: nobody but this machine may reach it. "" is nothing.
func cleanLoopback(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	address, err := cleanListen(s)
	if err != nil {
		return "", err
	}
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%q can be reached from other machines, and nobody is asked for a certificate there: write 127.0.0.1:PORT; identities with status reach the same at /-/status", s)
	}
	return address, nil
}
