package proxy

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// serveFile answers from the store, or from a fill.
func (s *Server) serveFile(e *entry, file catalog.File) {
	if s.Usage != nil {
		s.Usage.Begin(file.Digest)
		defer s.Usage.End(file.Digest)
	}
	c := content{File: file, modified: file.Modified.Truncate(time.Second)}
	err := s.open(e, &c)
	if err == nil {
		err = c.serve(e)
	}
	if c.stream != nil {
		c.stream.Close()
	}
	if err != nil {
		s.failed(e, file, err)
	}
}

// open takes a file from the store. One that is not there is made to come,
// unless its headers are enough; for news that nothing has changed, which apt
// asks for most, the store is not even asked.
func (s *Server) open(e *entry, c *content) error {
	if c.described() && c.notModified(e.request.Header) {
		e.outcome = OutcomeHit
		return nil
	}
	stored, err := s.Blobs.Open(c.Digest)
	switch {
	case err == nil:
		e.outcome = OutcomeHit
		c.take(stored)
		return nil
	case !errors.Is(err, blob.ErrNotFound):
		return err
	case c.headersSuffice(e.request):
		e.outcome = OutcomeHit
		return nil
	}
	e.outcome = OutcomeFill
	follower, err := s.Filler.Fill(e.request.Context(), c.File)
	if err == nil {
		c.take(follower)
	}
	if errors.Is(err, blob.ErrNoSpace) && s.Pass != nil {
		return s.pass(e, c)
	}
	return err
}

// pass sends what cannot be stored straight from where it comes.
func (s *Server) pass(e *entry, c *content) error {
	e.outcome = OutcomePass
	passing, err := s.Pass(e.request.Context(), c.File)
	if err == nil {
		c.take(passing)
	}
	return err
}

// failed ends an answer that could not be given, or not to the end. Where
// something is out already, cutting the connection is the only way to say so.
func (s *Server) failed(e *entry, file catalog.File, err error) {
	s.dropIfCorrupt(e.request.Context(), file, err)
	e.err = err
	switch {
	case e.sent || e.clientLeft():
		e.cut = true
		panic(http.ErrAbortHandler)
	case errors.Is(err, fs.ErrNotExist):
		e.plain(http.StatusNotFound, "the archive has no such file any more")
	default:
		e.comeAgain("the mirror cannot give this file at the moment, try again later")
	}
}

// dropIfCorrupt forgets a damaged blob, so that the next request fetches it
// again. Another request may have done so already.
func (s *Server) dropIfCorrupt(ctx context.Context, file catalog.File, err error) {
	corrupt := (*blob.CorruptError)(nil)
	if !errors.As(err, &corrupt) {
		return
	}
	s.Log.Error("a stored file is damaged and is dropped", "path", file.Path, "digest", file.Digest, "error", err)
	err = s.Blobs.Delete(context.WithoutCancel(ctx), file.Digest)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		s.Log.Error("dropping a damaged file failed", "digest", file.Digest, "error", err)
	}
}
