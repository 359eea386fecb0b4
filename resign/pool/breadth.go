package pool

import (
	"fmt"

	"aptmirror/cache/catalog"
)

// maxComponents and maxArchitectures are how many a pool may have. A suite that takes all that its sources have has an
// index for each pair of them, and apt reads no Release of more than 10 MB.
const maxComponents, maxArchitectures = 64, 32

// checkBreadth refuses a file that would bring one too many into the pool.
func checkBreadth(use catalog.PoolUse, f catalog.PoolFile) error {
	for _, of := range []struct {
		what, name string
		most       int
		known      map[string]int
	}{
		{"component", f.Component, maxComponents, use.Components},
		{"architecture", f.Architecture, maxArchitectures, use.Architectures},
	} {
		if of.known[of.name] == 0 && len(of.known) >= of.most {
			return fmt.Errorf("it would bring the %s %s into the pool, which has %d of them and may have no more", of.what, of.name, of.most)
		}
	}
	return nil
}
