// Package intake is how packages come into the site's pools: as uploads of
// clients, from drop folders, and by commands.
//
// Files are read once, into a place where nothing can change them and of which
// nothing is left when the process ends, and are added to a pool by the rules that
// are in force when that is done. The set of an upload is complete when its
// .changes comes; in a drop folder, what has come to rest is taken. Room, turns
// and patience are bounded, and nobody has all of them.
//
// What packages have to be is the business of package pool, and who may upload
// that of package proxy.
package intake

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"aptmirror/cache"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/resign/pool"
)

// Config is what an Intake works with.
type Config struct {
	State string // the folder of the store; the spool is in it
	Cache *cache.Cache
	// InForce gives the pools as they are now.
	InForce func() *inforce.Parts
	// Changed is told the name of a pool of which the files have changed.
	Changed func(ctx context.Context, pool string)
	Life    context.Context // of what is looked up while nobody waits for it
	Log     *slog.Logger
	Now     func() time.Time
}

// Intake takes packages in. Its methods may be called from many goroutines.
type Intake struct {
	Config
	spool   *spool
	uploads *uploads
	// examining has examinedAtOnce slots, for who looks into packages, after what
	// they brought before.
	examining chan struct{}
	uploaders wait.Turns
	adding    sync.Mutex // see pool.Config.Adding
}

// New gives one that has made no pools yet.
func New(c Config) *Intake {
	return &Intake{Config: c, spool: newSpool(c.State, c.Cache), uploads: newUploads(c.Log, c.Now), examining: make(chan struct{}, examinedAtOnce)}
}

// Open makes the pools that are new, before what they are part of is in force.
func (i *Intake) Open(f *inforce.Parts) {
	for _, p := range f.Pools {
		if p.Pool == nil {
			p.Pool = pool.New(pool.Config{
				Name: p.Config.Name, Component: p.Config.Component, Uploaders: p.Uploaders, MaxSize: p.Config.MaxSize, MaxSizeEach: p.Config.MaxSizeEach, Guard: i.guard(p.Config.Name), Adding: &i.adding, Cache: i.Cache, Now: i.Now,
			})
		}
	}
}

// Watch gives up sets that are not completed in time, until ctx ends.
func (i *Intake) Watch(ctx context.Context) error { return i.uploads.watch(ctx) }

// GiveUpOthers gives up the sets for pools that f does not have.
func (i *Intake) GiveUpOthers(f *inforce.Parts) { i.uploads.giveUpOthers(f) }

// Close gives up everything that waits.
func (i *Intake) Close() { i.uploads.close() }
