package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// discardRatio is the part of a value-log file that must be dead before it is rewritten.
const discardRatio = 0.5

// Reclaim gives the space of deleted blobs back to the file system, file by file, rewriting those of which half is dead. It may
// run beside everything else: reads pause for 10 to 300 ms at its start, writes wait as long. It refuses after an unreadable page was
// met, because badger then can wait for ever for the file; a restart clears that.
func (s *Store) Reclaim(ctx context.Context) error {
	s.reclaiming.Lock()
	defer s.reclaiming.Unlock()
	if err := s.flushDeletions(ctx); err != nil {
		return fmt.Errorf("reclaiming space: %w", err)
	}
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("reclaiming space: %w", context.Cause(ctx))
		}
		err := s.reclaimFile()
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

func (s *Store) reclaimFile() error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.damaged.Load():
		return errors.New("unreadable pages were met: restart first")
	}
	return s.db.RunValueLogGC(discardRatio)
}
