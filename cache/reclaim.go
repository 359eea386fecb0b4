package cache

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// wasteShare is the part of what is stored that may be waste on disk before
	// files are rewritten, and wasteBytes what the database may take up besides.
	wasteShare = 0.2
	wasteBytes = 32 << 20
	// reclaimPause is the least time between two reclaimings, each of which
	// holds reads up for up to 300 ms, and reclaimAgain that for one of which
	// nothing new is to be expected, or after one that failed.
	reclaimPause = 5 * time.Second
	reclaimAgain = 15 * time.Minute
	// diskMeasure is for how long a measured disk usage counts.
	diskMeasure = time.Second
)

// reclaimShares are how much of a database file must be dead for it to be
// rewritten: first what comes back cheaply, then, while that is not enough, more.
var reclaimShares = []float64{0.5, 0.35, 0.2}

// reclaims is when space was given back last and how much is taken up.
type reclaims struct {
	wake chan struct{} // holds one kick

	mu       sync.Mutex // guards the fields below
	urgent   bool       // a file found no room
	tried    time.Time  // the last reclaiming
	failed   bool       // it ended in an error
	measured time.Time
	bytes    int64
}

// kick makes Maintain reclaim soon, also little.
func (r *reclaims) kick() {
	r.mu.Lock()
	r.urgent = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// disk measures what the blobs take up, at most once in diskMeasure.
func (r *reclaims) disk(c *Cache) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.measured) >= diskMeasure {
		bytes, err := c.Blobs.DiskUsage()
		if err != nil {
			return 0, err
		}
		r.measured, r.bytes = now, bytes
	}
	return r.bytes, nil
}

// due says whether trying again can be of use, and whether somebody waits for it.
func (r *reclaims) due(waiting int64) (urgent, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := reclaimAgain
	if waiting > 0 && !r.failed {
		pause = reclaimPause
	}
	return r.urgent, time.Since(r.tried) >= pause
}

func (r *reclaims) done(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.urgent, r.tried, r.failed, r.measured = false, time.Now(), err != nil, time.Time{}
}

// reclaim gives the space of removed files back to the disk where it is worth it.
func (c *Cache) reclaim(ctx context.Context) error {
	waiting := c.room.waiting()
	urgent, due := c.reclaims.due(waiting)
	if !due {
		return nil
	}
	for i, share := range reclaimShares {
		wasteful, err := c.wasteful(ctx)
		if err != nil {
			return err
		}
		if !wasteful && (!urgent || waiting == 0) {
			if i == 0 {
				return nil
			}
			break
		}
		reached("reclaiming")
		err = c.Blobs.ReclaimAbove(ctx, share)
		c.reclaims.done(err)
		if err != nil {
			return fmt.Errorf("giving the space of removed files back: %w", err)
		}
	}
	c.room.reclaimed(waiting)
	return nil
}

func (c *Cache) wasteful(ctx context.Context) (bool, error) {
	if err := c.Blobs.Count(ctx); err != nil {
		return false, err
	}
	disk, err := c.Blobs.DiskUsage()
	_, stored := c.Blobs.Stored()
	return disk-stored > int64(wasteShare*float64(stored))+wasteBytes, err
}
