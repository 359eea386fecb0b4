package inforce

import (
	"context"
	"errors"
	"sync"
)

// ErrReplaced ends what is under way of something that a reload has replaced or
// taken away.
var ErrReplaced = errors.New("the configuration has changed")

// Tenure is the time for which a part of the configuration is in force.
type Tenure struct {
	life context.Context // ends with the daemon, too
	end  context.CancelCauseFunc

	mu   sync.Mutex     // held while work begins, and while the tenure ends
	work sync.WaitGroup // of enter; nothing is added after the end
}

func newTenure(life context.Context) *Tenure {
	t := &Tenure{}
	t.life, t.end = context.WithCancelCause(life)
	return t
}

// Enter begins work that ends with the tenure, or with ctx: the cause says which
// it was. The caller calls leave when the work has ended.
func (t *Tenure) Enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life.Err() != nil {
		return nil, nil, context.Cause(t.life)
	}
	t.work.Add(1)
	ctx, over := t.Until(ctx)
	return ctx, func() { over(); t.work.Done() }, nil
}

// Over reports whether the tenure has ended.
func (t *Tenure) Over() bool { return t.life.Err() != nil }

// Until gives a context that ends with ctx and with the tenure, for what only
// begins work. The caller calls over.
func (t *Tenure) Until(ctx context.Context) (_ context.Context, over func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.life, func() { cancel(context.Cause(t.life)) })
	return ctx, func() { stop(); cancel(nil) }
}

// Retire ends the tenure; done is closed once its work has ended.
func (t *Tenure) Retire() (done <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(ErrReplaced)
	over := make(chan struct{})
	go func() {
		t.work.Wait()
		close(over)
	}()
	return over
}

// During works as long as the tenure that of gives is not over, and again with the
// one that has come then. With an error it has not worked, since of gave it or life
// ended.
func During(ctx context.Context, of func() (*Tenure, error), work func(context.Context)) error {
	for {
		t, err := of()
		if err != nil {
			return err
		}
		within, leave, err := t.Enter(ctx)
		if err != nil && !errors.Is(err, ErrReplaced) {
			return err
		}
		if err != nil {
			continue
		}
		work(within)
		replaced := errors.Is(context.Cause(within), ErrReplaced)
		if leave(); !replaced {
			return nil
		}
	}
}
