package resign

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/deb822"
)

var testNow = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// store is a state directory with what resign reads, put there by hand.
type store struct {
	*cache.Cache
	t   testing.TB
	now time.Time
}

func newStore(t testing.TB) *store {
	t.Helper()
	c, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &store{c, t, testNow}
}

func (s *store) builder() *Builder {
	return &Builder{Blobs: s.Blobs, Catalog: s.Catalog, Room: s.Cache, Now: func() time.Time { return s.now }}
}

func (s *store) put(data []byte) blob.Digest {
	s.t.Helper()
	d, err := s.Blobs.Put(s.t.Context(), data, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// mirror makes a generation of an archive with the files below the folder of a
// suite, each in the form that its name says: "main/binary-amd64/Packages.xz" is
// given in plain.
func (s *store) mirror(archive, suite string, files map[string]string) Input {
	s.t.Helper()
	g := catalog.Generation{Archive: archive, Suite: suite, Origin: strings.ToTitle(archive), Date: s.now, Created: s.now}
	var m catalog.Manifest
	for name, text := range files {
		plain, format := compress.FormatOf(name)
		data := pressed(s.t, format, []byte(text))
		for _, f := range []struct {
			name string
			data []byte
		}{{name, data}, {plain, []byte(text)}} {
			p := catalog.SuiteDir(suite) + f.name
			m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindIndex, Size: int64(len(f.data)), Digest: blob.Sum(f.data)})
		}
		s.put(data)
		if base := path.Base(plain); base == "Packages" || base == "Sources" {
			g.Indexes = append(g.Indexes, catalog.SuiteDir(suite)+name)
		}
	}
	slices.Sort(g.Indexes)
	raw, err := m.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	g.Manifest = s.put(raw)
	g.Release = s.put(fmt.Appendf(nil, "Origin: %s\nSuite: %s\nCodename: %s\nDate: %s\nSHA256:\n", g.Origin, suite, suite+"-name", s.now.Format(releaseDate)))
	if g.Number, err = s.Catalog.AddGeneration(g); err != nil {
		s.t.Fatal(err)
	}
	return Input{Name: "archive:" + archive + "/" + suite, Generation: &g}
}

// pressed compresses with the format's own tool where Go has none.
func pressed(t testing.TB, f compress.Format, data []byte) []byte {
	t.Helper()
	tool := map[compress.Format][]string{compress.XZ: {"xz", "-0c"}, compress.Bzip: {"bzip2", "-c"}, compress.Gzip: {"gzip", "-nc"}}[f]
	if tool == nil {
		return data
	}
	if _, err := exec.LookPath(tool[0]); err != nil {
		t.Skipf("%s is not installed", tool[0])
	}
	cmd := exec.Command(tool[0], tool[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stanza is a package of an archive as its index has it.
func stanza(name, version, arch string, more ...string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\n%sFilename: pool/main/%s/%s_%s_%s.deb\nSize: %d\nSHA256: %s\nDescription-md5: %032x\n\n",
		name, version, arch, lines(more), name, name, version, arch, 1000+len(name), digestOf(name, version, arch), len(name))
}

func lines(more []string) string {
	if len(more) == 0 {
		return ""
	}
	return strings.Join(more, "\n") + "\n"
}

// digestOf is the digest that stanza gives a package.
func digestOf(name, version, arch string) blob.Digest { return blob.Sum([]byte(name + version + arch)) }

// sourceStanza is a source package of an archive as its index has it.
func sourceStanza(name, version string) string {
	dsc := fmt.Sprintf("%s_%s.dsc", name, version)
	return fmt.Sprintf("Package: %s\nVersion: %s\nDirectory: pool/main/%s\nChecksums-Sha256:\n %s 900 %s\n\n", name, version, name, blob.Sum([]byte(dsc)), dsc)
}

func (s *store) build(r Recipe) Built {
	s.t.Helper()
	built, err := s.builder().Build(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return built
}

// recipe is for suite "stable" of repository "site", amd64.
func recipe(from ...Input) Recipe {
	return Recipe{Repository: "site", Suite: "stable", From: from}
}

func rules(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test", "test.rules", 1, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *store) table(g catalog.Generation) *catalog.Table {
	s.t.Helper()
	table, err := s.Catalog.Table(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	return table
}

// index reads an index of a built generation; it fails where there is none.
func (s *store) index(g catalog.Generation, name string) string {
	s.t.Helper()
	e, ok := s.table(g).Find("dists/" + g.Suite + "/" + name + ".gz")
	if !ok {
		e, ok = s.table(g).Find("dists/" + g.Suite + "/" + name)
		if !ok || e.Size > 0 {
			s.t.Fatalf("%s: there is no %s", g.Ref(), name)
		}
		return ""
	}
	gz, err := s.Blobs.ReadAll(s.t.Context(), e.Digest, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.checkListed(g, name, text)
	return string(text)
}

// checkListed sees that Release says the same of an index.
func (s *store) checkListed(g catalog.Generation, name string, text []byte) {
	s.t.Helper()
	fields, err := ReadFields(s.t.Context(), s.Blobs, g)
	if err != nil {
		s.t.Fatal(err)
	}
	want := fmt.Sprintf(" %x %8d %s\n", sha256.Sum256(text), len(text), name)
	if !strings.Contains(fields.Listing, want) {
		s.t.Errorf("Release does not say %q:\n%s", want, fields.Listing)
	}
}

// packages gives name and version of what an index lists.
func packages(t testing.TB, index string) (list []string) {
	t.Helper()
	sc := deb822.NewBytesScanner([]byte(index), deb822.Limits{})
	for sc.Scan() {
		name, _ := sc.Stanza().Get("Package")
		version, _ := sc.Stanza().Get("Version")
		list = append(list, string(name)+" "+string(version))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// pool puts packages into a pool; files are their control stanzas.
func (s *store) pool(name string, controls ...string) Input {
	s.t.Helper()
	var files []catalog.PoolFile
	for _, control := range controls {
		st, err := deb822.ParseOne([]byte(control), deb822.Limits{})
		if err != nil {
			s.t.Fatal(err)
		}
		get := func(field string) string { v, _ := st.Get(field); return string(v) }
		deb := []byte("deb of " + control)
		files = append(files, catalog.PoolFile{
			Pool: name, Component: "main", Kind: catalog.PoolDeb, Package: get("Package"), Version: get("Version"), Architecture: get("Architecture"),
			Path:   fmt.Sprintf("main/%s/%s_%s_%s.deb", get("Package"), get("Package"), get("Version"), get("Architecture")),
			Digest: s.put(deb), Size: int64(len(deb)), Stanza: s.put([]byte(control)), Added: s.now,
			Paths: s.put([]byte("usr/bin/" + get("Package") + "\n")),
		})
	}
	if err := s.Catalog.AddPoolFiles(s.t.Context(), name, files); err != nil {
		s.t.Fatal(err)
	}
	all, err := s.Catalog.PoolFiles(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return Input{Name: "pool:" + name, Pool: name, Files: all}
}

// spoil makes a blob one that cannot be parsed or found as what it was.
func (s *store) spoil(d blob.Digest) {
	s.t.Helper()
	if err := s.Blobs.Delete(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}
