package inforce

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestWorkEndsWithItsTenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTenure(t.Context())
		ctx, leave, err := u.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		loop, over := u.Until(t.Context())
		defer over()
		done := u.Retire()
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), ErrReplaced) || !errors.Is(context.Cause(loop), ErrReplaced) {
			t.Errorf("the causes are %v and %v", context.Cause(ctx), context.Cause(loop))
		}
		if _, _, err := u.Enter(t.Context()); !errors.Is(err, ErrReplaced) {
			t.Errorf("work begins afterwards: %v", err)
		}
		select {
		case <-done:
			t.Error("it does not wait for the work")
		default:
		}
		leave()
		<-done
	})
}

// Who asked learns that it was they who left, or that the daemon ends.
func TestWorkEndsForItsOwnReasons(t *testing.T) {
	errClosing := errors.New("the daemon ends")
	life, stop := context.WithCancelCause(t.Context())
	u := newTenure(life)
	asked, cancel := context.WithCancel(t.Context())
	ctx, leave, err := u.Enter(asked)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who asked has left: %v", err)
	}
	leave()
	stop(errClosing)
	if _, _, err := u.Enter(t.Context()); !errors.Is(err, errClosing) {
		t.Errorf("the daemon ends: %v", err)
	}
}
