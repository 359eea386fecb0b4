package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// poolIndexes are what is known of pools without reading their rows again. One
// is made when it is first asked for, which takes some ten microseconds a file, and
// follows what is added and removed; it takes some 150 bytes a file.
type poolIndexes struct {
	// mu guards of and all that is in it. Who changes rows of pools holds it until
	// they are committed; taken before numbering, so that nothing that is published
	// waits while an index is made.
	mu sync.Mutex
	of map[string]*poolIndex
}

// poolIndex is one pool.
type poolIndex struct {
	versions map[poolName][]PoolVersion
	use      PoolUse
}

// poolName is what has versions.
type poolName struct {
	kind              PoolKind
	pkg, architecture string
}

func (f PoolFile) name() poolName { return poolName{f.Kind, f.Package, f.Architecture} }

// PoolVersion is a version that a pool has of something.
type PoolVersion struct {
	Version, Path string

	stanza, paths int32 // bytes
}

// PoolUse is what a pool takes up in the store, and of what kinds it has how many.
type PoolUse struct {
	Files    int
	Packages int // binary and source
	// Bytes are those of the files, and of what is kept of their contents: control
	// stanzas and paths. Another pool that has the same counts them too.
	Bytes   int64
	Stanzas int64            // bytes of those alone
	By      map[string]int64 // Bytes by who added them

	Components, Architectures map[string]int // files
}

// PoolVersions gives the versions that a pool has of a binary or source package,
// in no order.
func (c *Catalog) PoolVersions(ctx context.Context, pool string, kind PoolKind, pkg, architecture string) (versions []PoolVersion, err error) {
	err = c.withPoolIndex(ctx, pool, func(p *poolIndex) { versions = slices.Clone(p.versions[poolName{kind, pkg, architecture}]) })
	return versions, err
}

// PoolUse tells what a pool takes up; of a pool that nobody has added to, nothing.
func (c *Catalog) PoolUse(ctx context.Context, pool string) (use PoolUse, err error) {
	err = c.withPoolIndex(ctx, pool, func(p *poolIndex) { use = p.use.clone() })
	return use, err
}

func (u PoolUse) clone() PoolUse {
	u.By, u.Components, u.Architectures = maps.Clone(u.By), maps.Clone(u.Components), maps.Clone(u.Architectures)
	return u
}

// PoolFile gives the file that lies at a path in a pool, or ErrNotFound.
func (c *Catalog) PoolFile(pool, path string) (f PoolFile, err error) {
	err = c.db.View(func(txn *badger.Txn) error { return get(txn, key('o', pool, path), &f) })
	if err != nil {
		return f, fmt.Errorf("looking for %s in pool %s: %w", path, pool, err)
	}
	return f, nil
}

func (c *Catalog) withPoolIndex(ctx context.Context, pool string, look func(*poolIndex)) error {
	c.pools.mu.Lock()
	defer c.pools.mu.Unlock()
	p, err := c.poolIndex(ctx, pool)
	if err == nil {
		look(p)
	}
	return err
}

// poolIndex needs pools.mu.
func (c *Catalog) poolIndex(ctx context.Context, pool string) (*poolIndex, error) {
	if p := c.pools.of[pool]; p != nil {
		return p, nil
	}
	// Made to its end: who has little time would begin it again and again.
	files, err := collect[PoolFile](context.WithoutCancel(ctx), c, key('o', pool, ""), false, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("listing the files of pool %s: %w", pool, err)
	}
	p := &poolIndex{versions: map[poolName][]PoolVersion{}, use: PoolUse{By: map[string]int64{}, Components: map[string]int{}, Architectures: map[string]int{}}}
	for _, f := range files {
		if err := p.add(f, c.blobs); err != nil {
			return nil, err
		}
	}
	if c.pools.of == nil {
		c.pools.of = map[string]*poolIndex{}
	}
	c.pools.of[pool] = p
	return p, nil
}

func (p *poolIndex) add(f PoolFile, blobs *blob.Store) (err error) {
	v := PoolVersion{Version: f.Version, Path: f.Path}
	if v.stanza, err = kept(blobs, f.Stanza, f.StanzaSize); err == nil {
		v.paths, err = kept(blobs, f.Paths, f.PathsSize)
	}
	if err != nil {
		return fmt.Errorf("looking what is kept of %s: %w", f.Path, err)
	}
	p.versions[f.name()] = append(p.versions[f.name()], v)
	p.use.count(f, v, 1)
	return nil
}

// kept is the size of a stanza or of paths, of which pools take 64 MiB at most;
// what is lost has none.
func kept(blobs *blob.Store, d blob.Digest, size int64) (int32, error) {
	if size == 0 && d != (blob.Digest{}) {
		info, err := blobs.Stat(d)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return 0, err
		}
		size = info.Size
	}
	return int32(min(max(size, 0), math.MaxInt32)), nil
}

// remove does nothing where the file is not there.
func (p *poolIndex) remove(f PoolFile) {
	versions := p.versions[f.name()]
	i := slices.IndexFunc(versions, func(v PoolVersion) bool { return v.Path == f.Path })
	if i < 0 {
		return
	}
	p.use.count(f, versions[i], -1)
	if p.versions[f.name()] = slices.Delete(versions, i, i+1); len(versions) == 1 {
		delete(p.versions, f.name())
	}
}

// count adds a file n times, 1 or -1.
func (u *PoolUse) count(f PoolFile, v PoolVersion, n int) {
	u.Files += n
	if f.Kind != PoolSourceFile {
		u.Packages += n
	}
	bytes := int64(n) * (f.Size + int64(v.stanza) + int64(v.paths))
	u.Bytes += bytes
	u.Stanzas += int64(n) * int64(v.stanza)
	countIn(u.By, f.By, bytes)
	countIn(u.Components, f.Component, n)
	countIn(u.Architectures, f.Architecture, n)
}

// countIn drops what has come to nothing.
func countIn[N int | int64](counts map[string]N, name string, n N) {
	if counts[name] += n; counts[name] == 0 {
		delete(counts, name)
	}
}
