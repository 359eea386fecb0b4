package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// PoolFile is a file of the site's own packages.
type PoolFile struct {
	Pool      string   `json:"pool"`
	Component string   `json:"component"`
	Path      string   `json:"path"` // in the pool: "main/h/hello/hello_1_amd64.deb"
	Kind      PoolKind `json:"kind"`

	// A PoolSourceFile has the first two of the source package that it was
	// added with, which may not be the only one to name it.
	Package      string `json:"package"`
	Version      string `json:"version"`
	Architecture string `json:"architecture,omitempty"` // as in the control file; "" for a PoolSourceFile
	Source       string `json:"source,omitempty"`       // the name of the source package; "" where the file does not say

	Digest blob.Digest `json:"digest"`
	Size   int64       `json:"size"` // bytes
	// Stanza is the control stanza as an index has it, without Filename, Size
	// and digests; zero for a PoolSourceFile.
	Stanza blob.Digest `json:"stanza,omitzero"`
	// Paths are what a PoolDeb installs, each with a newline; zero where that is
	// not recorded.
	Paths blob.Digest `json:"paths,omitzero"`
	// StanzaSize and PathsSize are theirs in bytes; 0 in rows of older programs.
	StanzaSize int64 `json:"stanza_size,omitempty"`
	PathsSize  int64 `json:"paths_size,omitempty"`

	Added  time.Time `json:"added"`
	By     string    `json:"by"`               // who added it
	Signer string    `json:"signer,omitempty"` // fingerprint of the uploader's key; "" where none was asked for
}

// PoolKind is what a file of a pool is.
type PoolKind string

const (
	PoolDeb        PoolKind = "deb"
	PoolUdeb       PoolKind = "udeb"
	PoolSource     PoolKind = "dsc"
	PoolSourceFile PoolKind = "source-file" // what a PoolSource names
)

// MaxPoolFiles bounds how many files one call adds or removes: they are one
// transaction, and badger allows some thousands of rows in it.
const MaxPoolFiles = 1000

// PoolConflictError says that a pool has other bytes already under the path of
// a file, or as the same package, version and architecture.
type PoolConflictError struct {
	Have, New PoolFile
}

func (e *PoolConflictError) Error() string {
	h, n := e.Have, e.New
	if h.Path == n.Path {
		return fmt.Sprintf("pool %s has other bytes as %s (%d bytes with SHA-256 %s, added %s; now %d bytes with SHA-256 %s)", h.Pool, h.Path, h.Size, h.Digest, h.Added.Format(time.RFC3339), n.Size, n.Digest)
	}
	return fmt.Sprintf("pool %s has other bytes as %s %s %s already: %s (SHA-256 %s); now %s (SHA-256 %s)", h.Pool, h.Package, h.Version, h.Architecture, h.Path, h.Digest, n.Path, n.Digest)
}

// AddPoolFiles adds files to a pool, all or none; their blobs and stanzas are
// in the store and held (cache.Hold) until it returns. A file that the pool has
// already stays as it is; one that was removed is there again, and no longer
// among the RemovedPoolFiles. The error is a *PoolConflictError where the pool,
// or another of the files, has other bytes for the same.
func (c *Catalog) AddPoolFiles(ctx context.Context, pool string, files []PoolFile) error {
	if err := c.addPoolFiles(ctx, pool, files); err != nil {
		return fmt.Errorf("adding files to pool %s: %w", pool, err)
	}
	return nil
}

func (c *Catalog) addPoolFiles(ctx context.Context, pool string, files []PoolFile) error {
	if len(files) > MaxPoolFiles {
		return fmt.Errorf("%d files at once are too many, add at most %d", len(files), MaxPoolFiles)
	}
	for _, f := range files {
		if err := c.checkPoolFile(pool, f); err != nil {
			return err
		}
	}
	if err := c.blobs.Sync(); err != nil {
		return err
	}
	c.pools.mu.Lock()
	defer c.pools.mu.Unlock()
	c.numbering.Lock()
	defer c.numbering.Unlock()
	index, err := c.poolIndex(ctx, pool)
	if err != nil {
		return err
	}
	added, err := c.newPoolFiles(index, pool, files)
	if err != nil || len(added) == 0 {
		return err
	}
	reached("pool files to be added")
	err = c.changePool(pool, func(txn *badger.Txn) error { return writePoolFiles(txn, pool, added) })
	if err != nil {
		return err
	}
	reached("pool files added")
	for _, f := range added {
		if err := index.add(f, c.blobs); err != nil {
			delete(c.pools.of, pool) // it is made again of what is there
		}
	}
	return nil
}

// changePool commits a change of a pool's rows. It needs pools.mu. After an
// error either state may be on disk, and what is known of the pool is forgotten.
func (c *Catalog) changePool(pool string, change func(*badger.Txn) error) error {
	err := c.update(change)
	c.poolChanges.Add(1)
	if err != nil {
		delete(c.pools.of, pool)
	}
	return err
}

func writePoolFiles(txn *badger.Txn, pool string, files []PoolFile) error {
	for _, f := range files {
		if err := set(txn, key('o', pool, f.Path), f); err != nil {
			return err
		}
		if err := txn.Delete(key('x', pool, f.Package, f.Path)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalog) checkPoolFile(pool string, f PoolFile) error {
	if err := checkNames(pool, f.Package, f.Path); err != nil {
		return err
	}
	if f.Pool != pool {
		return fmt.Errorf("%s is of pool %q", f.Path, f.Pool)
	}
	if err := checkEntry(Entry{Path: f.Path, Plain: f.Path, Kind: KindPackage, Size: f.Size}); err != nil {
		return err
	}
	info, err := c.blobs.Stat(f.Digest)
	if err == nil && info.Size != f.Size {
		err = fmt.Errorf("it has %d bytes in the store, not %d", info.Size, f.Size)
	}
	for _, d := range []blob.Digest{f.Stanza, f.Paths} {
		if err == nil && d != (blob.Digest{}) {
			_, err = c.blobs.Stat(d)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

// newPoolFiles gives those of files that the pool has not. It needs numbering and pools.mu.
func (c *Catalog) newPoolFiles(index *poolIndex, pool string, files []PoolFile) (added []PoolFile, err error) {
	for _, f := range files {
		there, err := c.conflicting(index, pool, f, added)
		if err != nil {
			return nil, err
		}
		if !there {
			added = append(added, f)
		}
	}
	return added, nil
}

// conflicting looks for a file in a pool and among those that are added with it.
// The error is a *PoolConflictError where one has other bytes for the same path,
// or for the same kind, package, version and architecture.
func (c *Catalog) conflicting(index *poolIndex, pool string, f PoolFile, added []PoolFile) (there bool, err error) {
	paths := []string{f.Path}
	for _, v := range index.versions[f.name()] {
		if v.Version == f.Version && v.Path != f.Path && f.Kind != PoolSourceFile {
			paths = append(paths, v.Path)
		}
	}
	have := added
	for _, path := range paths {
		h, err := c.PoolFile(pool, path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if err == nil {
			have = append(have[:len(have):len(have)], h)
		}
	}
	for _, h := range have {
		samePath, sameName := h.Path == f.Path, f.Kind != PoolSourceFile && h.name() == f.name() && h.Version == f.Version
		if (samePath || sameName) && h.Digest != f.Digest || samePath && h.Size != f.Size {
			return false, &PoolConflictError{h, f}
		}
		there = there || samePath
	}
	return there, nil
}

// PoolFiles gives the files of a pool in the order of their paths; those of
// every pool, one after the other, for "". With a *RowError come all those whose
// rows can be read.
func (c *Catalog) PoolFiles(ctx context.Context, pool string) ([]PoolFile, error) {
	prefix := []byte{'o'}
	if pool != "" {
		prefix = key('o', pool, "")
	}
	return collect[PoolFile](ctx, c, prefix, false, math.MaxInt)
}

// PoolChanges counts what was added to pools and removed from them since the
// catalog was opened: as long as it is the same, so is PoolFiles.
func (c *Catalog) PoolChanges() uint64 { return c.poolChanges.Load() }
