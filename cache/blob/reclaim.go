package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	// discardRatio is the part of a value-log file that must be dead before Reclaim rewrites it.
	discardRatio = 0.5

	// rewriteBegins is for how long commits wait while a rewrite begins, which takes microseconds of it.
	rewriteBegins = 50 * time.Millisecond
)

// Reclaim is ReclaimAbove one half, which costs at most as much writing as it frees.
func (s *Store) Reclaim(ctx context.Context) error { return s.ReclaimAbove(ctx, discardRatio) }

// ReclaimAbove gives the space of deleted blobs back to the file system, file by file, rewriting those of which that share (0 to 1)
// is dead. Files of which less is dead stay, and so does the one that is written to. It may
// run beside everything else: reads pause for 10 to 300 ms at its start, writes wait as long. It refuses after an unreadable page was
// met, because badger then can wait for ever for the file; a restart clears that.
func (s *Store) ReclaimAbove(ctx context.Context, share float64) error {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	if err := s.flushDeletions(ctx); err != nil {
		return fmt.Errorf("reclaiming space: %w", err)
	}
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("reclaiming space: %w", context.Cause(ctx))
		}
		err := s.reclaimFile(share)
		if errors.Is(err, badger.ErrNoRewrite) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reclaiming space: %w", err)
		}
	}
}

// flushDeletions makes badger count what is dead. It counts only when it compacts tables, which a store of large values hardly
// ever does on its own; dropping a prefix flushes and compacts, even for one key.
func (s *Store) flushDeletions(ctx context.Context) error {
	if err := s.write(ctx, func(txn *badger.Txn) error { return txn.Set(markerKey, nil) }); err != nil {
		return err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return ErrClosed
	}
	s.db.SetDiscardTs(s.clock.Load())
	return s.db.DropPrefix(markerKey)
}

func (s *Store) reclaimFile(share float64) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.damaged.Load():
		return errors.New("unreadable pages were met: restart first")
	}
	if err := s.checkFree(s.rewriteFloor, 0); err != nil {
		return err
	}
	defer s.holdCommits(rewriteBegins)()
	return s.db.RunValueLogGC(share)
}

// holdCommits lets those under way end and keeps others out until release is called, or for at most that long. A
// rewrite begins with noting the newest timestamp that badger has, and holds on to deletions above it alone: one with a
// lower timestamp that came after it could be lost, and what it deleted come back. Badger also reads it beside commits
// without a lock.
func (s *Store) holdCommits(longest time.Duration) (release func()) {
	s.commits.Lock()
	unlock := sync.OnceFunc(s.commits.Unlock)
	timer := time.AfterFunc(longest, unlock)
	return func() {
		timer.Stop()
		unlock()
	}
}
