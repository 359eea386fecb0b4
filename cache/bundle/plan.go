package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// plan is what goes into a bundle, in this order.
type plan struct {
	blobs  *blob.Store
	left   map[blob.Digest]bool // files of the base, and those that are in already
	files  []File
	suites []ListedSuite
	bytes  int64
	meta   int
}

// newPlan looks for the files of a snapshot.
func (x *Exporter) newPlan(ctx context.Context, s Snapshot) (*plan, error) {
	p := &plan{blobs: x.Blobs, left: map[blob.Digest]bool{}}
	if x.Since != nil {
		if err := x.leaveOut(ctx, p, *x.Since); err != nil {
			return nil, err
		}
	}
	tables := make([]*catalog.Table, len(s.Suites))
	for i, suite := range s.Suites {
		var err error
		if tables[i], err = x.Tables.Table(ctx, suite.Generation); err != nil {
			return nil, fmt.Errorf("suite %s of %s: %w", suite.Suite, suite.Source, err)
		}
		if err := p.addMetadata(suite, tables[i]); err != nil {
			return nil, fmt.Errorf("suite %s of %s: %w", suite.Suite, suite.Source, err)
		}
	}
	p.meta = len(p.files)
	for i, suite := range s.Suites {
		if err := p.addFiles(ctx, suite, tables[i]); err != nil {
			return nil, fmt.Errorf("suite %s of %s: %w", suite.Suite, suite.Source, err)
		}
	}
	return p, nil
}

// leaveOut notes what the other side has already. That may not be so of an index
// that clients can do without and that came into this store only after the base
// was exported; the other side then does without it, too.
func (x *Exporter) leaveOut(ctx context.Context, p *plan, base Snapshot) error {
	if !base.Complete && !x.Partial {
		return fmt.Errorf("snapshot %s was never complete, nor exported whole, so that nobody knows what the other side has of it: export without --since, or with --partial", base.Name)
	}
	for _, suite := range base.Suites {
		t, err := x.Tables.Table(ctx, suite.Generation)
		if err != nil {
			return fmt.Errorf("snapshot %s, suite %s of %s: %w", base.Name, suite.Suite, suite.Source, err)
		}
		for e := range t.All() {
			if e.Kind != catalog.KindRelease {
				p.left[e.Digest] = true
			}
		}
	}
	return nil
}

func (p *plan) add(f File) {
	if !p.left[f.Digest] {
		p.left[f.Digest] = true
		p.files = append(p.files, f)
		p.bytes += f.Size
	}
}

// addMetadata lists the Release files and those indexes that the store has.
// Release files go even where the base had them: they are what is judged first.
func (p *plan) addMetadata(s Suite, t *catalog.Table) error {
	for _, d := range s.signed() {
		if d == (blob.Digest{}) {
			continue
		}
		info, err := p.blobs.Stat(d)
		if err != nil {
			return fmt.Errorf("looking for its Release: %w", err)
		}
		p.add(File{d, info.Size})
	}
	for e := range t.All() {
		if e.Kind != catalog.KindIndex {
			continue
		}
		info, err := p.blobs.Stat(e.Digest)
		switch {
		case err == nil:
			p.add(File{e.Digest, info.Size})
		case !errors.Is(err, blob.ErrNotFound):
			return fmt.Errorf("looking for %s: %w", e.Path, err)
		case slices.Contains(s.Generation.Indexes, e.Path):
			return fmt.Errorf("%s is not in the store: run sync to have it mended", e.Path)
		}
	}
	return nil
}

// addFiles lists the packages and everything else that the store has.
func (p *plan) addFiles(ctx context.Context, s Suite, t *catalog.Table) error {
	var c Counted
	seen := make(map[blob.Digest]bool, t.Len())
	for e := range t.All() {
		if e.Kind == catalog.KindRelease || e.Kind == catalog.KindIndex || e.Kind == catalog.KindByHash || seen[e.Digest] {
			continue
		}
		seen[e.Digest] = true
		f, ok, err := c.add(p.blobs, e)
		if err != nil {
			return err
		}
		if ok {
			p.add(f)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	p.suites = append(p.suites, ListedSuite{
		Source: s.Source, Suite: s.Suite, Generation: s.Generation.Number, Date: s.Generation.Date.UTC(),
		InRelease: SHA256(s.InRelease), Release: SHA256(s.Release), ReleaseGPG: SHA256(s.ReleaseGPG),
		Wanted: c.Wanted, Present: c.Present,
	})
	return nil
}

// IncompleteError says that the store lacks files that a snapshot names.
type IncompleteError struct {
	Name  string
	Files int
	Bytes int64
	Where []string // suites
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("snapshot %s is not complete: %d of the files that it names, %d bytes, are not in the store (%s)",
		e.Name, e.Files, e.Bytes, strings.Join(e.Where, ", "))
}

// complete is an *IncompleteError where it is not.
func (p *plan) complete(name string) error {
	e := &IncompleteError{Name: name}
	for _, s := range p.suites {
		if n := s.Wanted.Files - s.Present.Files; n > 0 {
			e.Files += n
			e.Bytes += s.Wanted.Bytes - s.Present.Bytes
			e.Where = append(e.Where, fmt.Sprintf("%s %s: %d of %d", s.Source, s.Suite, n, s.Wanted.Files))
		}
	}
	if e.Files == 0 {
		return nil
	}
	return e
}

// split divides the files into parts of at most size bytes each, 0 for one
// part. fixed is what every part has besides, given the number of parts.
func (p *plan) split(size int64, fixed func(parts int) int64) ([]PartSize, error) {
	if size == 0 {
		return []PartSize{{len(p.files)}}, nil
	}
	for guess := 1; ; {
		parts, err := p.splitInto(size - fixed(guess))
		if err != nil || len(parts) <= guess {
			return parts, err
		}
		guess = len(parts)
	}
}

func (p *plan) splitInto(room int64) (parts []PartSize, err error) {
	largest := slices.MaxFunc(append(p.files, File{}), func(a, b File) int { return cmp.Compare(a.Size, b.Size) })
	if need := memberSize(largest.Size); need > room {
		return nil, fmt.Errorf("the parts are too small: one file has %d bytes, and files are not split; parts must have %d bytes more", largest.Size, need-room)
	}
	parts = []PartSize{{}}
	var used int64
	for _, f := range p.files {
		n := memberSize(f.Size)
		if used+n > room {
			parts, used = append(parts, PartSize{}), 0
		}
		parts[len(parts)-1].Files++
		used += n
	}
	if len(parts) > MaxParts {
		return nil, fmt.Errorf("%d parts are too many, at most there may be %d: make them larger", len(parts), MaxParts)
	}
	return parts, nil
}
