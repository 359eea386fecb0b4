package resign

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

func long(name, md5, text string) string {
	return "Package: " + name + "\nDescription-md5: " + strings.Repeat("0", 32-len(md5)) + md5 + "\nDescription-en: " + text + "\n more\n\n"
}

func TestTranslationsAreOfWhatRemains(t *testing.T) {
	s := newStore(t)
	all := long("aaa", "3", "first") + long("aaa", "4", "of another version") + long("bbb", "3", "second") + long("ccc", "3", "third")
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64: joined(stanza("aaa", "1", "amd64"), stanza("bbb", "1", "amd64"), stanza("ccc", "1", "amd64")), "main/i18n/Translation-en.bz2": all, "main/i18n/Translation-de.gz": all,
	})
	other := s.mirror("vendor", "stable", map[string]string{amd64: joined(stanza("ddd", "1", "amd64")), "main/i18n/Translation-en": long("ccc", "3", "again") + long("ddd", "3", "fourth")})
	r := recipe(in, other)
	r.Policy = rules(t, "deny ?exact-name(bbb)\nallow ?true\n")
	r.Languages = []string{"en"}
	g := s.build(r).Generation
	want := long("aaa", "3", "first") + long("ccc", "3", "third") + long("ddd", "3", "fourth")
	if diff := cmp.Diff(want, s.index(g, "main/i18n/Translation-en")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, ok := s.table(g).Find("dists/stable/main/i18n/Translation-de.gz"); ok {
		t.Error("a language that is not asked for is there")
	}
}

func TestContentsAreOfWhatRemains(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64:                    joined(stanza("aaa", "1", "amd64"), stanza("bbb", "1", "amd64")),
		"main/Contents-amd64.gz": "bin/a with blank    net/aaa,games/bbb\nbin/b\tbbb\nbin/c\tadmin/aaa\n", "main/Contents-arm64": "bin/z\taaa\n", "main/Contents-udeb-amd64": "x\taaa\n",
		"Contents-amd64": "top\tnet/aaa\n",
	})
	other := s.mirror("vendor", "stable", map[string]string{amd64: joined(stanza("ddd", "1", "amd64")), "main/Contents-amd64": "bin/a\tddd\nbin/c\tadmin/aaa,ddd\n"})
	r := recipe(in, other)
	r.Policy = rules(t, "deny ?exact-name(bbb)\nallow ?true\n")
	g := s.build(r).Generation
	want := "bin/a\tddd\nbin/a with blank\tnet/aaa\nbin/c\tadmin/aaa,ddd\n"
	if diff := cmp.Diff(want, s.index(g, "main/Contents-amd64")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff("top\tnet/aaa\n", s.index(g, "Contents-amd64")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for e := range s.table(g).All() {
		if strings.Contains(e.Path, "arm64") || strings.Contains(e.Path, "udeb") {
			t.Errorf("the manifest has %s", e.Path)
		}
	}
}

// Large files beside the packages are read again only where that changes them.
func TestOthersAreTakenOver(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64: joined(stanza("aaa", "1", "amd64"), stanza("bbb", "1", "amd64")), "main/Contents-amd64": "bin/a\taaa,bbb\n", "main/i18n/Translation-en": long("aaa", "3", "first"),
	})
	r := recipe(in)
	first := s.build(r).Generation
	for _, other := range []string{"main/Contents-amd64", "main/i18n/Translation-en"} {
		e, _ := s.table(*in.Generation).Find("dists/bookworm/" + other)
		s.spoil(e.Digest)
	}
	r.From = append(r.From, s.pool("internal", "Package: ppp\nVersion: 1\nArchitecture: all\n"))
	second := s.build(r).Generation
	for _, other := range []string{"main/Contents-amd64", "main/i18n/Translation-en"} {
		if s.index(first, other) != s.index(second, other) {
			t.Errorf("%s is another", other)
		}
	}
}

func TestOthersThatTheStoreLacksAreMissing(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64"), "main/Contents-amd64.gz": "bin/a\taaa\n"})
	for _, name := range []string{"main/Contents-amd64.gz", "main/Contents-amd64"} {
		e, _ := s.table(*in.Generation).Find("dists/bookworm/" + name)
		_ = s.Blobs.Delete(t.Context(), e.Digest)
	}
	g := s.build(recipe(in)).Generation
	if want := []string{"dists/bookworm/main/Contents-amd64"}; !cmp.Equal(g.Missing, want) {
		t.Errorf("%v", g.Missing)
	}
	if _, ok := s.table(g).Find("dists/stable/main/Contents-amd64.gz"); ok {
		t.Error("there are contents out of nothing")
	}
	s.put([]byte("bin/a\taaa\n"))
	if g = s.build(recipe(in)).Generation; len(g.Missing) > 0 || s.index(g, "main/Contents-amd64") == "" {
		t.Errorf("they are missing although they are there: %v", g.Missing)
	}
}

func TestContentsLines(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a b\n", "a\tb\n"},
		{"noblank\n b\na x/b", "a\tx/b\n"},
		{"a b,c,b\n", "a\tb,c\n"},
		{"a drop\n", ""},
	} {
		p := newPacker(t.Context(), nil)
		in := newContentsReader(strings.NewReader(c.in))
		err := mergeContents(t.Context(), p, []*contentsReader{in}, func(name []byte) bool { return string(name) != "drop" })
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.piece); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
	p := newPacker(t.Context(), nil)
	tooLong := newContentsReader(bytes.NewReader(bytes.Repeat([]byte("x"), maxContentsLine+1)))
	if err := mergeContents(t.Context(), p, []*contentsReader{tooLong}, func([]byte) bool { return true }); err == nil {
		t.Error("an endless line is taken")
	}
}

func TestLackingAndSightKeys(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64: joined(stanza("aaa", "1", "amd64"), stanza("bbb", "1", "all")), "main/source/Sources.xz": sourceStanza("aaa", "1"),
		"main/Contents-amd64.gz": "bin/a\taaa\n", "main/i18n/Translation-en.bz2": long("aaa", "3", "x"), "main/i18n/Translation-de.bz2": long("aaa", "3", "y"),
	})
	for e := range s.table(*in.Generation).All() {
		if strings.Contains(e.Path, "Contents") || strings.Contains(e.Path, "Translation") {
			_ = s.Blobs.Delete(t.Context(), e.Digest)
		}
	}
	r := recipe(in)
	r.Languages = []string{"en"}
	for _, without := range []bool{true, false} {
		r.WithoutContents = without
		files, err := s.builder().Lacking(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, f := range files {
			paths = append(paths, f.Archive+" "+f.Path)
		}
		want := []string{"debian dists/bookworm/main/Contents-amd64.gz", "debian dists/bookworm/main/i18n/Translation-en.bz2"}
		if without {
			want = want[1:]
		}
		if !cmp.Equal(paths, want) {
			t.Errorf("%v", paths)
		}
	}
	b := s.builder()
	keys, err := b.SightKeys(t.Context(), *in.Generation, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.SightKeys(t.Context(), *in.Generation, true)
	if err != nil || !cmp.Equal(again, keys) || len(b.copied) != 1 {
		t.Errorf("with copies: %v, %v, %v", again, b.copied, err)
	}
	want := []uint64{
		catalog.SightKey("aaa", "1", "amd64", digestOf("aaa", "1", "amd64")), catalog.SightKey("bbb", "1", "all", digestOf("bbb", "1", "all")),
		catalog.SightKey("aaa", "1", "source", blob.Sum([]byte("aaa_1.dsc"))),
	}
	if !cmp.Equal(keys, want) {
		t.Errorf("%v", keys)
	}
}

func TestCopiesStayWithWhatIsBuilt(t *testing.T) {
	s := newStore(t)
	text := joined(stanza("aaa", "1", "amd64"))
	g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64 + ".xz": text}))).Generation
	if len(g.Copies) != 1 {
		t.Fatalf("%d copies", len(g.Copies))
	}
	if _, err := s.Collect(t.Context(), false, catalog.Gone{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Blobs.Stat(g.Copies[0]); err != nil {
		t.Error(err)
	}
	s.spoil(g.Copies[0])
	again := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64 + ".xz": text}), s.pool("p", "Package: ppp\nVersion: 1\nArchitecture: all\n"))).Generation
	if got := packages(t, s.index(again, amd64)); !cmp.Equal(got, []string{"aaa 1", "ppp 1"}) {
		t.Errorf("without its copy: %v", got)
	}
}
