// Package bundles is how snapshots get where no network goes: what a bundle or a tree
// of files consists of is decided and signed, and what a bundle brings is judged
// exactly as if a mirror had sent it, and published as a whole.
//
// The format is that of package bundle (cache/bundle).
package bundles

import (
	"context"
	"log/slog"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/builds"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/cmd/aptmirror/daemon/recipes"
	"aptmirror/cmd/aptmirror/daemon/snapshots"
	"aptmirror/upstream"
)

// Config is what a Carrier works with.
type Config struct {
	Cache     *cache.Cache
	Upstream  *upstream.Upstream // which judges
	Jobs      *jobs.Jobs
	Snapshots *snapshots.Keeper
	Builds    *builds.Workshop
	Recipes   *recipes.Book
	InForce   func() *inforce.Parts
	// TakeSuite waits until nothing else works on a suite.
	TakeSuite func(context.Context, inforce.SuiteKey) (free func(), err error)
	// Publish makes a generation current wherever its archive is served.
	Publish func(context.Context, catalog.Generation) error
	Log     *slog.Logger
	Now     func() time.Time
}

// Carrier exports and imports. Its methods may be called from many goroutines.
type Carrier struct {
	Config
	importing chan struct{} // has one slot, for who takes in a bundle, or notes that one was made
}

// New gives a Carrier.
func New(c Config) *Carrier { return &Carrier{Config: c, importing: make(chan struct{}, 1)} }
