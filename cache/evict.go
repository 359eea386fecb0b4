package cache

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

const (
	// maxVictims is how many files one look through the store picks; it bounds
	// the memory of that (64 bytes each) and how often all rows are read.
	maxVictims = 8192
	// barrenShare bounds the part of the time that is spent on reading all rows
	// in vain, while all that could go is in use: one in so many.
	barrenShare = 10
	// evictBatch is how many files are removed while no generation can be
	// recorded.
	evictBatch = 64
)

// victims are the files that were least recently used when the store was last
// looked through, the one to go first in front.
type victims struct {
	mu     sync.Mutex // held while files are evicted
	queue  []victim
	look   time.Duration // what the last look through the store took
	barren time.Time     // until then another is not worth it
}

type victim struct {
	digest blob.Digest
	size   int64
	last   time.Time
}

// evict removes least recently used files that can be fetched again and that
// nobody reads, until n bytes are gone or nothing is left.
func (c *Cache) evict(ctx context.Context, n int64) (freed int64, err error) {
	c.victims.mu.Lock()
	defer c.victims.mu.Unlock()
	looked := false
	for freed < n {
		if len(c.victims.queue) == 0 {
			if looked || time.Now().Before(c.victims.barren) {
				break
			}
			if err := c.pickVictims(ctx); err != nil {
				return freed, fmt.Errorf("choosing files to remove: %w", err)
			}
			looked = true
		}
		batch, err := c.evictSome(ctx, n-freed)
		freed += batch
		if err != nil {
			return freed, fmt.Errorf("removing files: %w", err)
		}
	}
	if looked && freed == 0 {
		c.victims.barren = time.Now().Add(barrenShare * c.victims.look)
	}
	return freed, nil
}

// evictSome works on the front of the queue. What is pinned is looked up anew,
// since a new generation may need what an old one only could have fetched.
func (c *Cache) evictSome(ctx context.Context, n int64) (freed int64, err error) {
	err = c.Catalog.Steady(ctx, func(now catalog.State) error {
		pinned, err := c.pinned(ctx, now)
		if err != nil {
			return err
		}
		for range evictBatch {
			if freed >= n || len(c.victims.queue) == 0 {
				return nil
			}
			v := c.victims.queue[0]
			if !pinned.has(v.digest) {
				size, err := c.evictOne(ctx, v)
				if err != nil {
					return err
				}
				freed += size
			}
			c.victims.queue = c.victims.queue[1:]
		}
		return nil
	})
	return freed, err
}

func (c *Cache) evictOne(ctx context.Context, v victim) (freed int64, err error) {
	now, err := c.Blobs.LastUse(v.digest)
	if err != nil || now.Last.After(v.last) || c.use.usedSince(v.digest, v.last) {
		return 0, ignoreNotFound(err)
	}
	reached("file to be evicted")
	removed, err := c.remove(ctx, v.digest)
	if !removed || err != nil {
		return 0, err
	}
	reached("file evicted")
	c.room.evicted(v.size)
	return v.size, nil
}

// pickVictims fills the queue with the files that were unused for longest.
func (c *Cache) pickVictims(ctx context.Context) error {
	defer func(began time.Time) { c.victims.look = time.Since(began) }(time.Now())
	// What cannot be stored now is looked up for every victim.
	if err := c.storeUses(ctx); err != nil {
		return err
	}
	now, err := c.Catalog.State(ctx)
	if err != nil {
		return err
	}
	pinned, err := c.pinned(ctx, now)
	if err != nil {
		return err
	}
	var oldest longestUnused
	for u, err := range c.Blobs.Uses(ctx) {
		if err != nil {
			return err
		}
		if !pinned.has(u.Digest) {
			oldest.offer(victim{u.Digest, u.Size, u.Last})
		}
	}
	slices.SortFunc(oldest, func(a, b victim) int { return cmp.Or(a.last.Compare(b.last), slices.Compare(a.digest[:], b.digest[:])) })
	c.victims.queue = oldest
	return nil
}

// longestUnused is a heap with the most recently used of its files on top.
type longestUnused []victim

func (l *longestUnused) offer(v victim) {
	switch {
	case len(*l) < maxVictims:
		heap.Push(l, v)
	case v.last.Before((*l)[0].last):
		(*l)[0] = v
		heap.Fix(l, 0)
	}
}

func (l longestUnused) Len() int           { return len(l) }
func (l longestUnused) Less(i, j int) bool { return l[i].last.After(l[j].last) }
func (l longestUnused) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *longestUnused) Push(v any)        { *l = append(*l, v.(victim)) }
func (l *longestUnused) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
