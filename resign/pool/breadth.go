package pool

import (
	"errors"
	"fmt"

	"aptmirror/cache/blob"
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

// maxStanzas is how many bytes the stanzas of a pool may have together: a build has those of one architecture in memory.
// That is enough for some 200,000 packages.
const maxStanzas = 256 << 20

// checkStanzas refuses files whose stanzas would be too much beside those that the pool has.
func (p *Pool) checkStanzas(have []catalog.PoolFile, fresh []offer) error {
	if len(fresh) == 0 {
		return nil
	}
	size := int64(0)
	for _, h := range have {
		if h.Kind == catalog.PoolSourceFile {
			continue
		}
		info, err := p.Cache.Blobs.Stat(h.Stanza)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		size += info.Size
	}
	for _, o := range fresh {
		if size += int64(len(o.stanza)); size > p.maxStanzas {
			return refuse(Malformed, o.file.Name, "the control files of the pool's packages would have more than %d bytes together: remove some first", p.maxStanzas)
		}
	}
	return nil
}
