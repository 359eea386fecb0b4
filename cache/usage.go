package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"aptmirror/cache/blob"
)

const (
	// useShards keeps requests for different files from waiting for each other.
	useShards = 64
	// maxUses bounds the files of one shard whose use is not yet stored. Beyond
	// it a use is forgotten, which costs the file its place in the order.
	maxUses = 1024
)

// usage knows which files are in use now, which keeps them from being removed,
// and which have been since this was last stored.
type usage struct {
	shards  [useShards]useShard
	storing sync.Mutex // held by storeUses: what it has taken is nowhere else
}

type useShard struct {
	// mu guards the maps and is held while a file of the shard is removed, so
	// that who begins to use it finds it whole or not at all.
	mu   sync.Mutex
	held map[blob.Digest]int
	used map[blob.Digest]uint32 // Unix time in minutes
}

func (u *usage) shard(d blob.Digest) *useShard { return &u.shards[d[0]%useShards] }

// Begin says that a file is about to be read, until End: it is not removed
// meanwhile, and counts as used now. The file need not be in the store yet.
func (c *Cache) Begin(d blob.Digest) {
	minute := uint32(c.now().Unix() / 60)
	s := c.use.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(d)
	if s.used == nil {
		s.used = map[blob.Digest]uint32{}
	}
	if _, ok := s.used[d]; ok || len(s.used) < maxUses {
		s.used[d] = minute
	}
}

// End takes one Begin back.
func (c *Cache) End(d blob.Digest) {
	s := c.use.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[d]--; s.held[d] <= 0 {
		delete(s.held, d)
	}
}

// Hold keeps files from being removed until release is called, once. Who makes
// a generation holds what it names before looking whether that is in the store,
// and until the generation is recorded.
func (c *Cache) Hold(digests ...blob.Digest) (release func()) {
	for _, d := range digests {
		s := c.use.shard(d)
		s.mu.Lock()
		s.hold(d)
		s.mu.Unlock()
	}
	return func() {
		for _, d := range digests {
			c.End(d)
		}
	}
}

// hold needs mu.
func (s *useShard) hold(d blob.Digest) {
	if s.held == nil {
		s.held = map[blob.Digest]int{}
	}
	s.held[d]++
}

// usedSince says whether a file was used after a time and the store does not
// know it yet.
func (u *usage) usedSince(d blob.Digest, t time.Time) bool {
	s := u.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.used[d]) > t.Unix()/60
}

// remove deletes a file unless somebody uses it or it is gone already.
func (c *Cache) remove(ctx context.Context, d blob.Digest) (removed bool, err error) {
	s := c.use.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[d] > 0 {
		return false, nil
	}
	err = c.Blobs.Delete(ctx, d)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	delete(s.used, d)
	return err == nil, err
}

// storeUses writes what was learnt of the use of files into the store. Where
// the disk is full it waits for a better time.
func (c *Cache) storeUses(ctx context.Context) error {
	if c.Blobs.CheckRoom(0) != nil {
		return nil
	}
	c.use.storing.Lock()
	defer c.use.storing.Unlock()
	for i := range c.use.shards {
		s := &c.use.shards[i]
		s.mu.Lock()
		used := s.used
		s.used = nil
		s.mu.Unlock()
		times := make(map[blob.Digest]time.Time, len(used))
		for d, minute := range used {
			times[d] = time.Unix(60*int64(minute), 0)
		}
		if err := c.Blobs.Touch(ctx, times); err != nil {
			return err
		}
	}
	return nil
}

// isHeld says whether somebody uses or holds a file.
func (u *usage) isHeld(d blob.Digest) bool {
	s := u.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[d] > 0
}
