package upstream

import (
	"path"
	"strings"
	"testing"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

func TestDownloadBringsEverything(t *testing.T) {
	a := upstreamtest.New(t)
	for _, name := range []string{"one", "two", "three"} {
		a.AddPackage(upstreamtest.Package{Name: name, Description: name + "\nA longer text about it."})
	}
	a.AddSource("one", "1.0")
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	last := Downloaded{}
	got, err := m.Download(t.Context(), g, []string{"en"}, func(d Downloaded) { last = d })
	if err != nil {
		t.Fatal(err)
	}
	if got.Present != got.Wanted || got.PresentBytes != got.WantedBytes || last != got {
		t.Errorf("got %+v, last progress %+v", got, last)
	}
	translations := 0
	for e := range m.table(g).All() {
		_, err := m.Blobs.Stat(e.Digest)
		if e.Kind == catalog.KindPackage && err != nil {
			t.Errorf("%s is not in the store: %v", e.Path, err)
		}
		if e.Kind == catalog.KindIndex && strings.HasPrefix(path.Base(e.Path), "Translation-en") && err == nil {
			translations++
		}
	}
	if translations != 1 {
		t.Errorf("%d forms of the translation are in the store, want the one that apt prefers", translations)
	}
	a.ForgetRequests()
	if _, err := m.Download(t.Context(), g, []string{"en"}, func(Downloaded) { t.Error("fetched a file again") }); err != nil {
		t.Error(err)
	}
	if r := a.Requests(); len(r) != 0 {
		t.Errorf("a second download made requests: %v", r)
	}
}

func TestDownloadGoesOnAfterAFailure(t *testing.T) {
	a := upstreamtest.New(t)
	bad := a.AddPackage(upstreamtest.Package{Name: "bad"})
	good := a.AddPackage(upstreamtest.Package{Name: "good"})
	a.Publish()
	a.Fault(bad.Filename, upstreamtest.WrongBytes)
	m := newMirror(t, a)
	g := m.refresh().Generation
	got, err := m.Download(t.Context(), g, nil, func(Downloaded) {})
	if err == nil || !strings.Contains(err.Error(), bad.Filename) || got.Present != got.Wanted-1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := m.Blobs.Stat(m.file(g, good.Filename).Digest); err != nil {
		t.Errorf("the good file is not in the store: %v", err)
	}
}
