package wait

import (
	"context"
	"sync"
)

// Turns lets each of many do one thing at a time. The zero value waits for
// nobody.
type Turns struct {
	mu sync.Mutex // guards of, and users in it
	of map[string]*turn
}

// turn is there as long as somebody has or wants it.
type turn struct {
	slot  chan struct{}
	users int
}

// Take waits until nothing else goes on in the same name.
func (t *Turns) Take(ctx context.Context, name string) (free func(), err error) {
	own := t.want(name)
	end, err := Slot(ctx, own.slot)
	if err != nil {
		t.leave(name)
		return nil, err
	}
	return func() { end(); t.leave(name) }, nil
}

func (t *Turns) want(name string) *turn {
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

func (t *Turns) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[name].users--; t.of[name].users == 0 {
		delete(t.of, name)
	}
}
