package bundle

import (
	"context"
	"fmt"
	"path"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// TreePlanner decides what is in a tree.
type TreePlanner struct {
	Blobs  *blob.Store
	Tables Tables
	// Partial takes what is there of a snapshot that is not complete.
	Partial bool
}

// PlanTree lists the files of a snapshot, in the order in which they are written.
func (x *TreePlanner) PlanTree(ctx context.Context, s Snapshot) (*Tree, error) {
	t, p := &Tree{Name: s.Name}, &plan{blobs: x.Blobs}
	for _, suite := range s.Suites {
		if !sourceForm.MatchString(suite.Source) {
			return nil, fmt.Errorf("%q is no name for a folder", suite.Source)
		}
		if err := x.add(ctx, t, p, suite); err != nil {
			return nil, fmt.Errorf("suite %s of %s: %w", suite.Suite, suite.Source, err)
		}
	}
	if err := p.complete(s.Name); err != nil && !x.Partial {
		return nil, err
	}
	for _, s := range p.suites {
		t.Counts = append(t.Counts, TreeCount{s.Source, s.Suite, s.Wanted, s.Present})
	}
	slices.SortStableFunc(t.Files, func(a, b TreeFile) int { return int(a.Phase) - int(b.Phase) })
	return t, nil
}

// add lists what the store has of one suite, and counts the rest.
func (x *TreePlanner) add(ctx context.Context, t *Tree, p *plan, s Suite) error {
	table, err := x.Tables.Table(ctx, s.Generation)
	if err != nil {
		return err
	}
	var c Counted
	for e := range table.All() {
		if e.Kind == catalog.KindRelease {
			continue
		}
		f, ok, err := c.add(x.Blobs, e)
		if err != nil {
			return err
		}
		if ok {
			t.Files = append(t.Files, TreeFile{path.Join(s.Source, e.Path), SHA256(f.Digest), f.Size, phaseOf(e.Kind)})
		} else if slices.Contains(s.Generation.Indexes, e.Path) {
			return fmt.Errorf("%s is not in the store: run sync to have it mended", e.Path)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	p.suites = append(p.suites, ListedSuite{Source: s.Source, Suite: s.Suite, Wanted: c.Wanted, Present: c.Present})
	return x.addRelease(t, s)
}

func phaseOf(k catalog.Kind) Phase {
	switch k {
	case catalog.KindByHash:
		return HashPhase
	case catalog.KindIndex:
		return PlainPhase
	}
	return PackagePhase
}

func (x *TreePlanner) addRelease(t *Tree, s Suite) error {
	folder := path.Join(s.Source, catalog.SuiteDir(s.Suite))
	t.Suites = append(t.Suites, folder)
	for i, d := range s.signed() {
		if d == (blob.Digest{}) {
			continue
		}
		info, err := x.Blobs.Stat(d)
		if err != nil {
			return fmt.Errorf("looking for its %s: %w", releaseNames[i], err)
		}
		t.Files = append(t.Files, TreeFile{path.Join(folder, releaseNames[i]), SHA256(d), info.Size, ReleasePhase})
	}
	return nil
}
