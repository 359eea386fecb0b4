package blob

import (
	"sync/atomic"
	"time"
)

const (
	// spareFor is how long an answer about free space is believed, and spareMargin the bytes (1 GiB) that it must have had beyond what is
	// asked for: more than all processes of a machine write in that time. Asking costs about as much as storing a small file.
	spareFor    = 20 * time.Millisecond
	spareMargin = 1 << 30
)

// spare remembers the last answer of the file system about its free space. A nil one remembers nothing.
type spare struct {
	now  func() time.Time
	last atomic.Pointer[spareAnswer]
}

type spareAnswer struct {
	free int64 // bytes
	at   time.Time
}

func (s *spare) note(free int64) {
	if s != nil {
		s.last.Store(&spareAnswer{free, s.now()})
	}
}

// covers says that there are certainly n bytes. That there are not, only the file system can say.
func (s *spare) covers(n int64) bool {
	if s == nil {
		return false
	}
	a := s.last.Load()
	return a != nil && a.free-spareMargin >= n && s.now().Sub(a.at) < spareFor
}
