package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
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
	if _, err := m.Download(t.Context(), g, []string{"en"}, func(Downloaded) { t.Error("there was something to tell") }); err != nil {
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

// A file that is named twice, or by two suites, is fetched once.
func TestDownloadFetchesEveryContentOnce(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddSuite("other")
	for _, suite := range []string{"stable", "other"} {
		a.AddPackage(upstreamtest.Package{Name: "same", Suite: suite})
	}
	twin := a.AddPackage(upstreamtest.Package{Name: "same", Filename: "pool/main/s/same/twin.deb"})
	a.Publish()
	m := newMirror(t, a)
	m.archive.Suites = []string{"stable", "other"}
	for _, suite := range m.archive.Suites {
		r, err := m.Refresh(t.Context(), m.archive, suite)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Download(t.Context(), r.Generation, nil, func(Downloaded) {}); err != nil || got.Wanted != 1 || got.Present != 1 {
			t.Errorf("%s: got %+v, %v", suite, got, err)
		}
	}
	if n := a.Count(twin.Filename) + a.Count("pool/main/s/same/same_1.0_"+a.Arch+".deb"); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestAnInterruptedDownloadGoesOn(t *testing.T) {
	a := upstreamtest.New(t)
	var all []upstreamtest.Package
	for i := range 30 {
		all = append(all, a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("p%02d", i), Size: 2000}))
	}
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	ctx, interrupt := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	a.Fault("p2?_*.deb", func(_ http.ResponseWriter, r *http.Request, _ upstreamtest.File) {
		interrupt(stopped)
		<-r.Context().Done()
	})
	first, err := m.Download(ctx, g, nil, func(Downloaded) {})
	if !errors.Is(err, stopped) || first.Present == 0 || first.Present >= first.Wanted {
		t.Fatalf("interrupted: %+v, %v", first, err)
	}
	m.Close() // as the process would end
	here := map[string]bool{}
	for _, p := range all {
		if _, err := m.Blobs.Stat(m.file(g, p.Filename).Digest); err == nil {
			here[p.Filename] = true
		}
	}
	if len(here) < first.Present {
		t.Errorf("%d files in the store, %d were counted", len(here), first.Present)
	}
	a.ClearFaults()
	a.ForgetRequests()
	m.Upstream = New(m.Config)
	t.Cleanup(m.Upstream.Close)
	if second, err := m.Download(t.Context(), g, nil, func(Downloaded) {}); err != nil || second.Present != len(all) {
		t.Errorf("gone on: %+v, %v", second, err)
	}
	for _, p := range all {
		if n := a.Count(p.Filename); here[p.Filename] != (n == 0) {
			t.Errorf("%s: was here %v, %d requests", p.Name, here[p.Filename], n)
		}
		if data, err := m.Blobs.ReadAll(t.Context(), m.file(g, p.Filename).Digest, 1<<20); err != nil || !bytes.Equal(data, p.Deb) {
			t.Errorf("%s: %d bytes, %v", p.Name, len(data), err)
		}
	}
}

func TestDownloadGivesUpOnAnArchiveThatIsDown(t *testing.T) {
	a := upstreamtest.New(t)
	for i := range 3 * patience {
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("p%03d", i)})
	}
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	a.Fault("*.deb", upstreamtest.NotFound)
	a.ForgetRequests()
	got, err := m.Download(t.Context(), g, nil, func(Downloaded) {})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d of %[1]d files are missing", 3*patience)) || got.Present != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := len(a.Requests()); n >= 2*patience {
		t.Errorf("%d requests before it gave up", n)
	}
}

// Somebody who watches one large file sees it come.
func TestDownloadTellsOfFilesThatAreHalfHere(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "large", Size: 3 << 20})
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	goOn := make(chan struct{})
	a.Fault("*.deb", func(w http.ResponseWriter, _ *http.Request, f upstreamtest.File) {
		w.Write(f.Data[:len(f.Data)/2])
		w.(http.Flusher).Flush()
		<-goOn
		w.Write(f.Data[len(f.Data)/2:])
	})
	half := false
	got, err := m.Download(t.Context(), g, nil, func(d Downloaded) {
		if !half && d.Present == 0 && d.PresentBytes >= int64(len(p.Deb)/2) {
			half = true
			close(goOn)
		}
	})
	if err != nil || !half || got.PresentBytes != got.WantedBytes || got.WantedBytes != int64(len(p.Deb)) {
		t.Errorf("told of half of it: %v; %+v, %v", half, got, err)
	}
}
