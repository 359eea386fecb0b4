package doctor

import (
	"fmt"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

// pools looks how full they are, and whether who uploads could fill the store.
func (d *Doctor) pools(s *admin.Status) []Finding {
	f := &findings{check: "pools"}
	if s != nil {
		for _, p := range s.Pools {
			d.aboutPool(f, p)
		}
	}
	for _, p := range d.Config.Pools {
		if all := d.Config.Cache.MaxSize; all > 0 && p.MaxSize > all {
			f.warn(p.Name, fmt.Sprintf("max_size is %s, but the whole store may have only %s", admin.Size(p.MaxSize), admin.Size(all)), "lower max_size of the pool, or raise cache.max_size")
		}
		if p.MaxSize == 0 && d.takesUploads(p.Name) {
			f.note(p.Name, "has no max_size: clients that may upload can fill the store")
		}
	}
	return f.list
}

func (d *Doctor) aboutPool(f *findings, p admin.PoolUse) {
	if p.NearlyFull() {
		f.warn(p.Pool, fmt.Sprintf("has %s; what is more than that is refused", p),
			fmt.Sprintf("%s package list %s, then package remove what is not needed any more, or raise max_size", d.Program, p.Pool))
		return
	}
	f.ok(p.Pool, "has "+p.String())
}

func (d *Doctor) takesUploads(pool string) bool {
	return slices.ContainsFunc(d.Config.Grants, func(g config.Grant) bool {
		return slices.Contains(g.Upload, pool) || slices.Contains(g.Upload, "*")
	})
}
