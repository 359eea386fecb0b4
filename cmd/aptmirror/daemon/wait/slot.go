// Package wait waits for a slot, for a turn, or for a time to pass, and no
// longer than a context.
package wait

import (
	"context"
	"time"
)

// Slot takes the one slot of a channel, or one of several, which free gives
// back.
func Slot(ctx context.Context, slot chan struct{}) (free func(), err error) {
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// For lets that time pass. It is false where ctx ends before.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
