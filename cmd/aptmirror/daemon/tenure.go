package daemon

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errReplaced ends what is under way of something that a reload has replaced or
// taken away.
var errReplaced = errors.New("the configuration has changed")

// retirePatience is how long a reload waits for what it has ended: requests to
// mirrors break off at once, what is being read or written to the store soon.
const retirePatience = 15 * time.Second

// tenure is the time for which a part of the configuration is in force.
type tenure struct {
	life context.Context // ends with the daemon, too
	end  context.CancelCauseFunc

	mu   sync.Mutex     // held while work begins, and while the tenure ends
	work sync.WaitGroup // of enter; nothing is added after the end
}

func newTenure(life context.Context) *tenure {
	t := &tenure{}
	t.life, t.end = context.WithCancelCause(life)
	return t
}

// enter begins work that ends with the tenure, or with ctx: the cause says which
// it was. The caller calls leave when the work has ended.
func (t *tenure) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life.Err() != nil {
		return nil, nil, context.Cause(t.life)
	}
	t.work.Add(1)
	ctx, over := t.until(ctx)
	return ctx, func() { over(); t.work.Done() }, nil
}

// until gives a context that ends with ctx and with the tenure, for what only
// begins work. The caller calls over.
func (t *tenure) until(ctx context.Context) (_ context.Context, over func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.life, func() { cancel(context.Cause(t.life)) })
	return ctx, func() { stop(); cancel(nil) }
}

// retire ends the tenure; done is closed once its work has ended.
func (t *tenure) retire() (done <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(errReplaced)
	over := make(chan struct{})
	go func() {
		t.work.Wait()
		close(over)
	}()
	return over
}
