package intake

import (
	"context"
	"errors"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/resign/pool"
)

// examinedAtOnce is how many sets are unpacked at a time: each may take the
// dictionaries of its compressors, 128 MB, and a processor for as long as package
// pool has it. Of one uploader it is one, so that nobody keeps the others out.
const examinedAtOnce = 2

// adding is how files are added to a pool: as one of its methods does it.
type adding func(p *pool.Pool, ctx context.Context, by string, files ...pool.File) (pool.Added, error)

// addSpooled adds files to a pool, all or none, and has built what is made from it.
func (i *Intake) addSpooled(ctx context.Context, p *inforce.Pool, by string, add adding, files []*spooled) (pool.Added, error) {
	var offered []pool.File
	for _, f := range files {
		offered = append(offered, pool.File{Name: f.name, Size: f.size, Body: f})
	}
	added, err := i.addInForce(ctx, p.Name, by, add, offered)
	if err != nil {
		i.Log.Warn("files for a pool were refused", "pool", p.Name, "by", by, "files", namesOf(files), "error", err)
		return added, err
	}
	i.Log.Info("files were added to a pool", "pool", p.Name, "by", by, "added", pathsOf(added.New), "known", len(added.Known))
	if len(added.New) > 0 {
		i.Changed(ctx, p.Name)
	}
	return added, nil
}

// addInForce adds to a pool by the rules that are in force when it is done.
func (i *Intake) addInForce(ctx context.Context, name, by string, add adding, files []pool.File) (pool.Added, error) {
	for {
		p, err := i.pool(name)
		if err != nil {
			return pool.Added{}, err
		}
		added, err := i.addInTurn(ctx, p, by, add, files)
		if !errors.Is(err, inforce.ErrReplaced) {
			return added, err
		}
	}
}

// addInTurn adds to a pool as long as it is as it is.
func (i *Intake) addInTurn(ctx context.Context, p *inforce.Pool, by string, add adding, files []pool.File) (pool.Added, error) {
	ctx, leave, err := p.Enter(ctx)
	if err != nil {
		return pool.Added{}, err
	}
	defer leave()
	own, err := i.uploaders.Take(ctx, by)
	if err != nil {
		return pool.Added{}, err
	}
	defer own()
	free, err := wait.Slot(ctx, i.examining)
	if err != nil {
		return pool.Added{}, err
	}
	defer free()
	return add(p.Pool, ctx, by, files...)
}

func namesOf(files []*spooled) (names []string) {
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

func pathsOf(files []catalog.PoolFile) (paths []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}
