package daemon

import (
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

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
	return outcome.LeftOut(all)
}
