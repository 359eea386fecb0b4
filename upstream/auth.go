package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const (
	// maxAuth bounds a file of passwords, in bytes.
	maxAuth = 1 << 20
	// openAuth are the permissions that a file of passwords must not have: any
	// for everybody, and writing for its group. Its group may read it, since
	// the service is often not its owner.
	openAuth = 0o027
)

// Auth holds names and passwords for hosts, as a file in the format of
// apt_auth.conf(5) gives them:
//
//	machine [SCHEME://]HOST[:PORT][/PATH] login NAME password PASSWORD
//
// Without SCHEME an entry counts for https alone, without PORT for all ports,
// and with PATH for it and what is below it; the first entry that fits counts.
// An entry without login is a bearer token (RFC 6750); apt does not know those.
// What begins with "#" where a keyword could stand is a comment to the end of
// its line: apt passes over it, and Ubuntu's subscriptions write one. A nil Auth
// has no entry. Its contents never appear in an error.
type Auth struct{ entries []authEntry }

type authEntry struct {
	scheme, host, port, path string
	login, password          string
}

// LoadAuth reads a file, which nobody but its owner and group may read.
func LoadAuth(file string) (*Auth, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading passwords: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading passwords: %w", err)
	}
	if mode := info.Mode().Perm(); mode&openAuth != 0 {
		return nil, fmt.Errorf("reading passwords: %s has mode %04o, so that others can read or change it: chmod 0600 or 0640", file, mode)
	}
	a, err := ReadAuth(f)
	if err != nil {
		return nil, fmt.Errorf("reading passwords: %s: %w", file, err)
	}
	return a, nil
}

// ReadAuth reads the entries. Errors name the line.
func ReadAuth(r io.Reader) (*Auth, error) {
	a := &Auth{}
	lines := bufio.NewScanner(io.LimitReader(r, maxAuth+1))
	lines.Buffer(nil, maxAuth)
	read, number, key := 0, 0, ""
	for lines.Scan() {
		number++
		if read += len(lines.Bytes()) + 1; read > maxAuth {
			return nil, fmt.Errorf("line %d: the file is longer than %d bytes", number, maxAuth)
		}
		for _, word := range strings.Fields(lines.Text()) {
			var err error
			if key == "" && word[0] == '#' {
				break
			}
			if key, err = a.word(key, word); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		}
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("line %d: %w", number+1, lines.Err())
	}
	if key != "" {
		return nil, fmt.Errorf("line %d: nothing follows %q", number, key)
	}
	return a, a.complete(number)
}

// word takes one word of the file; key is the one before it where that needs a
// value. It returns the key that needs one now.
func (a *Auth) word(key, word string) (string, error) {
	switch {
	case key == "machine":
		e, err := parseMachine(word)
		a.entries = append(a.entries, e)
		return "", err
	case key == "login":
		a.entries[len(a.entries)-1].login = word
		return "", nil
	case key == "password":
		a.entries[len(a.entries)-1].password = word
		return "", nil
	case word == "machine":
		return word, a.complete(0)
	case (word == "login" || word == "password") && len(a.entries) > 0:
		return word, nil
	case word == "login" || word == "password":
		return "", fmt.Errorf("%s stands before any machine", word)
	}
	return "", fmt.Errorf(`neither "machine" nor "login" nor "password" is where one of them must be`)
}

// complete says whether the last entry has what it needs; line is 0 where the
// caller names it.
func (a *Auth) complete(line int) error {
	if n := len(a.entries); n > 0 && a.entries[n-1].password == "" {
		if line > 0 {
			return fmt.Errorf("line %d: machine %s has no password", line, a.entries[n-1].host)
		}
		return fmt.Errorf("machine %s before it has no password", a.entries[n-1].host)
	}
	return nil
}

func parseMachine(word string) (authEntry, error) {
	scheme, rest, ok := strings.Cut(word, "://")
	if !ok {
		scheme, rest = "https", word
	}
	host, path, _ := strings.Cut(rest, "/")
	u := url.URL{Host: strings.ToLower(host)}
	if defaultPorts[scheme] == "" || u.Hostname() == "" || strings.ContainsAny(host, "@?#") {
		return authEntry{}, fmt.Errorf("a machine is [SCHEME://]HOST[:PORT][/PATH]")
	}
	return authEntry{scheme: scheme, host: u.Hostname(), port: u.Port(), path: strings.TrimSuffix("/"+path, "/")}, nil
}

// find gives the entry for an address, or nil.
func (a *Auth) find(u *url.URL) *authEntry {
	if a == nil {
		return nil
	}
	for i, e := range a.entries {
		below := u.Path == e.path || strings.HasPrefix(u.Path, e.path+"/") || e.path == ""
		port := e.port == "" || portOf(u) == e.port
		if e.scheme == u.Scheme && strings.EqualFold(e.host, u.Hostname()) && port && below {
			return &a.entries[i]
		}
	}
	return nil
}

// authorise gives a request what its address needs, and takes away what it has.
func (a *Auth) authorise(r *http.Request) {
	r.Header.Del("Authorization")
	switch e := a.find(r.URL); {
	case e == nil:
	case e.login == "":
		r.Header.Set("Authorization", "Bearer "+e.password)
	default:
		r.SetBasicAuth(e.login, e.password)
	}
}

// user gives name and password for a proxy, or nil.
func (a *Auth) user(proxy *url.URL) *url.Userinfo {
	e := a.find(proxy)
	if e == nil || e.login == "" {
		return nil
	}
	return url.UserPassword(e.login, e.password)
}
