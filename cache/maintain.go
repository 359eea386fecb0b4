package cache

import (
	"context"
	"time"
)

// maintainEvery is how often the use of files is stored; a kill loses as much.
const maintainEvery = time.Minute

// Maintain does what has to be done from time to time, until ctx ends: it stores
// which files were used, gives the space of removed files back to the disk, and
// keeps the ballast. failed is told what did not work; it is tried again later.
func (c *Cache) Maintain(ctx context.Context, failed func(error)) {
	ticker := time.NewTicker(maintainEvery)
	defer ticker.Stop()
	for {
		c.maintain(ctx, failed)
		select {
		case <-ticker.C:
		case <-c.reclaims.wake:
		case <-ctx.Done():
			if err := c.storeUses(context.WithoutCancel(ctx)); err != nil {
				failed(err)
			}
			return
		}
	}
}

func (c *Cache) maintain(ctx context.Context, failed func(error)) {
	for _, step := range []func(context.Context) error{c.storeUses, c.reclaim, c.keepBallast} {
		if err := step(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}
