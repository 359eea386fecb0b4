package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// published gives a mirror that knows one package of a size but has not
// fetched it.
func published(t *testing.T, bytes int) (*upstreamtest.Archive, *mirror, upstreamtest.Package, catalog.File) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "big", Size: bytes})
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	return a, m, p, m.file(g, p.Filename)
}

func TestFillStoresWhatWasAskedFor(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{"plain": nil, "no date": upstreamtest.NoLastModified, "200 to all": upstreamtest.Always200} {
		t.Run(name, func(t *testing.T) {
			a, m, p, f := published(t, 3<<20)
			if fault != nil {
				a.Fault("*.deb", fault)
			}
			data, err := m.read(f)
			if err != nil || !bytes.Equal(data, p.Deb) {
				t.Fatalf("read %d bytes, %v", len(data), err)
			}
			if _, err := m.Blobs.Stat(f.Digest); err != nil {
				t.Errorf("not in the store: %v", err)
			}
		})
	}
}

func TestWrongBytesAreNeverDeliveredWhole(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"flipped bit": upstreamtest.WrongBytes, "too long": upstreamtest.WrongLength, "endless": upstreamtest.Endless, "truncated": upstreamtest.Truncate, "html": upstreamtest.HTML200,
	} {
		t.Run(name, func(t *testing.T) {
			a, m, p, f := published(t, 3<<20)
			a.Fault("*.deb", fault)
			data, err := m.read(f)
			if err == nil {
				t.Error("no error")
			}
			if len(data) > len(p.Deb)-blob.HoldBack {
				t.Errorf("%d of %d bytes were delivered", len(data), len(p.Deb))
			}
			if _, err := m.Blobs.Stat(f.Digest); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("in the store: %v", err)
			}
			a.ClearFaults()
			m.rest()
			if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("afterwards: read %d bytes, %v", len(data), err)
			}
		})
	}
}

func TestABrokenConnectionIsResumed(t *testing.T) {
	for name, second := range map[string]upstreamtest.Fault{"with a range": nil, "range ignored": upstreamtest.IgnoreRange} {
		t.Run(name, func(t *testing.T) {
			a, m, p, f := published(t, 3<<20)
			if second != nil {
				a.Fault("*.deb", second)
			}
			a.FaultTimes(1, "*.deb", upstreamtest.Truncate)
			if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			if n := a.Count(p.Filename); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

func TestAMirrorThatLiesIsPassedOver(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "small", Size: 1000})
	a.Publish()
	m := newMirror(t, a, a.Mirror().URL())
	f := m.file(m.refresh().Generation, p.Filename)
	a.Fault("*.deb", upstreamtest.WrongBytes)
	if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	now := time.Now()
	if got := m.healthOf(m.archive).order(m.archive.URIs, m.archive.URIs[0], now); got[0] == m.archive.URIs[0] {
		t.Errorf("the mirror that lied is still asked first: %q", got)
	}
	if got := m.healthOf(m.archive).order(m.archive.URIs, "", now.Add(2*liePause)); got[0] != m.archive.URIs[0] {
		t.Errorf("the mirror that lied once is set aside for ever: %q", got)
	}
}

func TestAMissingFileIsToldFromABrokenMirror(t *testing.T) {
	a, m, _, f := published(t, 1000)
	a.Fault("*.deb", upstreamtest.NotFound)
	if _, err := m.read(f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("404: got %v", err)
	}
	m.rest()
	a.Fault("*.deb", upstreamtest.Status(http.StatusServiceUnavailable, ""))
	if _, err := m.read(f); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("503: got %v", err)
	}
}

func TestManyReadersShareOneFill(t *testing.T) {
	a, m, p, f := published(t, 5<<20)
	release := make(chan struct{})
	a.Fault("*.deb", func(w http.ResponseWriter, r *http.Request, file upstreamtest.File) {
		<-release
		w.Write(file.Data)
	})
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
		})
	}
	close(release)
	readers.Wait()
	if n := a.Count(p.Filename); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

func TestAFillGoesOnWhenItsReaderLeaves(t *testing.T) {
	a, m, p, f := published(t, 3<<20)
	half := make(chan struct{})
	a.Fault("*.deb", func(w http.ResponseWriter, r *http.Request, file upstreamtest.File) {
		w.Write(file.Data[:len(file.Data)/2])
		w.(http.Flusher).Flush()
		<-half
		w.Write(file.Data[len(file.Data)/2:])
	})
	ctx, cancel := context.WithCancel(t.Context())
	follower, err := m.Fill(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := follower.WriteRange(io.Discard, 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	cancel()
	follower.Close()
	close(half)
	if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if n := a.Count(p.Filename); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

// A request can miss a file in the store and come here when the fill that
// brought it has just ended.
func TestAFillOfWhatIsStoredAsksNobody(t *testing.T) {
	a, m, p, f := published(t, 1<<20)
	for range 2 {
		if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
			t.Errorf("read %d bytes, %v", len(data), err)
		}
		m.fills.Wait()
	}
	if n := a.Count(p.Filename); n != 1 {
		t.Errorf("%d requests upstream, want 1", n)
	}
}

// Wrong bytes and right ones must not have the same date: a client that holds
// the beginning of the wrong ones asks for the rest by that date.
func TestEveryAttemptHasADateOfItsOwn(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "big", Size: 3 << 20})
	a.Publish()
	second := a.Mirror()
	a.Fault("*.deb", upstreamtest.WrongBytes)
	release := make(chan struct{})
	second.Fault("*.deb", func(w http.ResponseWriter, r *http.Request, file upstreamtest.File) {
		<-release
		w.Write(file.Data)
	})
	m := newMirror(t, a, second.URL())
	f := m.file(m.refresh().Generation, p.Filename)
	wrong, err := m.Fill(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if _, err := wrong.WriteRange(io.Discard, 0, f.Size); err == nil {
		t.Fatal("wrong bytes were delivered whole")
	}
	close(release)
	right, err := m.Fill(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer right.Close()
	if w, r := wrong.Info().Modified, right.Info().Modified; !r.After(w) {
		t.Errorf("wrong bytes are dated %s, right ones %s", w, r)
	}
}

func TestCloseEndsFills(t *testing.T) {
	a, m, _, f := published(t, 3<<20)
	a.Fault("*.deb", upstreamtest.Stall)
	follower, err := m.Fill(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	m.Close()
	if _, err := follower.WriteRange(io.Discard, 0, f.Size); !errors.Is(err, errClosed) {
		t.Errorf("the reader got %v", err)
	}
	if _, err := m.Fill(t.Context(), f); !errors.Is(err, errClosed) {
		t.Errorf("a later fill got %v", err)
	}
}
