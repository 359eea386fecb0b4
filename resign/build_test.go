package resign

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/policy"
)

const amd64 = "main/binary-amd64/Packages"

func joined(stanzas ...string) string { return strings.Join(stanzas, "") }

func TestWithoutPolicyAllIsAsItWas(t *testing.T) {
	s := newStore(t)
	text := joined(stanza("aaa", "1", "all", "Tag: x::y,", " z::w"), stanza("bbb", "1:2-3", "amd64", "depends: aaa"), stanza("bbb", "1:2-4", "amd64"))
	for _, name := range []string{amd64, amd64 + ".gz", amd64 + ".xz", amd64 + ".bz2"} {
		t.Run(name, func(t *testing.T) {
			r := recipe(s.mirror("debian", "bookworm", map[string]string{name: text}))
			r.Suite = strings.ReplaceAll(name, "/", "-")
			g := s.build(r).Generation
			got := s.index(g, amd64)
			if diff := cmp.Diff(text, strings.ReplaceAll(got, "pool/debian/", "")); diff != "" {
				t.Errorf("(-input +output)\n%s", diff)
			}
			e, ok := s.table(g).Find("pool/debian/pool/main/bbb/bbb_1:2-3_amd64.deb")
			if !ok || e.Kind != catalog.KindPackage || e.Size != 1003 || e.Digest.String() != regexp.MustCompile(`SHA256: (.*)`).FindAllStringSubmatch(text, 2)[1][1] {
				t.Errorf("the manifest has %+v, %v", e, ok)
			}
		})
	}
}

func TestWhatAPolicyDeniesIsNotThere(t *testing.T) {
	s := newStore(t)
	r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64: joined(stanza("aaa", "1", "all", "Section: games"), stanza("bbb", "1", "amd64", "Section: net"))}))
	r.Policy = rules(t, "deny ?section(games)\nallow ?true\n")
	built := s.build(r)
	if got := packages(t, s.index(built.Generation, amd64)); !cmp.Equal(got, []string{"bbb 1"}) {
		t.Errorf("%v", got)
	}
	for e := range s.table(built.Generation).All() {
		if strings.Contains(e.Path, "aaa") {
			t.Errorf("the manifest has %s", e.Path)
		}
	}
	if !built.New || built.Offered != 2 || built.Selected != 1 || built.Held != 0 {
		t.Errorf("%+v", built)
	}
}

func TestWhatIsBuiltTwiceIsTheSame(t *testing.T) {
	text := joined(stanza("aaa", "1", "all"), stanza("bbb", "1", "amd64"))
	var digests []string
	for range 2 {
		s := newStore(t)
		g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64 + ".xz": text}), s.pool("internal", "Package: ccc\nVersion: 1\nArchitecture: amd64\n"))).Generation
		digests = append(digests, g.Manifest.String()+g.Fields.String())
	}
	if digests[0] != digests[1] {
		t.Error("two stores have different bytes")
	}
}

func TestBuildingAgain(t *testing.T) {
	s := newStore(t)
	in := func(text string) Input { return s.mirror("debian", "bookworm", map[string]string{amd64: text}) }
	text := joined(stanza("aaa", "1", "all"), stanza("bbb", "1", "amd64"))
	r := recipe(in(text))
	r.Policy = rules(t, "deny ?exact-name(bbb)\nallow ?true\n")
	first := s.build(r)
	for _, c := range []struct {
		name   string
		change func(*Recipe)
		isNew  bool
		same   bool // in contents
	}{
		{"nothing", func(*Recipe) {}, false, true},
		{"another generation with the same indexes", func(r *Recipe) { r.From = []Input{in(text)} }, false, true},
		{"a comment", func(r *Recipe) { r.Policy = rules(t, "# no\ndeny ?exact-name(bbb)\nallow ?true\n") }, false, true},
		{"a package that is denied", func(r *Recipe) { r.From = []Input{in(text + stanza("bbb", "2", "amd64"))} }, true, true},
		{"a package", func(r *Recipe) { r.From = []Input{in(text + stanza("ccc", "2", "amd64"))} }, true, false},
		{"a rule", func(r *Recipe) { r.Policy = rules(t, "allow ?true\n") }, true, false},
		{"a pool", func(r *Recipe) { r.From = append(r.From, s.pool("p", "Package: ppp\nVersion: 1\nArchitecture: all\n")) }, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			again := r
			c.change(&again)
			built := s.build(again)
			if built.New != c.isNew || (built.Generation.Manifest == first.Generation.Manifest) != c.same {
				t.Errorf("new: %v, same contents: %v", built.New, built.Generation.Manifest == first.Generation.Manifest)
			}
			s.build(r)
		})
	}
}

func TestAHoldEnds(t *testing.T) {
	s := newStore(t)
	sight := func(versions ...string) {
		var keys []uint64
		for _, v := range versions {
			keys = append(keys, catalog.SightKey("aaa", v, "amd64", digestOf("aaa", v, "amd64")))
		}
		if err := s.Catalog.Sight(t.Context(), "debian", "bookworm", keys, s.now); err != nil {
			t.Fatal(err)
		}
	}
	sight("1")
	sight("1", "2")
	r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64: joined(stanza("aaa", "1", "amd64"), stanza("aaa", "2", "amd64"))}))
	r.Policy = rules(t, "hold 7d ?true\nallow ?true\n")
	for _, c := range []struct {
		after time.Duration
		want  []string
		next  time.Duration // from the beginning; 0: never
		isNew bool
	}{
		{0, []string{"aaa 1"}, 7 * 24 * time.Hour, true},
		{24 * time.Hour, []string{"aaa 1"}, 7 * 24 * time.Hour, false},
		{7 * 24 * time.Hour, []string{"aaa 1", "aaa 2"}, 0, true},
		{9 * 24 * time.Hour, []string{"aaa 1", "aaa 2"}, 0, false},
	} {
		s.now = testNow.Add(c.after)
		built := s.build(r)
		if got := packages(t, s.index(built.Generation, amd64)); !cmp.Equal(got, c.want) || built.New != c.isNew {
			t.Errorf("after %v: %v, new %v", c.after, got, built.New)
		}
		var next time.Time
		if c.next > 0 {
			next = testNow.Add(c.next)
		}
		if !built.Generation.Next.Equal(next) {
			t.Errorf("after %v the next change is at %v, want %v", c.after, built.Generation.Next, next)
		}
	}
}

// Who can sign for an archive cannot slip other bytes past a hold under a version
// that was there before.
func TestOtherBytesUnderAKnownVersionAreHeld(t *testing.T) {
	s := newStore(t)
	rule := rules(t, "hold 7d ?true\nallow ?true\n")
	sightAndBuild := func(text string) []string {
		in := s.mirror("debian", "bookworm", map[string]string{amd64: text})
		keys, err := s.builder().SightKeys(t.Context(), *in.Generation, false)
		if err == nil {
			err = s.Catalog.Sight(t.Context(), "debian", "bookworm", keys, s.now)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := recipe(in)
		r.Policy = rule
		return packages(t, s.index(s.build(r).Generation, amd64))
	}
	known, other := joined(stanza("aaa", "1", "amd64"), stanza("bbb", "1", "amd64")), stanza("bbb", "1", "amd64")
	if got := sightAndBuild(known); !cmp.Equal(got, []string{"aaa 1", "bbb 1"}) {
		t.Fatalf("at first: %v", got)
	}
	changed := strings.Replace(stanza("aaa", "1", "amd64"), digestOf("aaa", "1", "amd64").String(), digestOf("evil", "1", "amd64").String(), 1)
	if got := sightAndBuild(joined(changed, other)); !cmp.Equal(got, []string{"bbb 1"}) {
		t.Errorf("with other bytes: %v, want that they are held", got)
	}
}

func TestMerge(t *testing.T) {
	s := newStore(t)
	old := s.mirror("debian", "bookworm", map[string]string{
		amd64:                              joined(stanza("aaa", "1", "all"), stanza("ccc", "1", "amd64")),
		"contrib/binary-amd64/Packages.gz": stanza("ddd", "1", "amd64"),
	})
	security := s.mirror("security", "bookworm-security", map[string]string{"updates/" + amd64: joined(stanza("aaa", "1", "all"), stanza("ccc", "1+deb12u1", "amd64"))})
	private := s.pool("internal", "Package: bbb\nVersion: 3\nArchitecture: all\nDepends: ccc\nDescription: ours\n")
	g := s.build(recipe(old, security, private)).Generation
	if got := packages(t, s.index(g, amd64)); !cmp.Equal(got, []string{"aaa 1", "bbb 3", "ccc 1", "ccc 1+deb12u1"}) {
		t.Errorf("main has %v", got)
	}
	if got := packages(t, s.index(g, "contrib/binary-amd64/Packages")); !cmp.Equal(got, []string{"ddd 1"}) {
		t.Errorf("contrib has %v", got)
	}
	for _, p := range []string{"pool/debian/pool/main/aaa/aaa_1_all.deb", "pool/security/pool/main/ccc/ccc_1+deb12u1_amd64.deb", "pool/internal/main/bbb/bbb_3_all.deb"} {
		if _, ok := s.table(g).Find(p); !ok || !strings.Contains(s.index(g, amd64), "Filename: "+p+"\n") {
			t.Errorf("%s is not in manifest and index", p)
		}
	}
	if _, ok := s.table(g).Find("pool/security/pool/main/aaa/aaa_1_all.deb"); ok {
		t.Error("a package that two inputs have is there twice")
	}
	if want := []catalog.Ref{old.Generation.Ref(), security.Generation.Ref()}; !cmp.Equal(g.Inputs, want) {
		t.Errorf("inputs are %v", g.Inputs)
	}
}

func TestOneVersionWithTwoContentsIsRefused(t *testing.T) {
	s := newStore(t)
	other := strings.Replace(stanza("aaa", "1", "amd64"), "SHA256: ", "SHA256: 00", 1)
	other = regexp.MustCompile(`(SHA256: .{64}).*`).ReplaceAllString(other, "$1")
	r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64")}), s.mirror("vendor", "stable", map[string]string{amd64: other}))
	_, err := s.builder().Build(t.Context(), r)
	var conflict policy.Conflict
	if !errors.As(err, &conflict) || conflict.First.Input.Archive != "debian" || conflict.Second.Input.Archive != "vendor" {
		t.Fatalf("%v", err)
	}
	r.Policy = rules(t, "deny ?x-archive(vendor)\nallow ?true\n")
	if got := packages(t, s.index(s.build(r).Generation, amd64)); !cmp.Equal(got, []string{"aaa 1"}) {
		t.Errorf("%v", got)
	}
}

func TestArchitectures(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		"main/binary-all/Packages":   joined(stanza("aaa", "1", "all")),
		amd64:                        joined(stanza("aaa", "1", "all"), stanza("bbb", "1", "amd64")),
		"main/binary-arm64/Packages": joined(stanza("ccc", "1", "arm64")),
		"main/debian-installer/binary-amd64/Packages": joined(stanza("ddd", "1", "amd64")),
	})
	g := s.build(recipe(in)).Generation
	for name, want := range map[string][]string{
		amd64: {"aaa 1", "bbb 1"}, "main/binary-arm64/Packages": {"aaa 1", "ccc 1"}, "main/debian-installer/binary-amd64/Packages": {"ddd 1"},
	} {
		if got := packages(t, s.index(g, name)); !cmp.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
	fields, err := ReadFields(t.Context(), s.Blobs, g)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Architectures: all amd64 arm64\n", "No-Support-for-Architecture-all: Packages\n"} {
		if !strings.Contains(fields.Listing, want) {
			t.Errorf("Release has no %q:\n%s", want, fields.Listing)
		}
	}
	r := recipe(in)
	r.Architectures = []string{"arm64"}
	if _, ok := s.table(s.build(r).Generation).Find("dists/stable/" + amd64 + ".gz"); ok {
		t.Error("an architecture that is not asked for is there")
	}
}

func TestSourcesFollowTheirPackages(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64:                        joined(stanza("aaa", "1", "amd64", "Source: one"), stanza("bbb", "1", "amd64", "Source: two (7)")),
		"main/binary-arm64/Packages": joined(stanza("aaa", "1", "arm64", "Source: one"), stanza("ccc", "1", "arm64", "Source: three")),
		"main/source/Sources":        joined(sourceStanza("four", "1"), sourceStanza("one", "1"), sourceStanza("three", "1"), sourceStanza("two", "6"), sourceStanza("two", "7")),
	})
	r := recipe(in)
	r.Policy = rules(t, "deny ?and(?exact-name(aaa), ?architecture(amd64))\ndeny ?exact-name(bbb)\ndeny ?exact-name(three)\ndeny ?exact-name(four)\nallow ?true\n")
	g := s.build(r).Generation
	got := s.index(g, "main/source/Sources")
	if list := packages(t, got); !cmp.Equal(list, []string{"one 1", "three 1", "two 6"}) {
		t.Errorf("%v", list)
	}
	if !strings.Contains(got, "\nDirectory: pool/debian/pool/main/one\n") {
		t.Errorf("folders are not placed:\n%s", got)
	}
	if _, ok := s.table(g).Find("pool/debian/pool/main/one/one_1.dsc"); !ok {
		t.Error("the manifest has no .dsc")
	}
}

func TestAnotherSiteRepositoryAsInput(t *testing.T) {
	s := newStore(t)
	private := s.pool("internal", "Package: bbb\nVersion: 3\nArchitecture: all\n")
	first := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64")}), private)).Generation
	second := Recipe{Repository: "narrow", Suite: "stable", Pools: []policy.Pool{{Name: "internal"}}, Policy: rules(t, "deny ?x-archive(debian)\nallow ?true\n"),
		From: []Input{{Name: "repository:site/stable", Generation: &first}}}
	g := s.build(second).Generation
	if got := packages(t, s.index(g, amd64)); !cmp.Equal(got, []string{"bbb 3"}) {
		t.Errorf("%v", got)
	}
	if _, ok := s.table(g).Find("pool/internal/main/bbb/bbb_3_all.deb"); !ok {
		t.Error("the package has another path than in the first repository")
	}
}

func TestAPoolAloneNeedsArchitectures(t *testing.T) {
	s := newStore(t)
	r := recipe(s.pool("internal", "Package: bbb\nVersion: 3\nArchitecture: all\n"))
	if _, err := s.builder().Build(t.Context(), r); !errors.Is(err, errNoArchitecture) {
		t.Errorf("%v", err)
	}
	r.Architectures = []string{"amd64"}
	if got := packages(t, s.index(s.build(r).Generation, amd64)); !cmp.Equal(got, []string{"bbb 3"}) {
		t.Errorf("%v", got)
	}
}

func TestFlatArchive(t *testing.T) {
	s := newStore(t)
	text := strings.ReplaceAll(joined(stanza("aaa", "1", "all"), stanza("bbb", "1", "amd64"), stanza("ccc", "1", "arm64")), "Filename: ", "Filename: ./")
	r := recipe(s.mirror("vendor", "./", map[string]string{"Packages": text}))
	r.Architectures = []string{"amd64"}
	g := s.build(r).Generation
	if got := packages(t, s.index(g, amd64)); !cmp.Equal(got, []string{"aaa 1", "bbb 1"}) {
		t.Errorf("%v", got)
	}
	if _, ok := s.table(g).Find("pool/vendor/pool/main/bbb/bbb_1_amd64.deb"); !ok {
		t.Error("the package has another path")
	}
}

func TestNothingIsAllowed(t *testing.T) {
	s := newStore(t)
	r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64")}))
	r.Policy = rules(t, "deny ?true\n")
	g := s.build(r).Generation
	if got := s.index(g, amd64); got != "" {
		t.Errorf("%q", got)
	}
}

// What is counted of a suite is what the store can have of it.
func TestAPackageOfAllArchitecturesCountsOnce(t *testing.T) {
	s := newStore(t)
	text := stanza("aaa", "1", "all")
	g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64: text, "main/binary-arm64/Packages": text}))).Generation
	if g.Packages != 1 || g.Bytes != 1003 {
		t.Errorf("%d packages with %d bytes, want 1 with 1003", g.Packages, g.Bytes)
	}
}
