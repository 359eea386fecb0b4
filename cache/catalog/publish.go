package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Generations that clients may still be reading stay reachable by hash for as
// long as either bound asks: a client that was answered 304 can hold an
// InRelease for days (apt-protocol, by-hash retention).
const (
	retainFor   = 72 * time.Hour
	retainCount = 3
)

// ErrConflict says that the pointer moved since the caller looked.
var ErrConflict = errors.New("another publication came first")

// Ref names a generation.
type Ref struct {
	Archive string `json:"archive"`
	Suite   string `json:"suite"`
	Number  uint64 `json:"number"`
}

// Ref names the generation.
func (g Generation) Ref() Ref { return Ref{g.Archive, g.Suite, g.Number} }

// Publication is what one suite of a repository serves.
type Publication struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite"`
	Current    Ref    `json:"current"`
	// Published is the Last-Modified of everything that changes with a
	// publication: whole seconds, strictly increasing, since apt compares
	// dates of one second's resolution.
	Published time.Time  `json:"published"`
	Retained  []Retained `json:"retained,omitempty"` // newest first
}

// Retained is a generation that is no longer current but still reachable.
type Retained struct {
	Ref
	Until time.Time `json:"until"` // when it ceased to be current
}

// Publish makes next the current generation of a suite of a repository,
// provided that expect (zero: none yet) still is. It returns ErrConflict
// otherwise. This is the only function that changes what clients see.
func (c *Catalog) Publish(ctx context.Context, repository, suite string, expect, next Ref, now time.Time) (Publication, error) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	var p Publication
	err := c.db.Update(func(txn *badger.Txn) (err error) {
		p, err = move(txn, repository, suite, expect, next, now)
		return err
	})
	if errors.Is(err, badger.ErrConflict) {
		err = ErrConflict
	}
	if err == nil {
		err = c.show(ctx, p)
	}
	if err != nil {
		return p, fmt.Errorf("publishing generation %d of %s %s in %s: %w", next.Number, next.Archive, next.Suite, repository, err)
	}
	return p, nil
}

func move(txn *badger.Txn, repository, suite string, expect, next Ref, now time.Time) (Publication, error) {
	if err := get(txn, numbered(key('g', next.Archive, next.Suite, ""), next.Number), &Generation{}); err != nil {
		return Publication{}, err
	}
	var p Publication
	if err := get(txn, key('p', repository, suite), &p); err != nil && err != ErrNotFound {
		return p, err
	}
	if p.Current != expect {
		return p, ErrConflict
	}
	p.advance(next, now)
	p.Repository, p.Suite = repository, suite
	return p, set(txn, key('p', repository, suite), p)
}

func (p *Publication) advance(next Ref, now time.Time) {
	published := now.UTC().Truncate(time.Second)
	if !published.After(p.Published) {
		published = p.Published.Add(time.Second)
	}
	var kept []Retained
	if p.Current != (Ref{}) {
		kept = append(kept, Retained{p.Current, now.UTC()})
	}
	for i, r := range p.Retained {
		if i+1 < retainCount || now.Sub(r.Until) < retainFor {
			kept = append(kept, r)
		}
	}
	p.Current, p.Published, p.Retained = next, published, kept
}

// Publication gives what a suite of a repository serves, or ErrNotFound.
func (c *Catalog) Publication(repository, suite string) (p Publication, err error) {
	err = c.db.View(func(txn *badger.Txn) error { return get(txn, key('p', repository, suite), &p) })
	return p, err
}
