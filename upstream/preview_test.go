package upstream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// stored counts what is in the store.
func (m *mirror) stored() (n int) {
	m.t.Helper()
	for _, err := range m.Blobs.All(m.t.Context()) {
		if err != nil {
			m.t.Fatal(err)
		}
		n++
	}
	return n
}

func (m *mirror) preview() Preview {
	m.t.Helper()
	p, err := m.Preview(m.t.Context(), m.archive, m.archive.Suites[0], []string{"en"}, true)
	if err != nil {
		m.t.Fatal(err)
	}
	return p
}

// What a preview says is what a refresh and a download then bring; it leaves
// nothing behind itself.
func TestPreviewTellsWhatWouldCome(t *testing.T) {
	a := upstreamtest.New(t)
	for _, name := range []string{"one", "two"} {
		a.AddPackage(upstreamtest.Package{Name: name})
	}
	a.AddSource("one", "1.0")
	a.Publish()
	m := newMirror(t, a)
	check := func(p Preview, isNew bool) {
		t.Helper()
		if p.New != isNew {
			t.Errorf("new %v, want %v", p.New, isNew)
		}
		r := m.refresh()
		if r.New != isNew || r.Fetched != p.IndexBytes || r.Generation.Packages != p.Packages || !r.Generation.Date.Equal(p.Date) {
			t.Errorf("the preview was %+v, the refresh %+v", p, r)
		}
		first := true
		if _, err := m.Download(t.Context(), r.Generation, []string{"en"}, func(Downloaded) { first = false }); err != nil {
			t.Error(err)
		}
		after := m.preview().Files
		if after.Wanted != p.Files.Wanted || after.WantedBytes != p.Files.WantedBytes || after.Present != after.Wanted || after.PresentBytes != after.WantedBytes {
			t.Errorf("the preview said %+v, after the download it says %+v", p.Files, after)
		}
		if came := p.Files.Present < p.Files.Wanted; came == first {
			t.Errorf("the preview said %+v, something came: %v", p.Files, came)
		}
	}
	before := m.stored()
	p := m.preview()
	if seen, err := m.Catalog.Check("test", "stable"); m.stored() != before || err != nil || !seen.At.IsZero() {
		t.Errorf("it left %d files and %+v (%v)", m.stored()-before, seen, err)
	}
	if _, err := m.Catalog.Latest(t.Context(), "test", "stable"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("it left a generation (%v)", err)
	}
	if p.Indexes != 2 || p.Packages != 5 || p.Files.Wanted != 6 || p.Files.Present != 0 {
		t.Errorf("got %+v", p)
	}
	check(p, true)
	check(m.preview(), false)
	a.AddPackage(upstreamtest.Package{Name: "three"})
	a.Publish()
	p = m.preview()
	if p.Files.Wanted-p.Files.Present != 2 { // the package and the translation
		t.Errorf("got %+v", p)
	}
	check(p, true)
}

func TestPreviewRefusesWhatRefreshDoes(t *testing.T) {
	for name, fault := range map[string]func(a *upstreamtest.Archive){
		"unsigned": func(a *upstreamtest.Archive) { a.Publish(upstreamtest.Unsigned()) },
		"replayed": func(a *upstreamtest.Archive) { a.Replay(1) },
		"wrong index": func(a *upstreamtest.Archive) {
			a.Fault("dists/stable/main/binary-*/by-hash/*/*", upstreamtest.WrongBytes)
			a.Fault("Packages.xz", upstreamtest.WrongBytes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "one"})
			a.Publish()
			m := newMirror(t, a)
			if name == "replayed" {
				a.Publish()
				m.refresh()
			}
			fault(a)
			_, err := m.Preview(t.Context(), m.archive, "stable", nil, true)
			if refused := (*RefusedError)(nil); !errors.As(err, &refused) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPreviewWithoutWhatIsOptional(t *testing.T) {
	a, patch := patched(t)
	a.Suite.AcquireByHash = false
	udebs := "main/debian-installer/binary-" + a.Arch + "/Packages"
	a.Suite.Files[udebs], a.Suite.Files[udebs+".gz"] = []byte("unread"), []byte("unread")
	a.Publish()
	a.Fault("Index", upstreamtest.NotFound)
	a.Fault("dists/stable/"+udebs+"*", upstreamtest.NotFound)
	m := newMirror(t, a)
	p := m.preview()
	if len(p.Missing) != 2 || p.Packages != 61 || !p.New {
		t.Errorf("%s: got %+v", patch, p)
	}
	if g := m.refresh().Generation; !slices.Equal(g.Missing, p.Missing) {
		t.Errorf("the preview misses %q, the refresh %q", p.Missing, g.Missing)
	}
	if p := m.preview(); p.New || len(p.Missing) != 2 {
		t.Errorf("after a refresh: %+v", p)
	}
}

// Where packages come on demand, a preview costs a Release.
func TestPreviewOfMetadataAlone(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "one"})
	a.Publish()
	m := newMirror(t, a)
	look := func() Preview {
		t.Helper()
		a.ForgetRequests()
		p, err := m.Preview(t.Context(), m.archive, "stable", nil, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Requests() {
			if !strings.Contains(r.Path, "Release") {
				t.Errorf("it asked for %s", r.Path)
			}
		}
		return p
	}
	if p := look(); !p.New || p.Indexes != 1 || p.IndexBytes != int64(len(a.Get("dists/stable/main/binary-"+a.Arch+"/Packages.xz"))) {
		t.Errorf("got %+v", p)
	}
	m.refresh()
	if p := look(); p.New || p.Indexes != 0 {
		t.Errorf("after a refresh: %+v", p)
	}
}
