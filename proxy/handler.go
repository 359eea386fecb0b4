package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// ServeHTTP decides who asks, then what for, then answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := s.begin(w, r)
	defer entry.end()
	grant, id, err := s.authorise(r)
	if err != nil {
		refuse(entry, http.StatusForbidden, err.Error())
		return
	}
	entry.identity = id.Name
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		plainError(entry, http.StatusMethodNotAllowed, "only GET and HEAD are answered here")
		return
	}
	repository, name, err := splitPath(r)
	if err != nil {
		plainError(entry, http.StatusBadRequest, err.Error())
		return
	}
	s.answer(entry, r, grant, repository, name)
}

// authorise judges the certificate anew for every request: a connection may
// outlive the certificate, its revocation or its grant.
func (s *Server) authorise(r *http.Request) (identity.Grant, identity.Identity, error) {
	a := s.access.Load()
	id, err := a.Trust.Identify(r.TLS.PeerCertificates, s.Now())
	if err != nil {
		return identity.Grant{}, id, err
	}
	return a.Grants.For(id), id, nil
}

var errPath = errors.New("the path is not one that a repository can have")

// splitPath takes /REPOSITORY/PATH apart. The path has been decoded once;
// apt leaves dot segments in (flat suites named "./"), so they are cleaned
// here, and an encoded separator can only be an attempt at something.
func splitPath(r *http.Request) (repository, name string, err error) {
	raw := strings.ToLower(r.URL.EscapedPath())
	switch {
	case r.URL.Host != "" || !strings.HasPrefix(r.URL.Path, "/"):
		return "", "", errors.New("this server is no proxy: name a path, not an address")
	case strings.Contains(raw, "%2f"), strings.Contains(raw, "%5c"), strings.Contains(raw, "%00"), strings.ContainsAny(r.URL.Path, "\\\x00"):
		return "", "", errPath
	}
	clean := path.Clean(r.URL.Path)
	repository, name, _ = strings.Cut(clean[1:], "/")
	return repository, name, nil
}

func (s *Server) answer(w *entry, r *http.Request, grant identity.Grant, repository, name string) {
	if !grant.MayReadSome(repository) {
		refuse(w, http.StatusForbidden, grant.Refusal("read "+printable(repository)).Error())
		return
	}
	file, err := s.Catalog.Resolve(repository, name, func(suite string) bool { return grant.MayRead(repository, suite) })
	switch {
	case errors.Is(err, catalog.ErrNoGeneration):
		s.comeAgain(w, "this suite has not been verified yet, try again later")
	case err != nil:
		plainError(w, http.StatusNotFound, fmt.Sprintf("%s: %v", printable(name), err))
	default:
		s.serveFile(w, r, file)
	}
}

// comeAgain answers 503 as apt wants it: without a body apt would give up,
// with one it tries again and otherwise keeps what it had.
func (s *Server) comeAgain(w *entry, why string) {
	w.Header().Set("Retry-After", "30")
	plainError(w, http.StatusServiceUnavailable, why)
}

// serveFile answers from the store, or from a fill.
func (s *Server) serveFile(w *entry, r *http.Request, file catalog.File) {
	c := content{File: file}
	stored, err := s.Blobs.Open(file.Digest)
	switch {
	case err == nil:
		defer stored.Close()
		c.stream, c.modified = stored, stored.Info().Modified
	case !errors.Is(err, blob.ErrNotFound):
		s.damaged(w, file, err)
		return
	}
	if !file.Modified.IsZero() {
		c.modified = file.Modified
	}
	if c.stream == nil && !c.headersSuffice(r) {
		w.fill = true
		follower, err := s.Filler.Fill(r.Context(), file)
		if err != nil {
			s.cannotFill(w, file, err)
			return
		}
		defer follower.Close()
		c.stream = follower
		if c.modified.IsZero() {
			c.modified = follower.Info().Modified
		}
	}
	if err := c.serve(w, r); err != nil {
		s.broken(w, file, err)
	}
}

func (s *Server) cannotFill(w *entry, file catalog.File, err error) {
	w.err = err
	if errors.Is(err, fs.ErrNotExist) {
		plainError(w, http.StatusNotFound, "the archive has no such file any more")
		return
	}
	s.comeAgain(w, "the archive cannot give this file at the moment, try again later")
}

func (s *Server) damaged(w *entry, file catalog.File, err error) {
	s.dropIfCorrupt(w.request.Context(), file, err)
	w.err = err
	s.comeAgain(w, "the stored file is damaged, try again later")
}

// broken ends a body that could not be sent whole. Headers are out, so that
// cutting the connection is the only way left to say so.
func (s *Server) broken(w *entry, file catalog.File, err error) {
	s.dropIfCorrupt(w.request.Context(), file, err)
	w.err = err
	panic(http.ErrAbortHandler)
}

// dropIfCorrupt forgets a damaged blob, so that the next request fetches it again.
func (s *Server) dropIfCorrupt(ctx context.Context, file catalog.File, err error) {
	if ce := (*blob.CorruptError)(nil); errors.As(err, &ce) {
		s.Log.Error("a stored file is damaged and is dropped", "path", file.Path, "digest", file.Digest, "error", err)
		if err := s.Blobs.Delete(context.WithoutCancel(ctx), file.Digest); err != nil {
			s.Log.Error("dropping a damaged file failed", "digest", file.Digest, "error", err)
		}
	}
}
