package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// changelogFolder and changelogEnding stand around what apt puts in the place of
// @CHANGEPATH@ in the address that Release gives for changelogs.
const (
	changelogFolder = "changelogs/"
	changelogEnding = "_changelog"
)

// Changelogs gives what packages say of their changes, for addresses
// /REPOSITORY/changelogs/PATH_changelog, also below that of a snapshot.
type Changelogs interface {
	// Changelog looks into suites that may allows, of a repository of the
	// catalog. The error is an *UnknownChangelogError where there is none.
	Changelog(ctx context.Context, repository, path string, may func(suite string) bool) (Changelog, error)
}

// Changelog is the text of one.
type Changelog struct {
	Text     []byte
	Modified time.Time
}

// UnknownChangelogError says why there is none, to the person at the client.
type UnknownChangelogError struct{ Text string }

func (e *UnknownChangelogError) Error() string { return e.Text }

// changelog answers for what no generation has a file of. Where it is not ok,
// that is not a changelog either.
func (s *Server) changelog(e *entry, grant identity.Grant, repository, served, name string) (ok bool) {
	path, below := strings.CutPrefix(name, changelogFolder)
	path, named := strings.CutSuffix(path, changelogEnding)
	if !below || !named || s.Changelogs == nil {
		return false
	}
	e.class = ClassPage
	c, err := s.Changelogs.Changelog(e.request.Context(), served, path, func(suite string) bool { return grant.MayRead(repository, suite) })
	unknown := (*UnknownChangelogError)(nil)
	switch {
	case err == nil:
		e.text(c)
	case errors.As(err, &unknown):
		e.err = err
		e.tell(http.StatusNotFound, unknown.Text) // apt shows a person the status line alone
	case errors.Is(err, catalog.ErrNoGeneration):
		e.err = err
		e.comeAgain("this suite has not been verified yet, try again later")
	default:
		e.err = err
		e.comeAgain("this changelog cannot be had at the moment, try again later")
	}
	return true
}

// text sends a changelog, or a part of it.
func (e *entry) text(c Changelog) {
	e.Header().Set("Content-Type", "text/plain; charset=utf-8")
	e.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(e, e.request, "", c.Modified, bytes.NewReader(c.Text))
}
