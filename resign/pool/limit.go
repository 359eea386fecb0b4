package pool

import (
	"fmt"

	"aptmirror/cache/catalog"
)

// maxStanzas is how many bytes the stanzas of a pool may have together: a build has those of one architecture in memory.
// That is enough for some 200,000 packages.
const maxStanzas = 256 << 20

// checkSizes refuses files that would be too much beside those that the pool has.
func (p *Pool) checkSizes(use catalog.PoolUse, t terms, fresh []offer) error {
	stanzas, size, own := use.Stanzas, use.Bytes, use.By[t.by]
	for _, o := range fresh {
		stanzas, size, own = stanzas+o.StanzaSize, size+o.size(), own+o.size()
		switch {
		case stanzas > p.maxStanzas:
			return refuse(Malformed, o.file.Name, "the control files of the pool's packages would have more than %d bytes together: remove some first", p.maxStanzas)
		case p.MaxSize > 0 && size > p.MaxSize:
			return refuse(Full, o.file.Name, "with it, pool %s would have %d bytes more than the %s that it may have (max_size). %s", p.Name, size-p.MaxSize, megabytes(p.MaxSize), moreRoom)
		case t.most > 0 && own > t.most:
			return refuse(Full, o.file.Name, "with it, %s would have %d bytes more in pool %s than the %s that each may have (max_size_each). %s", t.by, own-t.most, p.Name, megabytes(t.most), moreRoom)
		}
	}
	return nil
}

const moreRoom = "Have an administrator remove what is not needed any more (aptmirror package remove), or raise the limit"

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
