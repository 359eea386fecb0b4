package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// Origin is an address of an archive, for which proxy mode answers.
type Origin struct {
	// URI is as sources.list(5) has it: http or https, host and path.
	URI string
	// Repositories serve the archive as it is, in the order in which they are
	// tried.
	Repositories []string
}

// Origins are the addresses that proxy mode answers for. They are immutable
// and safe for concurrent use.
type Origins struct {
	hosts map[string][]origin // by host and port, longest path first
	names []string            // the URIs, for people
}

type origin struct {
	path         string // without slashes at its ends
	repositories []string
}

// NewOrigins prepares addresses. Where several are the same, their repositories
// are tried in the order given.
func NewOrigins(all []Origin) (*Origins, error) {
	o := &Origins{hosts: map[string][]origin{}}
	for _, a := range all {
		if len(a.Repositories) == 0 {
			continue
		}
		u, err := url.Parse(a.URI)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("reading the address %q: it is no http or https URI", a.URI)
		}
		o.add(hostKey(u), strings.Trim(path.Clean("/"+u.Path), "/"), a.Repositories)
		if name := strings.TrimSuffix(a.URI, "/"); !slices.Contains(o.names, name) {
			o.names = append(o.names, name)
		}
	}
	for _, origins := range o.hosts {
		slices.SortFunc(origins, func(a, b origin) int { return cmp.Compare(len(b.path), len(a.path)) })
	}
	return o, nil
}

func (o *Origins) add(host, path string, repositories []string) {
	for i, known := range o.hosts[host] {
		if known.path == path {
			o.hosts[host][i].repositories = append(slices.Clip(known.repositories), repositories...)
			return
		}
	}
	o.hosts[host] = append(o.hosts[host], origin{path, repositories})
}

// Names gives the addresses as they were configured, for people.
func (o *Origins) Names() []string { return slices.Clone(o.names) }

// hostKey spells host and port in one way. The scheme does not count, so that
// its own port is as good as none: what is sent is the same and signed.
func hostKey(u *url.URL) string {
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if port == "" || port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// find gives the repositories for an address, and the path in them.
func (o *Origins) find(u *url.URL, cleaned string) (repositories []string, name string, ok bool) {
	for _, candidate := range o.hosts[hostKey(u)] {
		switch rest, below := strings.CutPrefix(cleaned, candidate.path); {
		case candidate.path == "" || below && rest == "":
			return candidate.repositories, rest, true
		case below && rest[0] == '/':
			return candidate.repositories, rest[1:], true
		}
	}
	return nil, "", false
}

// errTunnel answers CONNECT, which apt sends for https sources: nothing could
// be seen, kept or verified of what goes through a tunnel.
var errTunnel = errors.New(`this proxy opens no tunnels: write http:// in the sources of mirrored archives (signatures are checked as ever), or Acquire::https::Proxy "DIRECT"`)

// unknown is the answer to an address that no archive has.
func (o *Origins) unknown(u *url.URL) error {
	asked := u.Scheme + "://" + u.Host + u.Path
	if len(asked) > maxQuoted {
		asked = asked[:maxQuoted-3] + "..."
	}
	return fmt.Errorf("%s is not mirrored here, only %s", asked, strings.Join(o.names, ", "))
}

var errScheme = errors.New("only http and https addresses of archives are answered for here")

// maxQuoted is how much of an address is repeated in a reason, in bytes.
const maxQuoted = 60

// forward answers a request that names a whole address.
func (s *Server) forward(e *entry, grant identity.Grant, o *Origins) {
	r := e.request
	if r.Method == http.MethodConnect {
		e.refuse(http.StatusMethodNotAllowed, errTunnel)
		return
	}
	if status, err := checkForward(r); err != nil {
		e.refuse(status, err)
		return
	}
	repositories, name, ok := o.find(r.URL, path.Clean("/" + r.URL.Path)[1:])
	if !ok {
		e.refuse(http.StatusForbidden, o.unknown(r.URL))
		return
	}
	s.answer(e, grant, s.choose(grant, repositories, name), name)
}

func checkForward(r *http.Request) (status int, err error) {
	switch {
	case !reads(r.Method):
		return http.StatusMethodNotAllowed, errMethod
	case r.ContentLength != 0:
		return http.StatusBadRequest, errBody
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return http.StatusForbidden, errScheme
	case !possible(r.URL):
		return http.StatusBadRequest, errPath
	}
	return 0, nil
}

// choose takes the first repository that has the path and may be read; where
// none has it, the one whose answer says most.
func (s *Server) choose(grant identity.Grant, repositories []string, name string) string {
	readable := slices.DeleteFunc(slices.Clone(repositories), func(r string) bool { return !grant.MayReadSome(r) })
	if len(readable) == 0 {
		return repositories[0]
	}
	best := readable[0]
	for _, repository := range readable {
		_, err := s.resolve(grant, repository, name)
		if err == nil {
			return repository
		}
		if errors.Is(err, catalog.ErrNoGeneration) {
			best = repository
		}
	}
	return best
}
