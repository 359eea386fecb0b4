package catalog

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// Generation is one immutable state of one suite of an archive, as upstream
// signed it.
type Generation struct {
	Archive string `json:"archive"`
	Suite   string `json:"suite"` // as configured: "bookworm", "stable/updates", "./"
	// Number counts the generations of this suite from 1. AddGeneration sets it.
	Number uint64 `json:"number"`

	// InRelease, Release and ReleaseGPG are upstream's bytes; a digest of
	// zeros means that the archive does not have the file. Release is there
	// always: where upstream has InRelease alone, it is the signed text.
	InRelease  blob.Digest `json:"inrelease"`
	Release    blob.Digest `json:"release"`
	ReleaseGPG blob.Digest `json:"release_gpg"`
	Manifest   blob.Digest `json:"manifest"`

	Date       time.Time `json:"date"`
	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: the archive sets none
	Origin     string    `json:"origin,omitempty"`
	Label      string    `json:"label,omitempty"`
	Signers    []Signer  `json:"signers"`

	// Scope names the components and architectures that were taken in.
	Scope string `json:"scope"`
	// ByHash says that the archive has its indexes under by-hash names too.
	ByHash bool `json:"by_hash,omitempty"`
	// Indexes are the paths of the Packages and Sources files from which the
	// manifest was made, in the form that was fetched.
	Indexes  []string  `json:"indexes"`
	// Missing are optional indexes that Release lists but no mirror had: what
	// they name is not part of the generation.
	Missing  []string  `json:"missing,omitempty"`
	Packages int       `json:"packages"` // distinct files that the indexes name
	Bytes    int64     `json:"bytes"`    // their sizes together
	Created  time.Time `json:"created"`  // when it was verified
}

// Signer is a key whose signature on Release was good.
type Signer struct {
	Fingerprint string `json:"fingerprint"` // of the primary key, upper-case hex
	Name        string `json:"name,omitempty"`
}

// AddGeneration stores a verified generation under the next number of its
// suite, which it returns. All blobs are durable before the row exists.
func (c *Catalog) AddGeneration(g Generation) (uint64, error) {
	if err := c.blobs.Sync(); err != nil {
		return 0, fmt.Errorf("syncing the blobs of %s %s: %w", g.Archive, g.Suite, err)
	}
	prefix := key('g', g.Archive, g.Suite, "")
	err := c.db.Update(func(txn *badger.Txn) error {
		g.Number = 1
		err := each(txn, prefix, true, func(item *badger.Item) (bool, error) {
			k := item.Key()
			g.Number = binary.BigEndian.Uint64(k[len(k)-8:]) + 1
			return false, nil
		})
		if err != nil {
			return err
		}
		return set(txn, numbered(prefix, g.Number), g)
	})
	if err != nil {
		return 0, fmt.Errorf("recording a generation of %s %s: %w", g.Archive, g.Suite, err)
	}
	return g.Number, nil
}

// Generation gives one generation, or ErrNotFound.
func (c *Catalog) Generation(archive, suite string, number uint64) (g Generation, err error) {
	err = c.db.View(func(txn *badger.Txn) error {
		return get(txn, numbered(key('g', archive, suite, ""), number), &g)
	})
	return g, err
}

// Latest gives the newest generation of a suite, or ErrNotFound.
func (c *Catalog) Latest(ctx context.Context, archive, suite string) (Generation, error) {
	rows, err := collect[Generation](ctx, c, key('g', archive, suite, ""), true, 1)
	if err != nil {
		return Generation{}, err
	}
	if len(rows) == 0 {
		return Generation{}, ErrNotFound
	}
	return rows[0], nil
}

// Generations gives every generation of every archive.
func (c *Catalog) Generations(ctx context.Context) ([]Generation, error) {
	return collect[Generation](ctx, c, []byte{'g'}, false, math.MaxInt)
}

// Table loads the manifest of a generation.
func (c *Catalog) Table(ctx context.Context, g Generation) (*Table, error) {
	raw, err := c.blobs.ReadAll(ctx, g.Manifest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of %s %s generation %d: %w", g.Archive, g.Suite, g.Number, err)
	}
	t, err := OpenTable(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of %s %s generation %d: %w", g.Archive, g.Suite, g.Number, err)
	}
	return t, nil
}

// maxManifest bounds what one manifest may take in memory: MaxEntries rows
// with paths of 100 bytes.
const maxManifest = MaxEntries * (rowSize + 100)
