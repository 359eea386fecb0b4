package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Generations that clients may still be reading stay reachable by hash for as
// long as either bound asks: a client that was answered 304 can hold an
// InRelease for days (apt-protocol, by-hash retention).
const (
	retainFor   = 72 * time.Hour
	retainCount = 3
	// retainMost bounds the row of a publication and the search for a path that
	// nothing has. A suite that changes every five minutes reaches it after 72 hours.
	retainMost = 864
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
	Published time.Time `json:"published"`
	// Retained are the newest first, without Current and without repetition.
	Retained []Retained `json:"retained,omitempty"`

	// Signed is nil where the generation is mirrored.
	Signed *Signed `json:"signed,omitempty"`
	// Previous is the generation that was current before Current, and is kept
	// for going back to; zero where there was none, and where it is mirrored.
	Previous Ref `json:"previous,omitzero"`
	// Snapshot is the one from which Current came, if any did: see Move.
	Snapshot string `json:"snapshot,omitempty"`
}

// Retained is a generation that is no longer current but still reachable.
type Retained struct {
	Ref
	Until time.Time `json:"until"` // when it ceased to be current
}

// Move asks for a publication.
type Move struct {
	Repository string
	Suite      string
	// Expect is what the asker saw as current; zero: nothing yet.
	Expect Ref
	// Next may be Expect, in order to sign it again.
	Next Ref
	// Signed goes with built generations and with no others. Its files are
	// held (cache.Hold) until Publish returns.
	Signed *Signed
	// Snapshot names the snapshot that a ring is set to, which cannot be
	// removed then. It is taken over while Next is Expect.
	Snapshot string
	By       string // who asked: "schedule", "uid 0"
	Why      string // for people: "snapshot nightly", "Valid-Until comes near"
}

// Publish makes Next the current generation of a suite of a repository,
// provided that Expect still is. It returns ErrConflict otherwise, ErrNotFound
// where there is no such generation. This is the only function that changes what
// clients see.
//
// Everything is read and checked before the pointer moves; on an error, clients
// see what they saw before. Only where the error is that of the write itself
// may the pointer have moved, and then they see that.
func (c *Catalog) Publish(ctx context.Context, m Move, now time.Time) (Publication, error) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	p, err := c.publish(ctx, m, now)
	if err != nil {
		return Publication{}, fmt.Errorf("publishing %s in repository %s: %w", m.Next, m.Repository, err)
	}
	return p, nil
}

// publish needs publishing, which makes reading the pointer and moving it one step.
func (c *Catalog) publish(ctx context.Context, m Move, now time.Time) (Publication, error) {
	if err := checkNames(m.Repository, m.Suite); err != nil {
		return Publication{}, err
	}
	p, err := c.Publication(m.Repository, m.Suite)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Publication{}, err
	}
	if p.Current != m.Expect {
		return Publication{}, ErrConflict
	}
	if err := m.checkSigned(p.Signed); err != nil {
		return Publication{}, err
	}
	p.Repository, p.Suite = m.Repository, m.Suite
	p.advance(m, now)
	v, err := c.viewAfter(ctx, p)
	if err != nil {
		return Publication{}, err
	}
	err = c.movePointer(p, m.moved(p))
	if err == nil || c.isPublished(p) {
		c.view.Store(v)
		c.lazy.moved(p.Repository, p.Suite)
	}
	return p, err
}

// isPublished is asked after a write failed: whoever looks at the row, which is
// the pointer, must not take for published what clients are not given.
func (c *Catalog) isPublished(p Publication) bool {
	now, err := c.Publication(p.Repository, p.Suite)
	return err == nil && now.Current == p.Current && now.Published.Equal(p.Published)
}

// movePointer makes what was signed durable first. Files are removed only
// while numbering is held, so that none goes that this row is about to name.
func (c *Catalog) movePointer(p Publication, m Moved) error {
	if p.Signed != nil {
		if err := c.blobs.Sync(); err != nil {
			return err
		}
	}
	c.numbering.Lock()
	defer c.numbering.Unlock()
	reached("pointer to be moved")
	err := c.update(func(txn *badger.Txn) error {
		return errors.Join(set(txn, key('p', p.Repository, p.Suite), p), setMoved(txn, m))
	})
	if err == nil {
		reached("pointer moved")
	}
	return err
}

// advance makes the move.
func (p *Publication) advance(m Move, now time.Time) {
	published := now.UTC().Truncate(time.Second)
	if !published.After(p.Published) {
		published = p.Published.Add(time.Second)
	}
	before := p.Retained
	if p.Current != (Ref{}) {
		before = append([]Retained{{p.Current, now.UTC()}}, before...)
	}
	if p.Current != m.Next {
		p.Snapshot, p.Previous = "", Ref{}
		if _, built := m.Next.Builder(); built {
			p.Previous = p.Current
		}
	}
	p.Snapshot = cmp.Or(m.Snapshot, p.Snapshot)
	p.Current, p.Published, p.Retained, p.Signed = m.Next, published, retainedAt(before, m.Next, now), m.Signed
}

// retainedAt leaves of a list, newest first, what is to be retained beside
// current. It is cut off at the first generation that is beyond both bounds, so
// that an older one never outlives a newer one, whatever the clock did: layers
// rely on that.
func retainedAt(list []Retained, current Ref, now time.Time) (kept []Retained) {
	for _, r := range list {
		if r.Ref == current {
			continue
		}
		if len(kept) == retainMost || len(kept) >= retainCount && now.Sub(r.Until) >= retainFor {
			break
		}
		kept = append(kept, r)
	}
	return kept
}

// Publication gives what a suite of a repository serves, or ErrNotFound.
func (c *Catalog) Publication(repository, suite string) (p Publication, err error) {
	err = c.db.View(func(txn *badger.Txn) error { return get(txn, key('p', repository, suite), &p) })
	return p, err
}

// PublicationOrNone is Publication, but empty where nothing is published yet.
func (c *Catalog) PublicationOrNone(repository, suite string) (Publication, error) {
	p, err := c.Publication(repository, suite)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return p, err
}

// Publications gives every publication, also of repositories that are not
// served. With a *RowError come all those whose rows can be read.
func (c *Catalog) Publications(ctx context.Context) ([]Publication, error) {
	return collect[Publication](ctx, c, []byte{'p'}, false, math.MaxInt)
}
