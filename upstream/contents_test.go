package upstream

import (
	"bytes"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// wantPackage reads a package of the newest generation and compares it.
func wantPackage(t *testing.T, m *mirror, g catalog.Generation, p upstreamtest.Package) {
	t.Helper()
	if data, err := m.read(m.file(g, strings.TrimPrefix(p.Filename, "./"))); err != nil || !bytes.Equal(data, p.Deb) {
		t.Errorf("%s: read %d bytes, %v", p.Filename, len(data), err)
	}
}

func TestIndexesOfEveryForm(t *testing.T) {
	for _, forms := range [][]string{{""}, {"gz"}, {"xz"}, {"bz2"}, {"zst"}, {"lz4"}, {"gz", "zst"}} {
		t.Run(strings.Join(forms, " ")+"_", func(t *testing.T) {
			a := upstreamtest.New(t)
			p := a.AddPackage(upstreamtest.Package{Name: "hello"})
			a.Suite.Compressions = forms
			a.Publish()
			index := "dists/stable/main/binary-" + a.Arch + "/Packages"
			if want := strings.TrimSuffix(index+"."+forms[0], "."); a.Get(want) == nil {
				t.Skip("the compressor is not installed")
			}
			m := newMirror(t, a)
			g := m.refresh().Generation
			wantPackage(t, m, g, p)
			for _, form := range forms {
				name := strings.TrimSuffix(index+"."+form, ".")
				if data, err := m.read(m.file(g, name)); err != nil || !bytes.Equal(data, a.Get(name)) {
					t.Errorf("%s: read %d bytes, %v", name, len(data), err)
				}
			}
		})
	}
}

// Release lists forms that partial mirrors do not have; apt then asks for the
// next one.
func TestAFormThatNoMirrorHas(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	xz := "dists/stable/main/binary-" + a.Arch + "/Packages.xz"
	digest := blob.Sum(a.Get(xz))
	a.Fault(xz, upstreamtest.NotFound)
	a.Fault(byHashPath(xz, digest), upstreamtest.NotFound)
	m := newMirror(t, a)
	g := m.refresh().Generation
	wantPackage(t, m, g, p)
	if g.Missing != nil || g.Indexes[0] != strings.TrimSuffix(xz, "xz")+"gz" {
		t.Errorf("indexes %q, missing %q", g.Indexes, g.Missing)
	}
	a.ForgetRequests()
	if again := m.refresh(); again.New {
		t.Error("the same state made another generation")
	}
}

// A form with wrong bytes is no reason to look for another one.
func TestAFormWithWrongBytesIsRefused(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	xz := "dists/stable/main/binary-" + a.Arch + "/Packages.xz"
	a.Fault(xz, upstreamtest.WrongBytes)
	a.Fault(byHashPath(xz, blob.Sum(a.Get(xz))), upstreamtest.WrongBytes)
	m := newMirror(t, a)
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
		t.Error("taken in")
	}
}

// apt never asks for an index that is empty, so that archives need not have it
// in any form.
func TestAnEmptyIndexIsNotAskedFor(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	for _, name := range a.Paths() {
		if strings.Contains(name, "/source/") {
			a.Fault(name, upstreamtest.NotFound)
		}
	}
	m := newMirror(t, a)
	g := m.refresh().Generation
	wantPackage(t, m, g, p)
	if info, err := m.Blobs.Stat(m.file(g, "dists/stable/main/source/Sources").Digest); err != nil || info.Size != 0 {
		t.Errorf("the empty index in the store: %+v, %v", info, err)
	}
}

func TestSuitesWithSlashes(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddSuite("stable/updates").Codename = "stable-updates"
	p := a.AddPackage(upstreamtest.Package{Name: "fix", Suite: "stable/updates"})
	a.Publish()
	m := newMirror(t, a)
	m.archive.Suites = []string{"stable/updates"}
	g := m.refresh().Generation
	m.file(g, "dists/stable/updates/InRelease")
	wantPackage(t, m, g, p)
}

// Debian's security archive lists components like updates/main, whose files
// are under main; sources.list may have either name.
func TestComponentsWithAFolder(t *testing.T) {
	for _, configured := range []string{"main", "updates/main"} {
		t.Run(strings.ReplaceAll(configured, "/", "-"), func(t *testing.T) {
			a := upstreamtest.New(t)
			p := a.AddPackage(upstreamtest.Package{Name: "fix"})
			a.Suite.ListedComponents = []string{"updates/main", "updates/contrib"}
			a.Publish()
			m := newMirror(t, a)
			m.archive.Components = []string{configured}
			wantPackage(t, m, m.refresh().Generation, p)
		})
	}
}

func TestIndexesThatAreFetchedOnFirstRequest(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Suite.Files = map[string][]byte{}
	for _, name := range []string{"main/Contents-%s.gz", "Contents-%s.gz", "main/dep11/Components-%s.yml.xz", "main/cnf/Commands-%s.xz", "main/i18n/Translation-de.xz"} {
		name = strings.ReplaceAll(name, "%s", a.Arch)
		a.Suite.Files[name] = []byte("content of " + name)
	}
	a.Suite.Files["main/Contents-sparc.gz"] = []byte("another architecture")
	a.Suite.Architectures = append(a.Suite.Architectures, "sparc")
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	for name, data := range a.Suite.Files {
		p := "dists/stable/" + name
		if a.Count(p)+a.Count(byHashPath(p, blob.Sum(data))) != 0 {
			t.Errorf("%s was fetched before anybody asked for it", name)
		}
		if strings.Contains(name, "sparc") {
			if _, ok := m.table(g).Find(p); ok {
				t.Errorf("%s is part of the mirror", name)
			}
			continue
		}
		for _, p := range []string{p, byHashPath(p, blob.Sum(data))} {
			if got, err := m.read(m.file(g, p)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: read %q, %v", p, got, err)
			}
		}
		if n := a.Count(byHashPath(p, blob.Sum(data))); n == 0 {
			t.Errorf("%s was not asked for by its digest", name)
		}
	}
}
