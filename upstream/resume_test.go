package upstream

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// A part that is not the rest of the same file is never put behind what came
// before: the file is fetched anew.
func TestOnlyTheRestOfTheSameFileIsTaken(t *testing.T) {
	withDate := func(date string) upstreamtest.Fault {
		return func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
			w.Header().Set("Last-Modified", date)
			w.Write(f.Data)
		}
	}
	otherHalf := func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		f.Data = bytes.Clone(f.Data)
		f.Data[0] ^= 1
		upstreamtest.Truncate(w, r, f)
	}
	for name, tc := range map[string]struct {
		first, second upstreamtest.Fault
		requests      int
	}{
		"wrong range":        {upstreamtest.Truncate, upstreamtest.WrongRange, 3},
		"another date":       {upstreamtest.Truncate, withDate("Sat, 01 Jan 2000 00:00:00 GMT"), 3},
		"parts of two files": {otherHalf, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			a, m, p, f := published(t, 3<<20)
			if tc.second != nil {
				a.FaultTimes(2, "*.deb", tc.second)
			}
			a.FaultTimes(1, "*.deb", tc.first)
			if err := m.fetchWhole(t.Context(), f, demand{}); err != nil {
				t.Fatal(err)
			}
			if data, err := m.Blobs.ReadAll(t.Context(), f.Digest, f.Size); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			if n := a.Count(p.Filename); n != tc.requests {
				t.Errorf("%d requests, want %d", n, tc.requests)
			}
			if got := m.Mirrors(m.archive)[0]; !got.LastUntil.IsZero() {
				t.Errorf("the mirror is set aside: %+v", got)
			}
		})
	}
}

// Without something to prove that the file is the same, no range is asked for.
func TestNoRangeWithoutAValidator(t *testing.T) {
	a, m, p, f := published(t, 3<<20)
	a.Fault("*.deb", upstreamtest.NoLastModified)
	a.FaultTimes(1, "*.deb", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		w.Write(f.Data[:1<<20])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if err := m.fetchWhole(t.Context(), f, demand{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range a.Requests() {
		if r.Path == p.Filename && r.Header.Get("Range") != "" {
			t.Errorf("asked for %s", r.Header.Get("Range"))
		}
	}
}

// An index is another one after every update: what came of it before is worth
// nothing.
func TestAnIndexIsNeverResumed(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Suite.AcquireByHash = false
	a.Publish()
	a.FaultTimes(2, "Packages.xz", upstreamtest.Truncate)
	m := newMirror(t, a)
	m.refresh()
	asked := 0
	for _, r := range a.Requests() {
		if strings.HasSuffix(r.Path, "Packages.xz") {
			asked++
			if r.Header.Get("Range") != "" {
				t.Errorf("asked for %s of an index", r.Header.Get("Range"))
			}
		}
	}
	if asked != 3 {
		t.Errorf("%d requests, want 3", asked)
	}
}
