// Package snapshots keeps points in time: it makes snapshots, also by schedules,
// completes, compares and deletes them, serves them and any moment under addresses
// of their own, and publishes them to rings.
//
// It pins and publishes generations that are there, and makes none. What is signed
// by the site is signed by whoever moves the pointer (Config.Move).
package snapshots

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/upstream"
)

// Config is what a Keeper works with.
type Config struct {
	Catalog  *catalog.Catalog
	Blobs    *blob.Store
	Upstream *upstream.Upstream
	Jobs     *jobs.Jobs
	InForce  func() *inforce.Parts
	// Move publishes, and signs what the site signs.
	Move func(context.Context, catalog.Move) (catalog.Publication, error)
	// Rebuild is told that there is something to build, and why.
	Rebuild func(why string)
	Life    context.Context // of what clients only begin
	Log     *slog.Logger
	Now     func() time.Time
}

// Keeper keeps the snapshots of a store. Its methods may be called from many
// goroutines.
type Keeper struct {
	Config

	mu   sync.Mutex           // guards used
	used map[string]time.Time // when a moment was last asked for, by the repository that serves it
	slot chan struct{}        // taken while a moment is made ready
}

// New gives a Keeper that serves nothing before Resume.
func New(c Config) *Keeper {
	return &Keeper{Config: c, used: map[string]time.Time{}, slot: make(chan struct{}, 1)}
}
