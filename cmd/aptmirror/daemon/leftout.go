package daemon

import (
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
)

// firstLeftOut is how many files that are left out are named; why tells of the others.
const firstLeftOut = 5

// leftOutOf is nil where nothing is left out.
func leftOutOf(all []catalog.LeftOut) *admin.LeftOut {
	if len(all) == 0 {
		return nil
	}
	out := &admin.LeftOut{Files: len(all)}
	for _, l := range all[:min(len(all), firstLeftOut)] {
		out.First = append(out.First, admin.LeftOutFile{Path: l.Path, Reason: string(l.Why), Why: l.Why.String()})
	}
	return out
}

// leftOutOfInputs tells what the archives leave out that a suite was built from.
// Generations that have been removed since count no longer.
func (d *Daemon) leftOutOfInputs(g catalog.Generation) *admin.LeftOut {
	var all []catalog.LeftOut
	for _, ref := range g.Inputs {
		if _, built := ref.Builder(); built {
			continue
		}
		in, err := d.cache.Catalog.Generation(ref.Archive, ref.Suite, ref.Number)
		if err != nil {
			continue
		}
		for _, l := range in.LeftOut {
			all = append(all, catalog.LeftOut{Path: catalog.OriginPath(ref.Archive, l.Path), Why: l.Why})
		}
	}
	return leftOutOf(all)
}
