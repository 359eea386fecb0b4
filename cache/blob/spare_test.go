package blob

import (
	"testing"
	"time"
)

func TestAnswersAboutFreeSpaceAreBelievedShortlyAndWithMargin(t *testing.T) {
	now := time.Now()
	s := &spare{now: func() time.Time { return now }}
	if s.covers(0) {
		t.Error("covers before there was an answer")
	}
	s.note(spareMargin + 100)
	for _, c := range []struct {
		after time.Duration
		n     int64
		want  bool
	}{
		{0, 100, true},
		{0, 101, false},
		{spareFor - 1, 100, true},
		{spareFor, 0, false},
	} {
		at := now
		now = now.Add(c.after)
		if got := s.covers(c.n); got != c.want {
			t.Errorf("%d bytes after %v: %t, want %t", c.n, c.after, got, c.want)
		}
		now = at
	}
	s.note(spareMargin)
	if s.covers(1) {
		t.Error("an older answer is believed")
	}
	if (*spare)(nil).covers(0) {
		t.Error("nothing remembered covers something")
	}
}

func TestScarceFreeSpaceIsAskedForEveryTime(t *testing.T) {
	const floor = 1 << 20
	disk := &fakeDisk{free: floor + spareMargin/2}
	s := openTest(t, Options{FreeFloor: floor, free: disk.get})
	s.spare = &spare{now: time.Now}
	mustPut(t, s, testBytes(100))
	disk.set(floor - 1)
	if _, err := s.Put(t.Context(), testBytes(101), testTime); err == nil {
		t.Error("stored below the floor")
	}
}
