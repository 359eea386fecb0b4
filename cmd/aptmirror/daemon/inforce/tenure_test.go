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

// Work is done again with what has come, and not at all once life has ended.
func TestDuring(t *testing.T) {
	life, stop := context.WithCancelCause(t.Context())
	first, second := newTenure(life), newTenure(life)
	now, times, leaves := first, 0, errors.New("the daemon ends")
	of := func() (*Tenure, error) { return now, nil }
	err := During(t.Context(), of, func(ctx context.Context) {
		if times++; now == first {
			now = second
			first.Retire()
			<-ctx.Done()
		} else if ctx.Err() != nil {
			t.Error("the second tenure is over:", context.Cause(ctx))
		}
	})
	if err != nil || times != 2 {
		t.Errorf("worked %d times: %v", times, err)
	}
	stop(leaves)
	if err := During(t.Context(), of, func(context.Context) { t.Error("it works after the end") }); !errors.Is(err, leaves) {
		t.Errorf("after the end: %v", err)
	}
}
