// Package cache opens the two databases that make up the state directory, the
// blobs and the catalog, and proves that what they hold is what was signed.
//
//	STATE/blobs     cache/blob: bytes under their SHA-256
//	STATE/catalog   cache/catalog: generations, what is current, snapshots, pools, jobs
//	STATE/ballast   nothing; removed where the disk is too full to open the rest
//
// One process at a time has them open; everybody else asks it.
//
// # What goes and what stays
//
// A file goes for one of three reasons. Reserve evicts least recently used
// files where max_size or the disk leaves no room for a new one. Collect removes
// files that nothing recorded names. Drop removes damaged ones. None of them
// fetches anything, and no generation loses what it consists of: Release, its
// signatures, its manifest and the indexes it was made from are evicted never,
// and collected only after the generation's own row is gone.
//
// Nor is evicted what the site owns, since nobody could give it back: all
// indexes of built generations, what was signed of their publications, the files
// of pools, packages of built generations that no archive has, and everything that
// a complete snapshot names. Such a snapshot takes up its size of max_size
// until it is removed; others pin indexes, and their packages come again.
//
// Generations stay while they are current, retained or kept for going back to
// in a publication, while a snapshot pins them, and while they are the newest of
// their suite.
//
// Three rules keep what is needed although all this goes on while files are
// fetched, read and published:
//
//   - A file that somebody reads (Begin) or that will be part of a generation
//     (Hold) is not removed. Removing takes the same lock, by digest, so that who
//     begins afterwards finds the file gone, not half of it. Who makes a
//     generation holds its parts before looking whether they are there.
//   - A generation, a publication or a file of a pool is recorded while its parts
//     are held, and no file is removed while one is recorded (catalog.Steady). Before each batch, Collect marks what
//     was recorded since it began, so that a hold may end with the recording.
//   - A row goes before the files that only it names, and a crash between the two
//     leaves files too many, never too few.
//
// A download under way is no file yet; what a crash leaves of it goes with the
// next Collect.
package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Cache is an open state directory.
type Cache struct {
	Blobs   *blob.Store
	Catalog *catalog.Catalog

	dir      string
	now      func() time.Time
	fileSize int64 // of the blobs' database, in bytes
	use      usage
	room     room
	victims  victims
	pins     pins
	reclaims reclaims
}

// Options are what does not follow from the directory.
type Options struct {
	// MaxSize is how many bytes of files the store may hold; 0: what the disk
	// takes.
	MaxSize int64
	// Log takes the databases' own messages; nil discards them.
	Log *slog.Logger
	// Now is the clock by which files count as used; nil is the system's.
	Now func() time.Time
}

// Open is OpenWith for a store that only the disk limits.
func Open(dir string, log *slog.Logger) (*Cache, error) {
	return OpenWith(dir, Options{Log: log})
}

// OpenWith opens the databases under dir, making them where there are none. The
// error is blob.ErrLocked where another process has them open, blob.ErrNoSpace
// where the disk is too full to open them safely.
func OpenWith(dir string, o Options) (*Cache, error) {
	for _, part := range []string{"blobs", "catalog"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			return nil, fmt.Errorf("making the state directory: %w", err)
		}
	}
	if err := makeRoom(dir); err != nil {
		return nil, err
	}
	// The blobs go first: they tell a locked and a full disk from other faults.
	size := fileSizeFor(o.MaxSize)
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{Logger: o.Log, FileSize: size})
	if err != nil {
		return nil, err
	}
	c, err := catalog.Open(filepath.Join(dir, "catalog"), blobs, o.Log)
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return newCache(dir, size, blobs, c, o), nil
}

func newCache(dir string, fileSize int64, blobs *blob.Store, c *catalog.Catalog, o Options) *Cache {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Cache{Blobs: blobs, Catalog: c, dir: dir, now: o.Now, fileSize: fileSize, room: room{max: o.MaxSize}, reclaims: reclaims{wake: make(chan struct{}, 1)}}
}

// fileSizeFor gives the size in bytes of the files of the blobs' database. Space
// comes back by files, so that a small store needs small ones; a large one is
// to have no more than some thousand, each of which stays mapped.
func fileSizeFor(maxSize int64) int64 {
	const smallest, largest = 16 << 20, 256 << 20
	if maxSize == 0 {
		return largest
	}
	return min(max(maxSize/64, smallest), largest)
}

// Close closes both; nothing may be under way any more. What was learnt of the
// use of files and is not yet stored is lost: see Maintain.
func (c *Cache) Close() error {
	// Closing writes too, as opening does.
	return errors.Join(makeRoom(c.dir), c.Catalog.Close(), c.Blobs.Close())
}
