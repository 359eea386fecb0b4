package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"aptmirror/cache/blob"
)

// diskShare is how much more than max_size the files on disk may take up for
// the time until the space of removed files has come back, as a factor.
const diskShare = 1.3

// room knows what is promised to files on their way in.
type room struct {
	max int64 // bytes; 0 = none

	mu       sync.Mutex // guards the fields below
	reserved int64      // bytes of files on their way in
	files    int64      // evicted since the start
	bytes    int64      // and their sizes
	dead     int64      // bytes of removed files since the last reclaiming began
}

// Space is what the store holds and may hold, in bytes.
type Space struct {
	Max      int64 // 0 = as much as the disk takes
	Stored   int64 // files
	Reserved int64 // promised to files on their way in
	Disk     int64 // taken up on disk
	// Evicted counts what was removed to make room since the store was opened.
	Evicted, EvictedFiles int64
}

// Space measures.
func (c *Cache) Space(ctx context.Context) (Space, error) {
	if err := c.Blobs.Count(ctx); err != nil {
		return Space{}, err
	}
	disk, err := c.Blobs.DiskUsage()
	if err != nil {
		return Space{}, err
	}
	_, stored := c.Blobs.Stored()
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	return Space{
		Max: c.room.max, Stored: stored, Reserved: c.room.reserved, Disk: disk,
		Evicted: c.room.bytes, EvictedFiles: c.room.files,
	}, nil
}

// Reserve sets room aside for a file of size bytes that is about to be stored,
// until release is called, once, after it is stored or given up. Where there is
// not enough and evict is set, least recently used files that can be fetched
// again are removed. The error is blob.ErrNoSpace where the file cannot be had
// in the store, now or ever: what remains is pinned or in use, or the disk is full.
func (c *Cache) Reserve(ctx context.Context, size int64, evict bool) (release func(), err error) {
	if err := c.reserve(ctx, size, evict); err != nil {
		return nil, fmt.Errorf("making room for a file of %d bytes: %w", size, err)
	}
	if err := c.checkDisk(ctx, size, evict); err != nil {
		c.release(size)
		return nil, fmt.Errorf("making room for a file of %d bytes: %w", size, err)
	}
	return func() { c.release(size) }, nil
}

func (c *Cache) release(size int64) {
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	c.room.reserved -= size
}

// reserve keeps to max_size, which counts the bytes of files.
func (c *Cache) reserve(ctx context.Context, size int64, evict bool) error {
	if c.room.max > 0 {
		if err := c.Blobs.Count(ctx); err != nil {
			return err
		}
	}
	for vain := false; ; {
		missing := c.tryReserve(size)
		switch {
		case missing <= 0:
			return nil
		case size > c.room.max:
			return fmt.Errorf("%w: max_size is %d", blob.ErrNoSpace, c.room.max)
		case !evict:
			return fmt.Errorf("%w: max_size is reached", blob.ErrNoSpace)
		case vain:
			return fmt.Errorf("%w: max_size is reached, and what is stored is in use or part of what is served", blob.ErrNoSpace)
		}
		freed, err := c.evict(ctx, missing)
		if err != nil {
			return err
		}
		vain = freed == 0 // or others removed what was chosen
	}
}

// tryReserve returns how many bytes are missing; none, if size is reserved.
func (c *Cache) tryReserve(size int64) (missing int64) {
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	// Asked under the lock: a file is stored first and gives its reservation up after that, so it counts once or twice, never not at all.
	_, stored := c.Blobs.Stored()
	if c.room.max > 0 {
		missing = stored + c.room.reserved + size - c.room.max
	}
	if missing <= 0 {
		c.room.reserved += size
	}
	return missing
}

// checkDisk keeps to what the disk has and, with max_size, to what may be
// waiting to be reclaimed. Removing files gives the disk nothing back at once, so
// that this file gets no room, but a later one does; until it has come back,
// removing more would empty the store in vain.
func (c *Cache) checkDisk(ctx context.Context, size int64, evict bool) error {
	err := c.Blobs.CheckRoom(size)
	if errors.Is(err, blob.ErrNoSpace) && evict {
		if waiting := c.room.waiting(); waiting < size {
			if _, evictErr := c.evict(ctx, size-waiting); evictErr != nil && !errors.Is(evictErr, blob.ErrNoSpace) {
				return evictErr
			}
		}
	}
	if err == nil && c.room.max > 0 {
		err = c.checkOverhead(size)
	}
	if errors.Is(err, blob.ErrNoSpace) {
		c.reclaims.kick()
	}
	return err
}

func (c *Cache) checkOverhead(size int64) error {
	disk, err := c.reclaims.disk(c)
	if err != nil {
		return err
	}
	if limit := int64(diskShare*float64(c.room.max)) + 2*c.fileSize; disk+size > limit {
		return fmt.Errorf("%w: the space of removed files has not come back yet", blob.ErrNoSpace)
	}
	return nil
}

// removed notes that the space of a file has to come back.
func (r *room) removed(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead += size
}

func (r *room) evicted(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead += size
	r.files++
	r.bytes += size
}

// reclaimed takes back what removed and evicted noted of files whose space has
// been asked back.
func (r *room) reclaimed(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead -= bytes
}

// waiting gives the bytes of removed files whose space has not come back.
func (r *room) waiting() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dead
}
