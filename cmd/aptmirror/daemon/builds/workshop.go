// Package builds makes built suites: it builds what has changed or is due, one
// after the other, publishes what clients would see a difference of, and signs
// whatever the site signs of repositories, again before it ends. Nobody else moves
// the pointer to what is signed here, and it does so one after the other: each Date
// is later than the one before.
package builds

import (
	"context"
	"log/slog"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/resign"
	"aptmirror/upstream"
)

// Config is what a Workshop works with.
type Config struct {
	Catalog  *catalog.Catalog
	Blobs    *blob.Store
	Upstream *upstream.Upstream
	Builder  *resign.Builder
	Recipes  *recipes.Book
	Jobs     *jobs.Jobs
	InForce  func() *inforce.Parts
	Life     context.Context // of what is looked up while nobody waits for it
	Log      *slog.Logger
	Now      func() time.Time
}

// Workshop builds and signs. Its methods may be called from many goroutines.
type Workshop struct {
	Config
	building chan struct{} // has one slot
	moving   chan struct{} // has one slot, for who signs
	changes  chan string   // why a build is asked for
	rests    rests         // of suites between two builds
}

// New gives one that does nothing by itself before Forever.
func New(c Config) *Workshop {
	return &Workshop{Config: c, building: make(chan struct{}, 1), moving: make(chan struct{}, 1), changes: make(chan string, 1)}
}

// EndRests has no suite rest any more.
func (w *Workshop) EndRests() { w.rests.end() }
