package resign

import (
	"slices"

	"aptmirror/policy"
)

// spare is the memory of selections that nobody uses any more, of which the next
// architecture needs as much again. A nil one keeps nothing.
type spare struct {
	used     [][]byte // texts of the selection being made
	free     [][]byte
	packages []policy.Package
	places   []placed
}

// text gives room for a text of a known size, nil where there is none.
func (s *spare) text(size int64) (room []byte) {
	if s == nil || size <= 0 {
		return nil
	}
	i := slices.IndexFunc(s.free, func(t []byte) bool { return int64(cap(t)) > size })
	if i < 0 {
		return nil
	}
	room = s.free[i]
	s.free = slices.Delete(s.free, i, i+1)
	return room
}

// use notes a text that is part of the selection being made.
func (s *spare) use(text []byte) {
	if s != nil {
		s.used = append(s.used, text)
	}
}

// lend gives a new selection room for packages.
func (s *spare) lend(to *Selection) {
	if s != nil {
		to.Set.Packages, to.places = s.packages, s.places
		s.packages, s.places = nil, nil
	}
}

// takeBack takes the memory of a selection that was used for the last time.
func (s *spare) takeBack(from *Selection) {
	s.free, s.used = append(s.free, s.used...), nil
	s.packages, s.places = from.Set.Packages[:0], from.places[:0]
}
