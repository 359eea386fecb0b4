package admin

import (
	"context"
	"net/http"
	"time"
)

// Rings are the calls that decide what clients of a ring see.
type Rings interface {
	PublishSnapshot(ctx context.Context, by Caller, r PublishRequest, news func(Event)) (*PublishResult, error)
	Rollback(ctx context.Context, by Caller, r RollbackRequest, news func(Event)) (*PublishResult, error)
	History(ctx context.Context, r HistoryRequest) (*History, error)
}

func handleRings(mux *http.ServeMux, b Rings, allowed rules) {
	handle(mux, "publish", allowed, func(ctx context.Context, by Caller, r PublishRequest, news func(Event)) (*PublishResult, error) {
		return b.PublishSnapshot(ctx, by, r, news)
	})
	handle(mux, "rollback", allowed, func(ctx context.Context, by Caller, r RollbackRequest, news func(Event)) (*PublishResult, error) {
		return b.Rollback(ctx, by, r, news)
	})
	handle(mux, "history", allowed, func(ctx context.Context, _ Caller, r HistoryRequest, _ func(Event)) (*History, error) {
		return b.History(ctx, r)
	})
}

// PublishRequest asks for a ring to serve what a snapshot pins.
type PublishRequest struct {
	Snapshot   string `json:"snapshot"`
	Repository string `json:"repository"`
	Suite      string `json:"suite,omitempty"` // "": all of the ring that the snapshot has
	Why        string `json:"why,omitempty"`
	// DryRun only tells what would change.
	DryRun bool `json:"dry_run,omitempty"`
}

// RollbackRequest asks for a ring to serve what it served before.
type RollbackRequest struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite,omitempty"` // "": all
	Why        string `json:"why,omitempty"`
	DryRun     bool   `json:"dry_run,omitempty"`
}

// PublishResult is what was published, or would be.
type PublishResult struct {
	DryRun bool        `json:"dry_run,omitempty"`
	Suites []Published `json:"suites"`
}

// Published is a suite of a ring that serves something else now.
type Published struct {
	SuiteName
	From      *Generation `json:"from,omitempty"` // nil: nothing before
	To        Generation  `json:"to"`
	Snapshot  string      `json:"snapshot,omitempty"`
	Unchanged bool        `json:"unchanged,omitempty"` // it served that already
	Published time.Time   `json:"published,omitzero"`
	Changes   *SuiteDiff  `json:"changes,omitempty"` // of a dry run
}

// HistoryRequest asks what was published of a repository.
type HistoryRequest struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite,omitempty"` // "": all
	// All has also what was only signed again.
	All bool `json:"all,omitempty"`
}

// History is newest first.
type History struct {
	Moves []Moved `json:"moves"`
}

// Moved is one publication.
type Moved struct {
	SuiteName
	Published time.Time   `json:"published"`
	From      *Generation `json:"from,omitempty"`
	To        Generation  `json:"to"`
	Snapshot  string      `json:"snapshot,omitempty"`
	By        string      `json:"by,omitempty"`
	Why       string      `json:"why,omitempty"`
}
