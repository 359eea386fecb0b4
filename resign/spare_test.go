package resign

import (
	"testing"

	"aptmirror/policy"
)

func TestMemoryOfASelectionServesTheNext(t *testing.T) {
	s := &spare{}
	text := make([]byte, 10, 100)
	s.use(text)
	if room := s.text(50); room != nil {
		t.Errorf("a text in use was given as room for another: %p", room)
	}
	first := &Selection{Set: &policy.Set{Packages: make([]policy.Package, 3)}, places: make([]placed, 3)}
	s.takeBack(first)
	next := &Selection{Set: &policy.Set{}}
	s.lend(next)
	if len(next.Set.Packages) != 0 || cap(next.Set.Packages) != 3 || len(next.places) != 0 || cap(next.places) != 3 {
		t.Errorf("got room for %d packages, %d places", cap(next.Set.Packages), cap(next.places))
	}
	if room := s.text(100); room != nil {
		t.Errorf("got %d bytes as room for 100, whose end would not be seen", cap(room))
	}
	if room := s.text(99); cap(room) != 100 || &room[0] != &text[0] {
		t.Errorf("the memory of the text was not used again, but %d bytes", cap(room))
	}
	if room := s.text(50); room != nil {
		t.Error("the memory of a text was given twice")
	}
	if room := (*spare)(nil).text(50); room != nil {
		t.Error("nothing gave room")
	}
}
