package intake

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"aptmirror/proxy/admin"
)

// maxBrought is how many of those who brought packages into a pool are told of.
const maxBrought = 100

// Uses tells what the configured pools take up, or with a name what that one does.
func (i *Intake) Uses(ctx context.Context, name string) (uses []admin.PoolUse, err error) {
	for _, p := range i.InForce().Pools {
		if name != "" && p.Config.Name != name {
			continue
		}
		use, err := i.Cache.Catalog.PoolUse(ctx, p.Config.Name)
		if err != nil {
			return nil, err
		}
		uses = append(uses, admin.PoolUse{
			Pool: p.Config.Name, Packages: use.Packages, Files: use.Files, Bytes: use.Bytes,
			Max: p.Config.MaxSize, MaxEach: p.Config.MaxSizeEach, By: brought(use.By),
		})
	}
	return uses, nil
}

func brought(by map[string]int64) (most []admin.Brought) {
	names := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	for _, name := range names[:min(len(names), maxBrought)] {
		most = append(most, admin.Brought{By: name, Bytes: by[name]})
	}
	return most
}
