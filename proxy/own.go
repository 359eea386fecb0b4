package proxy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"aptmirror/proxy/identity"
)

// ownName stands where others' addresses have a repository; none can have
// such a name, since it would have to begin with a letter or digit.
const ownName = "-"

// uploadPrefix begins the addresses that take uploads, behind /-.
const uploadPrefix = "/upload/"

var errNoPage = errors.New("this server has no such page")

// serveOwn answers below /-: uploads, administrative calls, and the pages of
// Config.Status.
func (s *Server) serveOwn(e *entry, grant identity.Grant, path string) {
	e.class = ClassPage
	if target, ok := strings.CutPrefix(path, uploadPrefix); ok {
		s.upload(e, grant, target)
		return
	}
	if strings.HasPrefix(path, adminPrefix) {
		s.administer(e, grant, path)
		return
	}
	switch {
	case !reads(e.request.Method):
		e.refuse(http.StatusMethodNotAllowed, errMethod)
	case e.request.ContentLength != 0:
		e.refuse(http.StatusBadRequest, errBody)
	case !grant.MayStatus():
		e.refuse(http.StatusForbidden, grant.Refusal("see the status"))
	case s.Status == nil:
		e.refuse(http.StatusNotFound, errNoPage)
	default:
		e.page(s.Status, path)
	}
}

// page lets a handler answer, to which the path begins behind /-. Its client has
// stallTimeout to take all of it.
func (e *entry) page(h http.Handler, path string) {
	if err := http.NewResponseController(e.ResponseWriter).SetWriteDeadline(time.Now().Add(e.server.stall)); err != nil {
		e.err = err
		return
	}
	r := e.request.Clone(e.request.Context())
	r.URL.Path, r.URL.RawPath = path, ""
	h.ServeHTTP(&page{e}, r)
}

// page writes in as large pieces as it can, unlike an entry.
type page struct{ *entry }

// Unwrap lets a handler set deadlines and send what it has written so far.
func (p *page) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write implements http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) {
	if !p.sent {
		p.WriteHeader(p.status)
	}
	n, err := p.ResponseWriter.Write(b)
	p.bytes += int64(n)
	p.writeErr = err
	return n, err
}
