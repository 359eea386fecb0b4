package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Snapshot is a name for one moment of one or several repositories. What it
// pins is never removed.
type Snapshot struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	By       string    `json:"by"`                 // "uid 0", "schedule"
	Schedule string    `json:"schedule,omitempty"` // the one that made it, if any did
	Comment  string    `json:"comment,omitempty"`
	Pins     []Pin     `json:"pins"`
	// Complete asks for every file that the pinned generations name, and keeps
	// those that are there from being evicted.
	Complete bool `json:"complete,omitempty"`
	// Completed is when all of them were there; zero: not yet.
	Completed time.Time `json:"completed,omitzero"`
}

// Pin is what one suite of a repository served at the moment of a snapshot.
type Pin struct {
	Repository string    `json:"repository"`
	Suite      string    `json:"suite"`
	Ref        Ref       `json:"generation"`
	Published  time.Time `json:"published"`
}

// ErrExists says that a name is taken.
var ErrExists = errors.New("there is one of that name already")

// SnapshotInUseError says that a suite serves what came from a snapshot.
type SnapshotInUseError struct {
	Name, Repository, Suite string
}

func (e *SnapshotInUseError) Error() string {
	return fmt.Sprintf("snapshot %s is what repository %s, suite %s, serves", e.Name, e.Repository, e.Suite)
}

// maxPins bounds the suites of one snapshot, and with that its row.
const maxPins = 1000

// Names of snapshots are part of addresses and of commands.
var (
	snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,99}$`)
	// Parts of a second are read too where moments are.
	timestamp = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}([.,][0-9]*)?Z?$`)
)

// CheckSnapshotName refuses what is no name for a snapshot: also that of a
// moment, which addresses name in the same place, and "now".
func CheckSnapshotName(name string) error {
	switch {
	case timestamp.MatchString(name):
		return fmt.Errorf("%q stands for a moment, a snapshot needs another name", name)
	case strings.EqualFold(name, "now"):
		return fmt.Errorf("%q stands for what is served now, a snapshot needs another name", name)
	case !snapshotName.MatchString(name):
		return fmt.Errorf("%q is no name for a snapshot: at most 100 letters, digits and . _ + ~ -, with a letter or digit first", name)
	}
	return nil
}

// SnapshotRepository is the name under which a snapshot of a repository is
// served; id is the snapshot's name or a moment. No configured repository has a
// slash in its name.
func SnapshotRepository(repository, id string) string { return repository + "/snapshot/" + id }

// CutSnapshotRepository takes a SnapshotRepository apart.
func CutSnapshotRepository(name string) (repository, id string, ok bool) {
	return strings.Cut(name, "/snapshot/")
}

// AddSnapshot records a snapshot. The error is ErrExists where the name is
// taken, ErrNotFound where a pinned generation is gone.
func (c *Catalog) AddSnapshot(ctx context.Context, s Snapshot) error {
	if err := c.addSnapshot(ctx, s); err != nil {
		return fmt.Errorf("recording snapshot %s: %w", s.Name, err)
	}
	return nil
}

func (c *Catalog) addSnapshot(ctx context.Context, s Snapshot) error {
	if err := CheckSnapshotName(s.Name); err != nil {
		return err
	}
	if len(s.Pins) == 0 || len(s.Pins) > maxPins {
		return fmt.Errorf("it has %d suites: at least 1 and at most %d make a snapshot", len(s.Pins), maxPins)
	}
	c.numbering.Lock()
	defer c.numbering.Unlock()
	reached("snapshot to be added")
	err := c.update(func(txn *badger.Txn) error {
		k := key('t', s.Name)
		if err := get(txn, k, &Snapshot{}); !errors.Is(err, ErrNotFound) {
			return errorOr(err, ErrExists)
		}
		for _, p := range s.Pins {
			if err := get(txn, numbered(generationPrefix(p.Ref.Archive, p.Ref.Suite), p.Ref.Number), &Generation{}); err != nil {
				return fmt.Errorf("%s: %w", p.Ref, err)
			}
		}
		return errorOr(context.Cause(ctx), set(txn, k, s))
	})
	if err == nil {
		reached("snapshot added")
	}
	return err
}

// errorOr is err, or what follows from there being none.
func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// SaveSnapshot replaces a snapshot but for its pins, or returns ErrNotFound.
func (c *Catalog) SaveSnapshot(s Snapshot) error {
	c.numbering.Lock()
	defer c.numbering.Unlock()
	err := c.update(func(txn *badger.Txn) error {
		var before Snapshot
		if err := get(txn, key('t', s.Name), &before); err != nil {
			return err
		}
		s.Pins = before.Pins
		return set(txn, key('t', s.Name), s)
	})
	if err != nil {
		return fmt.Errorf("recording snapshot %s: %w", s.Name, err)
	}
	return nil
}

// Snapshot gives one snapshot, or ErrNotFound.
func (c *Catalog) Snapshot(name string) (s Snapshot, err error) {
	err = c.db.View(func(txn *badger.Txn) error { return get(txn, key('t', name), &s) })
	return s, err
}

// Snapshots gives all snapshots in the order of their names. With a *RowError
// come all those whose rows can be read.
func (c *Catalog) Snapshots(ctx context.Context) ([]Snapshot, error) {
	return collect[Snapshot](ctx, c, []byte{'t'}, false, math.MaxInt)
}

// RemoveSnapshot removes a snapshot and what was published of it under
// SnapshotRepository. The error is ErrNotFound where there is none, a
// *SnapshotInUseError where a suite serves what came from it. Its files go with
// the next collection.
func (c *Catalog) RemoveSnapshot(ctx context.Context, name string) error {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if err := c.removeSnapshot(ctx, name); err != nil {
		return fmt.Errorf("removing snapshot %s: %w", name, err)
	}
	return nil
}

func (c *Catalog) removeSnapshot(ctx context.Context, name string) error {
	s, err := c.Snapshot(name)
	if err != nil {
		return err
	}
	publications, err := c.Publications(ctx)
	if err != nil {
		return err
	}
	for _, p := range publications {
		if p.Snapshot == name {
			return &SnapshotInUseError{name, p.Repository, p.Suite}
		}
	}
	repositories := map[string]bool{}
	for _, p := range s.Pins {
		repositories[SnapshotRepository(p.Repository, name)] = true
	}
	c.numbering.Lock()
	defer c.numbering.Unlock()
	reached("snapshot to be removed")
	err = c.update(func(txn *badger.Txn) error {
		if err := txn.Delete(key('t', name)); err != nil {
			return err
		}
		for _, p := range s.Pins {
			if err := withdraw(txn, SnapshotRepository(p.Repository, name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	reached("snapshot removed")
	for r := range repositories {
		c.Unserve(r)
	}
	return nil
}
