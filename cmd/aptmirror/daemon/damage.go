package daemon

import (
	"fmt"

	"aptmirror/proxy/admin"
)

// tellDamage logs what of the store could not be read when it was opened.
func (d *Daemon) tellDamage() {
	for _, x := range d.cache.Catalog.Damaged() {
		d.Log.Error("part of the store cannot be read", "repository", x.Repository, "suite", x.Suite,
			"generation", x.Generation.Number, "current", x.Current, "error", x.Err)
	}
}

// markDamaged says of a suite that what it should serve cannot be read. The
// refresh that mends it makes the generation anew.
func markDamaged(s *admin.SuiteStatus, err error) {
	s.Error, s.Reason = fmt.Sprintf("the store is damaged: %v", err), "damaged"
	s.Advice = fmt.Sprintf("aptmirror sync %s, then aptmirror verify", s.Archive)
}
