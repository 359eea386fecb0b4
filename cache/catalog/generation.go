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

// Generation is one immutable state of one suite: mirrored, as the archive
// signed it, or built by this site. What is signed of a built one belongs to its
// publications; its manifest has indexes, their names by hash, and packages at
// their OriginPath, and all of the indexes are in the store.
type Generation struct {
	Archive string `json:"archive"` // BuiltBy of a repository, if it was built
	Suite   string `json:"suite"`   // as configured: "bookworm", "stable/updates", "./"
	// Number counts the generations of this suite from 1. AddGeneration sets it.
	Number uint64 `json:"number"`

	// InRelease, Release and ReleaseGPG are upstream's bytes; a digest of
	// zeros means that the archive does not have the file. Release is there
	// always: where upstream has InRelease alone, it is the signed text. A built
	// generation has none of them, and none of Date to Signers.
	InRelease  blob.Digest `json:"inrelease"`
	Release    blob.Digest `json:"release"`
	ReleaseGPG blob.Digest `json:"release_gpg"`
	Manifest   blob.Digest `json:"manifest"`

	Date       time.Time `json:"date"`
	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: the archive sets none
	Origin     string    `json:"origin,omitempty"`
	Label      string    `json:"label,omitempty"`
	Signers    []Signer  `json:"signers,omitempty"`

	// Scope names the components and architectures that were taken in.
	Scope string `json:"scope"`
	// ByHash says that the archive has its indexes under by-hash names too.
	ByHash bool `json:"by_hash,omitempty"`
	// Indexes are the paths of the Packages and Sources files, and of what else
	// names further files, from which the manifest was made, in the form that
	// was fetched.
	Indexes []string `json:"indexes"`
	// Missing are optional indexes that Release lists but no mirror had: what
	// they name is not part of the generation.
	Missing []string `json:"missing,omitempty"`
	// LeftOut are files that the indexes name and nobody could verify, ordered by
	// path: the generation is whole without them.
	LeftOut  []LeftOut `json:"left_out,omitempty"`
	Packages int       `json:"packages"` // files that the indexes name, without LeftOut
	Bytes    int64     `json:"bytes"`    // their sizes together
	Created  time.Time `json:"created"`  // when it was verified or built

	// What follows is of built generations alone. Recipe stands for everything
	// that decided what they contain: another one with the same is the same.
	Recipe blob.Digest `json:"recipe,omitzero"`
	// Fields is a blob of package resign: what Release says of the generation,
	// but for what each publication adds.
	Fields blob.Digest `json:"fields,omitzero"`
	Inputs []Ref       `json:"inputs,omitempty"` // they may have been removed since
	// Copies are of inputs, in a form that the next build reads quicker: they
	// stay with the generation, but nothing is missing where they do not.
	Copies []blob.Digest `json:"copies,omitempty"`
	// Next is when the contents change although no input does, as when a hold
	// ends; zero is never.
	Next time.Time `json:"next,omitzero"`
}

// Signer is a key whose signature on Release was good.
type Signer struct {
	Fingerprint string `json:"fingerprint"` // of the primary key, upper-case hex
	Name        string `json:"name,omitempty"`
}

// AddGeneration stores a verified or built generation under the next number of its
// suite, which it returns. All blobs are durable before the row exists.
func (c *Catalog) AddGeneration(g Generation) (uint64, error) {
	number, err := c.addGeneration(g)
	if err != nil {
		return 0, fmt.Errorf("recording a generation of archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	return number, nil
}

func (c *Catalog) addGeneration(g Generation) (uint64, error) {
	if err := checkNames(g.Archive, g.Suite); err != nil {
		return 0, err
	}
	if err := c.blobs.Sync(); err != nil {
		return 0, err
	}
	reached("blobs synced")
	c.numbering.Lock()
	defer c.numbering.Unlock()
	prefix := generationPrefix(g.Archive, g.Suite)
	err := c.update(func(txn *badger.Txn) (err error) {
		if g.Number, err = nextNumber(txn, prefix); err != nil {
			return err
		}
		return set(txn, numbered(prefix, g.Number), g)
	})
	if err == nil {
		reached("generation recorded")
	}
	return g.Number, err
}

// generationPrefix begins the keys of all generations of a suite.
func generationPrefix(archive, suite string) []byte { return key('g', archive, suite, "") }

// Generation gives one generation, or ErrNotFound.
func (c *Catalog) Generation(archive, suite string, number uint64) (g Generation, err error) {
	err = c.db.View(func(txn *badger.Txn) error {
		return get(txn, numbered(generationPrefix(archive, suite), number), &g)
	})
	return g, err
}

// Latest gives the newest generation of a suite. The error is ErrNotFound
// where there is none, and where its manifest or one of its Release files is
// no longer in the store or cannot be read: a refresh then takes the suite in
// as if it were new, which mends it. What was damaged is dropped for that, and
// a *blob.CorruptError in the chain says so.
func (c *Catalog) Latest(ctx context.Context, archive, suite string) (Generation, error) {
	rows, err := collect[Generation](ctx, c, generationPrefix(archive, suite), true, 1)
	if err != nil {
		return Generation{}, err
	}
	if len(rows) == 0 {
		return Generation{}, ErrNotFound
	}
	if err := c.checkStored(ctx, rows[0]); err != nil {
		return Generation{}, err
	}
	return rows[0], nil
}

// checkStored returns ErrNotFound where a blob of the generation itself is
// missing or damaged, or an index of a built one missing. The manifest is read when it is loaded, and dropped then.
func (c *Catalog) checkStored(ctx context.Context, g Generation) error {
	for _, d := range g.Parts() {
		_, err := c.blobs.Stat(d)
		if err == nil && d != g.Manifest {
			_, err = c.blobs.ReadAll(ctx, d, maxReleaseFile)
		}
		switch {
		case errors.Is(err, blob.ErrNotFound):
			return ErrNotFound
		case err != nil && c.dropDamaged(ctx, d, err):
			return fmt.Errorf("%w: %w", ErrNotFound, err)
		case err != nil:
			return err
		}
	}
	return c.checkBuilt(ctx, g)
}

// checkBuilt looks for the indexes of a built generation, which nobody could
// fetch again.
func (c *Catalog) checkBuilt(ctx context.Context, g Generation) error {
	if _, built := g.Builder(); !built {
		return nil
	}
	t, err := c.sharedTable(ctx, g)
	if err != nil && c.dropDamaged(ctx, g.Manifest, err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return err
	}
	for e := range t.All() {
		if e.Kind != KindIndex {
			continue
		}
		if _, err := c.blobs.Stat(e.Digest); errors.Is(err, blob.ErrNotFound) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Parts are the files that the row of a generation names, its manifest among
// them.
func (g Generation) Parts() (digests []blob.Digest) {
	for _, d := range []blob.Digest{g.InRelease, g.Release, g.ReleaseGPG, g.Fields, g.Manifest} {
		if d != (blob.Digest{}) {
			digests = append(digests, d)
		}
	}
	return digests
}

// maxReleaseFile bounds a Release file in bytes; none larger is ever taken in.
const maxReleaseFile = 10 << 20

// dropDamaged deletes a blob that err says is damaged, as that error asks for:
// it is stored anew once somebody brings its bytes again.
func (c *Catalog) dropDamaged(ctx context.Context, d blob.Digest, err error) bool {
	var corrupt *blob.CorruptError
	return errors.As(err, &corrupt) && c.blobs.Delete(context.WithoutCancel(ctx), d) == nil
}

// Generations gives every generation of every archive. With a *RowError come
// all those whose rows can be read.
func (c *Catalog) Generations(ctx context.Context) ([]Generation, error) {
	return collect[Generation](ctx, c, []byte{'g'}, false, math.MaxInt)
}

// Table loads the manifest of a generation.
func (c *Catalog) Table(ctx context.Context, g Generation) (*Table, error) {
	raw, err := c.blobs.ReadAll(ctx, g.Manifest, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of %s: %w", g.Ref(), err)
	}
	t, err := OpenTable(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of %s: %w", g.Ref(), err)
	}
	return t, nil
}

// maxManifest bounds in bytes what one manifest may take in memory: MaxEntries
// rows with paths of 100 bytes.
const maxManifest = MaxEntries * (rowSize + 100)
