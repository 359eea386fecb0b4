package catalog

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

// built records a generation of repository "site" with the given packages,
// OriginPaths to contents.
func (f *fixture) built(suite, state string, packages map[string]string) Generation {
	f.t.Helper()
	all := entries(suite, state, packages)[1:] // no Release
	g := Generation{Archive: BuiltBy("site"), Suite: suite, Manifest: f.put(encode(f.t, all)), Created: testTime, Fields: f.put([]byte("Fields " + state))}
	f.put([]byte("index " + state))
	var err error
	if g.Number, err = f.AddGeneration(g); err != nil {
		f.t.Fatal(err)
	}
	return g
}

// signed stores what is signed at a time.
func (f *fixture) signed(g Generation, date time.Time) *Signed {
	f.t.Helper()
	text := fmt.Sprintf("%s of %s", g.Ref(), date)
	return &Signed{
		InRelease: f.put([]byte("InRelease " + text)), Release: f.put([]byte("Release " + text)), ReleaseGPG: f.put([]byte("Release.gpg " + text)),
		Date: date, ValidUntil: date.AddDate(0, 0, 7), Signers: []Signer{{Fingerprint: "00"}},
	}
}

// move publishes a built generation, signed at now.
func (f *fixture) move(repository string, g Generation, now time.Time) Publication {
	f.t.Helper()
	before, err := f.Publication(repository, g.Suite)
	if err != nil && !errors.Is(err, ErrNotFound) {
		f.t.Fatal(err)
	}
	p, err := f.Publish(f.t.Context(), Move{Repository: repository, Suite: g.Suite, Expect: before.Current, Next: g.Ref(), Signed: f.signed(g, now)}, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *fixture) resolve(repository, name string) File {
	f.t.Helper()
	file, err := f.Resolve(repository, name, anySuite)
	if err != nil {
		f.t.Fatalf("%s: %v", name, err)
	}
	return file
}

func TestBuiltGenerationsAreServedWithTheSignatureOfTheirPublication(t *testing.T) {
	f := newFixture(t)
	if err := f.Serve(t.Context(), map[string][]string{"site": {"stable"}, "production": {"stable"}}); err != nil {
		t.Fatal(err)
	}
	g := f.built("stable", "1", map[string]string{"pool/debian/pool/main/h/hello.deb": "hello", "pool/internal/main/t/tool.deb": "tool"})
	site := f.move("site", g, testTime)
	ring := f.move("production", g, testTime.Add(time.Hour))
	for repository, p := range map[string]Publication{"site": site, "production": ring} {
		for name, digest := range map[string]blob.Digest{"InRelease": p.Signed.InRelease, "Release": p.Signed.Release, "Release.gpg": p.Signed.ReleaseGPG} {
			file := f.resolve(repository, "dists/stable/"+name)
			info, _ := f.blobs.Stat(digest)
			if file.Digest != digest || file.Size != info.Size || file.Kind != KindRelease || !file.Modified.Equal(p.Published) {
				t.Errorf("%s of %s is %+v", name, repository, file)
			}
		}
		if file := f.resolve(repository, "dists/stable/main/binary-amd64/Packages"); file.Archive != "@site" || !file.Modified.Equal(p.Published) {
			t.Errorf("the index of %s is %+v", repository, file)
		}
	}
	for name, want := range map[string][2]string{
		"pool/debian/pool/main/h/hello.deb": {"debian", "pool/main/h/hello.deb"},
		"pool/internal/main/t/tool.deb":     {"internal", "main/t/tool.deb"},
	} {
		if file := f.resolve("production", name); [2]string{file.Archive, file.Plain} != want || file.Path != name || !file.Modified.IsZero() {
			t.Errorf("%s is %+v", name, file)
		}
	}
}

func TestSigningAgainChangesTheReleaseAlone(t *testing.T) {
	f := newFixture(t)
	f.serve("site", "stable")
	first := f.built("stable", "1", nil)
	f.move("site", first, testTime)
	second := f.built("stable", "2", nil)
	f.move("site", second, testTime.Add(time.Hour))
	p := f.move("site", second, testTime.Add(2*time.Hour))
	if p.Current != second.Ref() || p.Previous != first.Ref() || len(p.Retained) != 1 {
		t.Errorf("after signing again: %+v", p)
	}
	if file := f.resolve("site", "dists/stable/InRelease"); file.Digest != p.Signed.InRelease {
		t.Error("InRelease is still the one before")
	}
	f.reopen()
	f.serve("site", "stable")
	if file := f.resolve("site", "dists/stable/InRelease"); file.Digest != p.Signed.InRelease || !file.Modified.Equal(p.Published) {
		t.Error("after a restart, InRelease is not the last one")
	}
}

func TestPublishRefusesWhatIsNotSignedAsItMustBe(t *testing.T) {
	f := newFixture(t)
	f.serve("site", "stable")
	built, mirrored := f.built("stable", "1", nil), f.add("stable", entries("stable", "1", nil))
	before := f.move("site", built, testTime)
	good := f.signed(built, testTime.Add(time.Minute))
	for name, m := range map[string]Move{
		"built without a signature":    {Next: built.Ref()},
		"mirrored with one":            {Next: mirrored.Ref(), Signed: good},
		"without InRelease":            {Next: built.Ref(), Signed: &Signed{Release: good.Release, Date: good.Date}},
		"without Release":              {Next: built.Ref(), Signed: &Signed{InRelease: good.InRelease, Date: good.Date}},
		"with the same Date":           {Next: built.Ref(), Signed: f.signed(built, testTime.Add(time.Second/2))},
		"with a Date before":           {Next: built.Ref(), Signed: f.signed(built, testTime.Add(-time.Second))},
		"with a file not in the store": {Next: built.Ref(), Signed: &Signed{InRelease: blob.Sum([]byte("x")), Release: good.Release, Date: good.Date}},
	} {
		m.Repository, m.Suite, m.Expect = "site", "stable", before.Current
		if p, err := f.Publish(t.Context(), m, testTime.Add(time.Hour)); err == nil {
			t.Errorf("%s: published as %+v", name, p)
		}
		if file := f.resolve("site", "dists/stable/InRelease"); file.Digest != before.Signed.InRelease {
			t.Errorf("%s: clients see something else", name)
		}
	}
}

func TestWithoutItsReleaseAGenerationIsServedAsIfRetained(t *testing.T) {
	f := newFixture(t)
	g := f.built("stable", "1", map[string]string{"pool/internal/main/t/tool.deb": "tool"})
	p := f.move("site", g, testTime)
	if err := f.blobs.Delete(t.Context(), p.Signed.Release); err != nil {
		t.Fatal(err)
	}
	f.serve("site", "stable")
	if _, err := f.Resolve("site", "dists/stable/InRelease", anySuite); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("InRelease: %v", err)
	}
	f.wantFile("site", "pool/internal/main/t/tool.deb", "tool")
	if d := f.Damaged(); len(d) != 1 || !d[0].Current || !errors.Is(d[0].Err, blob.ErrNotFound) {
		t.Errorf("damaged: %+v", d)
	}
	f.move("site", g, testTime.Add(time.Hour))
	f.wantFile("site", "dists/stable/main/binary-amd64/Packages", "index 1")
}

func TestCutOriginTakesOriginPathApart(t *testing.T) {
	for _, c := range []struct{ origin, plain string }{{"debian", "pool/main/h/hello.deb"}, {"internal", "main/t/tool.deb"}} {
		if origin, plain, ok := CutOrigin(OriginPath(c.origin, c.plain)); !ok || origin != c.origin || plain != c.plain {
			t.Errorf("%v comes back as %s, %s, %v", c, origin, plain, ok)
		}
	}
	for _, name := range []string{"", "pool", "pool/", "pool/debian", "pool/debian/", "pool//x", "dists/debian/x"} {
		if _, _, ok := CutOrigin(name); ok {
			t.Errorf("%q is taken for the path of a package", name)
		}
	}
}
