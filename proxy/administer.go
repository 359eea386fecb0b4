package proxy

import (
	"errors"
	"io"
	"net/http"

	"aptmirror/proxy/identity"
)

// adminPrefix begins the addresses that take administrative calls, behind /-.
const adminPrefix = "/v1/"

var (
	errOnlyPost = errors.New("calls are made with POST")
	errNoCalls  = errors.New("this server takes no administrative calls")
)

// administer passes a call on, for identities that may do what the commands on
// the server's own machine do. Its body has to come as that of an upload has to.
func (s *Server) administer(e *entry, grant identity.Grant, path string) {
	r := e.request
	switch {
	case r.Method != http.MethodPost:
		e.refuse(http.StatusMethodNotAllowed, errOnlyPost)
	case !grant.MayAdmin():
		e.refuse(http.StatusForbidden, grant.Refusal("administer this mirror"))
	case s.Admin == nil:
		e.refuse(http.StatusNotFound, errNoCalls)
	default:
		e.uploads = true
		call := r.Clone(r.Context())
		call.URL.Path, call.URL.RawPath = path, ""
		call.Body = io.NopCloser(&pieces{entry: e})
		s.Admin(&page{e}, call, grant.Identity)
	}
}
