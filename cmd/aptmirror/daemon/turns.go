package daemon

import (
	"context"
	"sync"
)

// turns lets each of many do one thing at a time. The zero value waits for
// nobody.
type turns struct {
	mu sync.Mutex // guards of, and users in it
	of map[string]*turn
}

// turn is there as long as somebody has or wants it.
type turn struct {
	slot  chan struct{}
	users int
}

// take waits until nothing else goes on in the same name.
func (t *turns) take(ctx context.Context, name string) (free func(), err error) {
	own := t.want(name)
	end, err := takeSlot(ctx, own.slot)
	if err != nil {
		t.leave(name)
		return nil, err
	}
	return func() { end(); t.leave(name) }, nil
}

func (t *turns) want(name string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	if t.of[name] == nil {
		t.of[name] = &turn{slot: make(chan struct{}, 1)}
	}
	t.of[name].users++
	return t.of[name]
}

func (t *turns) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[name].users--; t.of[name].users == 0 {
		delete(t.of, name)
	}
}
