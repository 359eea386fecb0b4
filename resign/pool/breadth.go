package pool

import (
	"fmt"

	"aptmirror/cache/catalog"
)

// maxComponents and maxArchitectures are how many a pool may have. A suite that takes all that its sources have has an
// index for each pair of them, and apt reads no Release of more than 10 MB.
const maxComponents, maxArchitectures = 64, 32

// checkBreadth refuses a file that would bring one too many into the pool.
func checkBreadth(have []catalog.PoolFile, f catalog.PoolFile) error {
	for _, of := range []struct {
		what string
		most int
		get  func(catalog.PoolFile) string
	}{
		{"component", maxComponents, func(f catalog.PoolFile) string { return f.Component }},
		{"architecture", maxArchitectures, func(f catalog.PoolFile) string { return f.Architecture }},
	} {
		known := map[string]bool{}
		for _, h := range have {
			known[of.get(h)] = true
		}
		if name := of.get(f); !known[name] && len(known) >= of.most {
			return fmt.Errorf("it would bring the %s %s into the pool, which has %d of them and may have no more", of.what, name, of.most)
		}
	}
	return nil
}
