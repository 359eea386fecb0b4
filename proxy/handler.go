package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// ServeHTTP decides who asks, then what for, then answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := s.begin(w, r)
	defer e.end()
	grant, ok := s.authorise(e)
	if !ok || !s.admit(e, grant) {
		return
	}
	defer s.dismiss(e)
	s.serve(e, grant)
}

// authorise judges a request by what is in force now. Where it is not ok, the
// request has been answered.
func (s *Server) authorise(e *entry) (grant identity.Grant, ok bool) {
	e.access = s.access.Load()
	grant, err := e.access.authorise(e.request, s.Now())
	if err != nil {
		e.refuse(http.StatusForbidden, err)
		return grant, false
	}
	e.identity = grant.Identity
	return grant, true
}

func (s *Server) serve(e *entry, grant identity.Grant) {
	if o := e.access.Origins; o != nil && e.request.URL.Host != "" {
		s.forward(e, grant, o)
		return
	}
	s.route(e, grant)
}

// admit makes a request one of those under way, once its identity may have one
// more. Where it is false, the request has been answered.
func (s *Server) admit(e *entry, grant identity.Grant) bool {
	ctx := e.request.Context()
	if !batchOf(ctx).begin() {
		panic(http.ErrAbortHandler)
	}
	if e.share, e.err = s.enter(ctx, grant); e.err == nil {
		return true
	}
	e.comeAgain(e.err.Error())
	batchOf(ctx).end()
	return false
}

// dismiss ends what admit began.
func (s *Server) dismiss(e *entry) {
	s.leave(e.share)
	batchOf(e.request.Context()).end()
}

// route tells the server's own addresses from those of repositories.
func (s *Server) route(e *entry, grant identity.Grant) {
	r := e.request
	repository, name, err := splitPath(r)
	switch {
	case err == nil && repository == ownName:
		s.serveOwn(e, grant, "/"+name)
	case !reads(r.Method):
		e.refuse(http.StatusMethodNotAllowed, errMethod)
	case err != nil:
		e.refuse(http.StatusBadRequest, err)
	case r.ContentLength != 0:
		e.refuse(http.StatusBadRequest, errBody)
	default:
		s.answer(e, grant, repository, name)
	}
}

// reads says whether a method only reads.
func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// authorise judges the certificate anew for every request: a connection may
// outlive the certificate, its revocation or its grant.
func (a *Access) authorise(r *http.Request, now time.Time) (identity.Grant, error) {
	id, err := a.Trust.Identify(r.TLS.PeerCertificates, now)
	if err != nil {
		return identity.Grant{}, err
	}
	return a.Grants.For(id), nil
}

var (
	errMethod = errors.New("only GET and HEAD are answered here")
	errBody   = errors.New("a request for a file has no body")
	errProxy  = errors.New("this server is no proxy: name it in the sources, or have its people set proxy_mode")
	errPath   = errors.New("the path is not one that a repository can have")
)

// splitPath takes /REPOSITORY/PATH apart. The path has been decoded once;
// apt leaves dot segments in (flat suites named "./"), so they are cleaned
// here, and an encoded separator can only be an attempt at something.
func splitPath(r *http.Request) (repository, name string, err error) {
	switch {
	case r.URL.Host != "" || !strings.HasPrefix(r.URL.Path, "/"):
		return "", "", errProxy
	case !possible(r.URL):
		return "", "", errPath
	}
	repository, name, _ = strings.Cut(path.Clean(r.URL.Path)[1:], "/")
	return repository, name, nil
}

// possible says whether a catalog could have the path.
func possible(u *url.URL) bool {
	return !strings.ContainsFunc(u.Path, forbidden) && !encodesSlash(u.RawPath)
}

// forbidden are the characters that catalog paths never have.
func forbidden(c rune) bool { return c < ' ' || c == '\\' || c == 0x7f }

// encodesSlash looks at the path as it was sent, which net/http keeps only
// where decoding and encoding it would give another.
func encodesSlash(raw string) bool {
	return strings.Contains(raw, "%2f") || strings.Contains(raw, "%2F")
}

func (s *Server) answer(e *entry, grant identity.Grant, repository, name string) {
	if !grant.MayReadSome(repository) {
		e.refuse(http.StatusForbidden, grant.Refusal("read "+printable(repository)))
		return
	}
	if !s.Catalog.HasRepository(repository) {
		e.err = catalog.ErrNoRepository
		e.tell(http.StatusNotFound, s.noRepository(grant, repository)) // apt shows a person the status line alone
		return
	}
	served, name, ok := s.stateOf(e, repository, name)
	if !ok {
		return
	}
	file, err := s.Catalog.Resolve(served, name, func(suite string) bool { return grant.MayRead(repository, suite) })
	if e.access != s.access.Load() {
		s.again(e)
		return
	}
	if err == nil {
		e.repository, e.suite, e.path, e.class = repository, file.Suite, file.Path, classOf(file.Kind)
		s.serveFile(e, file)
		return
	}
	if suite, ok := s.suiteOf(served, name); ok && !grant.MayRead(repository, suite) {
		e.refuse(http.StatusForbidden, grant.Refusal("read "+printable(repository+"/"+suite)))
		return
	}
	if s.changelog(e, grant, repository, served, name) {
		return
	}
	e.err = err
	s.missing(e, grant, repository, served, name)
}

// again begins a request anew of which the grant is of one configuration, and
// what was found perhaps of the next.
func (s *Server) again(e *entry) {
	if grant, ok := s.authorise(e); ok {
		s.serve(e, grant)
	}
}

// resolve looks into the suites that may be read.
func (s *Server) resolve(grant identity.Grant, repository, name string) (catalog.File, error) {
	return s.Catalog.Resolve(repository, name, func(suite string) bool { return grant.MayRead(repository, suite) })
}

// suiteOf finds the suite in whose folder a path lies, the innermost where one
// suite's folder is inside another's. Packages lie in none, except in flat suites.
func (s *Server) suiteOf(repository, name string) (suite string, ok bool) {
	var dir string
	// Resolve asks about every suite, as long as it gets none.
	s.Catalog.Resolve(repository, name, func(candidate string) bool {
		d := catalog.SuiteDir(candidate)
		if strings.HasPrefix(name, d) && (!ok || len(d) > len(dir)) {
			suite, dir, ok = candidate, d, true
		}
		return false
	})
	return suite, ok
}
