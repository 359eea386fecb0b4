package bundle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Snapshot is what is written into a bundle or a tree.
type Snapshot struct {
	Name    string
	Series  string // of the schedule that made it; "" stands for Name
	Created time.Time
	// Complete says that the store had all that it names, or that it was exported
	// whole: another bundle may leave that out.
	Complete bool
	Suites   []Suite
}

// Suite is one suite of a snapshot: a generation and the signed files over it,
// which for a suite that the site built itself belong to no generation. Digests
// of files that it does not have are zeros.
type Suite struct {
	// Source is the name of the archive; of a suite that the site built, that of
	// the repository.
	Source     string
	Suite      string
	Generation catalog.Generation
	InRelease  blob.Digest
	Release    blob.Digest
	ReleaseGPG blob.Digest
}

func (s Suite) signed() []blob.Digest { return []blob.Digest{s.ReleaseGPG, s.Release, s.InRelease} }

// Tables loads manifests. catalog.Catalog does.
type Tables interface {
	Table(ctx context.Context, g catalog.Generation) (*catalog.Table, error)
}

// wanted says whether a bundle is incomplete without a file; clients can do
// without the others, or ask for another form of them.
func wanted(e catalog.Entry) bool {
	return e.Kind == catalog.KindPackage || e.Kind == catalog.KindImage
}

// Counted is how much of what a suite names the store has.
type Counted struct{ Wanted, Present Count }

// Missing is how many files the store lacks.
func (c Counted) Missing() int { return c.Wanted.Files - c.Present.Files }

// Tally counts the packages and installer images of a suite, each content once.
func Tally(ctx context.Context, blobs *blob.Store, t *catalog.Table) (c Counted, err error) {
	seen := make(map[blob.Digest]bool, t.Len())
	for e := range t.All() {
		if !wanted(e) || seen[e.Digest] {
			continue
		}
		seen[e.Digest] = true
		if _, _, err := c.add(blobs, e); err != nil {
			return c, err
		}
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
	}
	return c, nil
}

// add counts one file, and says which it is and whether it is there.
func (c *Counted) add(blobs *blob.Store, e catalog.Entry) (f File, ok bool, err error) {
	info, err := blobs.Stat(e.Digest)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return f, false, fmt.Errorf("looking for %s: %w", e.Path, err)
	}
	ok = err == nil
	if wanted(e) {
		c.Wanted.count(max(e.Size, info.Size))
		if ok {
			c.Present.count(info.Size)
		}
	}
	return File{e.Digest, info.Size}, ok, nil
}

func (c *Count) count(size int64) {
	c.Files++
	c.Bytes += max(size, 0)
}
