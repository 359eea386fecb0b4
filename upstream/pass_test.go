package upstream

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// full is a store that has no room left, or room only where nothing must go.
type full struct{ endless }

func (full) Reserve(context.Context, int64, bool) (func(), error) { return nil, blob.ErrNoSpace }

// passed sends a range of a file that is not stored.
func passed(t *testing.T, m *mirror, f catalog.File, off, n int64) ([]byte, error) {
	t.Helper()
	s, err := m.Pass(t.Context(), f)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if info := s.Info(); info.Digest != f.Digest || info.Size != f.Size || info.Modified.IsZero() {
		t.Errorf("info %+v", info)
	}
	var out bytes.Buffer
	sent, err := s.WriteRange(&out, off, n)
	if sent != int64(out.Len()) {
		t.Errorf("WriteRange says %d bytes, it wrote %d", sent, out.Len())
	}
	return out.Bytes(), err
}

func TestPassSendsWithoutStoring(t *testing.T) {
	for name, size := range map[string]int{"small": 5000, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			_, m, p, f := published(t, size)
			for _, r := range [][2]int64{{0, f.Size}, {0, 1}, {10, 100}, {f.Size - 1, 1}, {f.Size / 2, f.Size - f.Size/2}, {5, 0}} {
				data, err := passed(t, m, f, r[0], r[1])
				if err != nil || !bytes.Equal(data, p.Deb[r[0]:r[0]+r[1]]) {
					t.Errorf("range %v: %d bytes, %v", r, len(data), err)
				}
			}
			if _, err := m.Blobs.Stat(f.Digest); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("in the store: %v", err)
			}
			if _, err := passed(t, m, f, 1, f.Size); err == nil {
				t.Error("a range beyond the file is no error")
			}
		})
	}
}

func TestPassNeverDeliversWrongBytesWhole(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"flipped bit": upstreamtest.WrongBytes, "too long": upstreamtest.WrongLength,
		"truncated": upstreamtest.Truncate, "html": upstreamtest.HTML200,
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{5000, 3 << 20} {
				a, m, p, f := published(t, size)
				a.Fault("*.deb", fault)
				data, err := passed(t, m, f, 0, f.Size)
				if err == nil {
					t.Error("no error")
				}
				if len(data) > max(0, len(p.Deb)-blob.HoldBack) {
					t.Errorf("%d of %d bytes were delivered", len(data), len(p.Deb))
				}
				a.ClearFaults()
			}
		})
	}
}

// What comes after the last byte is nobody's business: the bytes before it match.
func TestPassReadsNoFurtherThanTheFile(t *testing.T) {
	a, m, p, f := published(t, 3<<20)
	a.Fault("*.deb", upstreamtest.Endless)
	if data, err := passed(t, m, f, 0, f.Size); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestPassGoesOnAfterABrokenConnection(t *testing.T) {
	a, m, p, f := published(t, 3<<20)
	a.FaultTimes(1, "*.deb", upstreamtest.Truncate)
	if data, err := passed(t, m, f, 0, f.Size); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestPassAsksTheNextMirrorWhileNothingWasDelivered(t *testing.T) {
	a, m, p, f := published(t, 5000)
	other := upstreamtest.New(t)
	m.archive.URIs = append([]string{other.URL() + "/"}, m.archive.URIs...) // has no such file
	if data, err := passed(t, m, f, 0, f.Size); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	m.archive.URIs = append(m.archive.URIs[1:], m.archive.URIs[1])
	a.FaultTimes(1, "*.deb", upstreamtest.WrongBytes)
	if data, err := passed(t, m, f, 0, f.Size); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("after wrong bytes: %d bytes, %v", len(data), err)
	}
}

func TestPassSaysThatAFileIsGone(t *testing.T) {
	a, m, _, f := published(t, 5000)
	a.Fault("*.deb", upstreamtest.NotFound)
	if _, err := m.Pass(t.Context(), f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	f.Archive = "another"
	if _, err := m.Pass(t.Context(), f); err == nil {
		t.Error("an archive that is not configured is no error")
	}
}

func TestAFillWithoutRoomAsksNobody(t *testing.T) {
	a, m, _, f := published(t, 3<<20)
	m.Room = full{}
	before := len(a.Requests())
	if _, err := m.read(f); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("Fill: %v", err)
	}
	if after := len(a.Requests()); after != before {
		t.Errorf("%d requests", after-before)
	}
}

func TestARefreshWithoutRoomLeavesWhatIsThere(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "one"})
	a.Publish()
	m := newMirror(t, a)
	old := m.refresh().Generation
	a.AddPackage(upstreamtest.Package{Name: "two"})
	a.Publish()
	m.Room = full{}
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("Refresh: %v", err)
	}
	if latest, err := m.Catalog.Latest(t.Context(), "test", "stable"); err != nil || latest.Number != old.Number {
		t.Errorf("generation %d, %v", latest.Number, err)
	}
	m.Room = endless{}
	if r := m.refresh(); !r.New || r.Generation.Packages != 2 {
		t.Errorf("once there is room: %+v", r)
	}
}

func TestDownloadAheadTakesNothingFromOthers(t *testing.T) {
	_, m, _, _ := published(t, 5000)
	g := m.refresh().Generation
	asked := &askedRoom{}
	m.Room = asked
	if _, err := m.Download(t.Context(), g, nil, func(Downloaded) {}); err != nil {
		t.Fatal(err)
	}
	if asked.files == 0 || asked.evicting != 0 {
		t.Errorf("%d reservations, %d of them at the cost of others", asked.files, asked.evicting)
	}
}

type askedRoom struct {
	endless
	files, evicting int
}

func (a *askedRoom) Reserve(_ context.Context, _ int64, evict bool) (func(), error) {
	a.files++
	if evict {
		a.evicting++
	}
	return func() {}, nil
}
