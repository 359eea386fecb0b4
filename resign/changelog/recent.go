package changelog

import (
	"container/list"
	"sync"
)

// maxTexts bounds in bytes the changelogs in memory, and textOverhead is what each counts beside its own.
const (
	maxTexts     = 16 << 20
	textOverhead = 256
)

// recent keeps what was used last, up to a total cost.
type recent[K comparable, V any] struct {
	max int64

	mu    sync.Mutex // guards the rest
	cost  int64
	order list.List // of *kept[K, V], the last used first
	of    map[K]*list.Element
}

type kept[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func (r *recent[K, V]) get(key K) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.of[key]
	if !ok {
		return v, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*kept[K, V]).value, true
}

// put keeps a value, unless it alone would cost more than all may.
func (r *recent[K, V]) put(key K, value V, cost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.of[key]; known || cost > r.max {
		return
	}
	if r.of == nil {
		r.of = map[K]*list.Element{}
	}
	r.of[key] = r.order.PushFront(&kept[K, V]{key, value, cost})
	for r.cost += cost; r.cost > r.max; {
		last := r.order.Remove(r.order.Back()).(*kept[K, V])
		delete(r.of, last.key)
		r.cost -= last.cost
	}
}
