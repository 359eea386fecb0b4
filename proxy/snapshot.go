package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Snapshots finds earlier states of repositories, for addresses
// /REPOSITORY/snapshot/ID/PATH. Who may read the repository may read them.
type Snapshots interface {
	// Find gives the name under which the catalog serves a state of a
	// repository. The id is as clients send it: a name or a moment. The error is
	// an *UnknownSnapshotError where there is no such state.
	Find(ctx context.Context, repository, id string) (served string, err error)
}

// UnknownSnapshotError says what there is instead, to the person at the client.
type UnknownSnapshotError struct{ Text string }

func (e *UnknownSnapshotError) Error() string { return e.Text }

const snapshotFolder = "snapshot/"

// cutSnapshot takes the path of a file in a snapshot apart.
func cutSnapshot(name string) (id, rest string, ok bool) {
	name, ok = strings.CutPrefix(name, snapshotFolder)
	if !ok {
		return "", "", false
	}
	id, rest, _ = strings.Cut(name, "/")
	return id, rest, id != ""
}

// stateOf gives the repository of the catalog, and the path in it, that an
// address is about. Where it is not ok, the request has been answered.
func (s *Server) stateOf(e *entry, repository, name string) (served, path string, ok bool) {
	id, rest, ok := cutSnapshot(name)
	if !ok || s.Snapshots == nil || !s.Catalog.HasRepository(repository) {
		return repository, name, true
	}
	served, err := s.Snapshots.Find(e.request.Context(), repository, id)
	unknown := (*UnknownSnapshotError)(nil)
	switch {
	case err == nil:
		return served, rest, true
	case errors.As(err, &unknown):
		e.err = err
		e.tell(http.StatusNotFound, unknown.Text) // apt shows a person the status line alone
	default:
		e.err = err
		e.comeAgain("this snapshot cannot be served at the moment, try again later")
	}
	return "", "", false
}
