package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
)

const (
	// keptGone is for how long what was taken out of the configuration is kept in
	// the store, for when it comes back: a week, since a mistake of a Friday is
	// seen on a Monday.
	keptGone = 7 * 24 * time.Hour
	// goneNote is the name of the list of goneSuites in the catalog.
	goneNote = "gone"
)

// goneSuite is one of which there is something in the store, and nothing in the
// configuration.
type goneSuite struct {
	Repository string    `json:"repository,omitempty"` // one of which something was published
	Made       string    `json:"made,omitempty"`       // or an archive, or what catalog.BuiltBy gives
	Suite      string    `json:"suite"`
	Since      time.Time `json:"since"` // when that was first seen
}

// noteGone looks what there is in the store of which the configuration has
// nothing, and keeps since when.
func (d *Daemon) noteGone(ctx context.Context) ([]goneSuite, error) {
	s, err := d.cache.Catalog.State(ctx)
	if err != nil {
		return nil, err
	}
	before, err := d.lastGone()
	if err != nil {
		return nil, err
	}
	now := goneOf(d.inForce.Load(), s)
	for i := range now {
		now[i].Since = d.Now().UTC()
		if was := slices.IndexFunc(before, now[i].is); was >= 0 && before[was].Since.Before(now[i].Since) {
			now[i].Since = before[was].Since
		}
	}
	if slices.Equal(before, now) {
		return now, nil
	}
	return now, d.cache.Catalog.SaveNote(goneNote, now)
}

// seeGone is noteGone for who can do without.
func (d *Daemon) seeGone() {
	if _, err := d.noteGone(d.life); err != nil && d.life.Err() == nil {
		d.Log.Warn("noting what is no longer configured failed, it is tried again with the next collection", "error", err)
	}
}

// lastGone is what was seen last.
func (d *Daemon) lastGone() (gone []goneSuite, err error) {
	if err = d.cache.Catalog.Note(goneNote, &gone); errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return gone, err
}

func (g goneSuite) is(other goneSuite) bool {
	return g.Repository == other.Repository && g.Made == other.Made && g.Suite == other.Suite
}

// goneOf gives, sorted, what of a state f does not have. Snapshots keep theirs.
func goneOf(f *inforce.Parts, s catalog.State) (gone []goneSuite) {
	for _, p := range s.Publications {
		if _, _, ok := catalog.CutSnapshotRepository(p.Repository); !ok && !f.Has(p.Repository, p.Suite) {
			gone = append(gone, goneSuite{Repository: p.Repository, Suite: p.Suite})
		}
	}
	for _, g := range s.Generations {
		x := goneSuite{Made: g.Archive, Suite: g.Suite}
		if !makes(f, g) && !slices.ContainsFunc(gone, x.is) {
			gone = append(gone, x)
		}
	}
	slices.SortFunc(gone, func(a, b goneSuite) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Made, b.Made), cmp.Compare(a.Suite, b.Suite))
	})
	return gone
}

// makes says whether there may be more of what a generation is of.
func makes(f *inforce.Parts, g catalog.Generation) bool {
	if repository, built := g.Builder(); built {
		return f.Has(repository, g.Suite)
	}
	_, err := f.ArchiveOf(inforce.SuiteKey{Archive: g.Archive, Suite: g.Suite})
	return err == nil
}

// goneFor gives what has been gone for that long.
func (d *Daemon) goneFor(ctx context.Context, least time.Duration) (catalog.Gone, error) {
	all, err := d.noteGone(ctx)
	out := catalog.Gone{Published: map[catalog.SuiteName]bool{}, Made: map[catalog.SuiteName]bool{}}
	for _, g := range all {
		switch {
		case d.Now().Sub(g.Since) < least:
		case g.Repository != "":
			out.Published[catalog.SuiteName{Of: g.Repository, Suite: g.Suite}] = true
		default:
			out.Made[catalog.SuiteName{Of: g.Made, Suite: g.Suite}] = true
		}
	}
	return out, err
}

// kept tells people what is still there.
func (d *Daemon) kept() []admin.Kept {
	gone, err := d.lastGone()
	if err != nil {
		d.Log.Warn("reading what is kept of an earlier configuration failed", "error", err)
	}
	var all []admin.Kept
	for _, g := range gone {
		k := admin.Kept{Repository: g.Repository, Suite: g.Suite, Until: g.Since.Add(keptGone)}
		if _, built := (catalog.Ref{Archive: g.Made}).Builder(); !built {
			k.Archive = g.Made
		} else if g.Repository == "" {
			continue // its repository is told
		}
		all = append(all, k)
	}
	return all
}
