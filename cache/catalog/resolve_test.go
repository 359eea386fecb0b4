package catalog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

func TestSuiteDir(t *testing.T) {
	for suite, want := range map[string]string{
		"bookworm": "dists/bookworm/", "stable/updates": "dists/stable/updates/",
		"./": "", "/": "", "x/": "x/", "./x/y/": "x/y/", "x//y/": "x/y/", "../x/": "x/",
	} {
		if got := SuiteDir(suite); got != want {
			t.Errorf("SuiteDir(%q) = %q, want %q", suite, got, want)
		}
	}
}

func TestResolveNamesWhatToServe(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	all := entries("stable", "a", map[string]string{"pool/a.deb": "deb"})
	g := Generation{Archive: "upstream", Suite: "stable", Manifest: f.put(encode(t, all)), ByHash: true}
	var err error
	if g.Number, err = f.AddGeneration(g); err != nil {
		t.Fatal(err)
	}
	p := f.publish("debian", g, testTime)
	for _, e := range all {
		want := File{Entry: e, Archive: "upstream", ByHash: true, Suite: "stable"}
		if e.Kind == KindRelease || e.Kind == KindIndex {
			want.Modified = p.Published
		}
		if got, err := f.Resolve("debian", e.Path, anySuite); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", e.Path, got, err, want)
		}
	}
}

func TestRetainedGenerationsServeWhatNeverChanges(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	states := []string{"a", "b", "c"}
	var indexes []Entry
	for i, state := range states {
		all := entries("stable", state, map[string]string{"pool/" + state + ".deb": state, "pool/all.deb": "all"})
		all = append(all, entry(KindRelease, "dists/stable/"+state, state), entry(KindIndex, "dists/stable/main/"+state, state))
		indexes = append(indexes, all[1])
		f.publish("debian", f.add("stable", all), testTime.Add(time.Duration(i)*time.Hour))
	}
	check := func() {
		t.Helper()
		f.wantFile("debian", "dists/stable/InRelease", "release c")
		f.wantFile("debian", "dists/stable/main/binary-amd64/Packages", "index c")
		f.wantFile("debian", "pool/all.deb", "all")
		for i, state := range states {
			f.wantFile("debian", "pool/"+state+".deb", state)
			f.wantFile("debian", byHash(indexes[i]).Path, "index "+state)
		}
		for _, state := range states[:2] { // plain names of the past
			f.wantFile("debian", "dists/stable/"+state, "")
			f.wantFile("debian", "dists/stable/main/"+state, "")
		}
	}
	check()
	f.reopen()
	f.serve("debian", "stable")
	check()
}

// A suite that changes often must not keep a whole table for each state.
func TestRetainedGenerationsKeepOnlyWhatTheyAdd(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	for i, state := range []string{"a", "b", "c", "d"} {
		f.publish("debian", f.add("stable", entries("stable", state, manyPackages(state))), testTime.Add(time.Duration(i)*time.Hour))
	}
	check := func() {
		t.Helper()
		for _, l := range f.view.Load().repositories["debian"][0].retained {
			if n := l.table.Len(); n > 3 { // one package, the index and its second name
				t.Errorf("generation %d keeps %d paths, want 3", l.generation.Number, n)
			}
		}
	}
	check()
	f.reopen()
	f.serve("debian", "stable")
	check()
}

func TestResolveKeepsRepositoriesAndSuitesApart(t *testing.T) {
	f := newFixture(t)
	suites := []string{"stable", "stable/updates", "./", "x/"}
	err := f.Serve(t.Context(), map[string][]string{"debian": suites, "other": {"stable"}, "empty": nil})
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		f.publish("debian", f.add(suite, entries(suite, suite, map[string]string{"pool/" + suite + "p.deb": suite})), testTime)
	}
	f.publish("other", f.add("stable", entries("stable", "other", nil)), testTime)
	for _, suite := range suites {
		only := func(s string) bool { return s == suite }
		for _, other := range suites {
			for _, name := range []string{SuiteDir(other) + "InRelease", entry(0, "pool/"+other+"p.deb", "").Path} {
				_, err := f.Resolve("debian", clean(name), only)
				if suite == other && err != nil || suite != other && err != ErrNoPath {
					t.Errorf("%s for somebody who may read %s: %v", name, suite, err)
				}
			}
		}
	}
	f.wantFile("debian", "dists/stable/InRelease", "release stable")
	f.wantFile("other", "dists/stable/InRelease", "release other")
	f.wantFile("other", "pool/stablep.deb", "")
	if _, err := f.Resolve("nobody", "dists/stable/InRelease", anySuite); err != ErrNoRepository {
		t.Errorf("a repository that is not served: %v", err)
	}
	if _, err := f.Resolve("empty", "dists/stable/InRelease", anySuite); err != ErrNoPath {
		t.Errorf("a repository without suites: %v", err)
	}
	for name, want := range map[string]bool{"debian": true, "empty": true, "nobody": false} {
		if f.HasRepository(name) != want {
			t.Errorf("HasRepository(%q) = %v", name, !want)
		}
	}
}

func clean(name string) string { return tablePath(Entry{Path: name, Plain: name}) }

func tablePath(e Entry) string {
	var m Manifest
	m.Add(e)
	return m.entries[0].Path
}

func TestResolveAsksToComeAgainBeforeTheFirstGeneration(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable", "testing")
	f.publish("debian", f.add("stable", entries("stable", "a", nil)), testTime)
	f.serve("flat", "./")
	f.serve("debian", "stable", "testing")
	for name, want := range map[string]error{
		"dists/testing/InRelease": ErrNoGeneration,
		"dists/stable/nothing":    ErrNoPath,
		"pool/a.deb":              ErrNoPath,
		"dists/testing2/Release":  ErrNoPath,
	} {
		if _, err := f.Resolve("debian", name, anySuite); err != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if _, err := f.Resolve("debian", name, func(string) bool { return false }); err != ErrNoPath {
			t.Errorf("%s for somebody who may read nothing: %v, want %v", name, err, ErrNoPath)
		}
	}
	f.serve("flat", "./")
	if _, err := f.Resolve("flat", "InRelease", anySuite); err != ErrNoGeneration {
		t.Errorf("a flat suite: %v", err)
	}
}

// Whatever is published in whatever order, and however the view came about,
// Resolve answers as a plain search through all retained generations would.
func TestResolveFindsWhatASearchOfAllGenerationsFinds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	f := newFixture(t)
	f.serve("debian", "stable")
	manifests := map[uint64][]Entry{}
	var generations []Generation
	paths := map[string]bool{"pool/none.deb": true}
	now := testTime
	for step := range 60 {
		if step < 5 || rnd.IntN(3) > 0 {
			all := randomGeneration(rnd)
			g := f.add("stable", all)
			manifests[g.Number] = all
			generations = append(generations, g)
			for _, e := range all {
				paths[e.Path] = true
			}
		}
		now = now.Add(time.Duration(rnd.IntN(40)) * time.Hour)
		p := f.publish("debian", generations[max(0, len(generations)-1-rnd.IntN(4))], now)
		compareWithSearch(t, f, p, manifests, paths)
		if rnd.IntN(4) == 0 {
			f.reopen()
			f.serve("debian", "stable")
			compareWithSearch(t, f, p, manifests, paths)
		}
	}
	if d := f.Damaged(); d != nil {
		t.Errorf("damage: %v", d)
	}
}

// randomGeneration has packages of which names and bytes repeat, and a path
// that is an index in one generation and a package in another.
func randomGeneration(rnd *rand.Rand) []Entry {
	packages := map[string]string{}
	for range rnd.IntN(8) {
		packages[fmt.Sprintf("pool/%d.deb", rnd.IntN(8))] = fmt.Sprint("bytes ", rnd.IntN(2))
	}
	all := entries("stable", fmt.Sprint(rnd.IntN(4)), packages)
	if rnd.IntN(2) == 0 {
		return append(all, entry(Kind(1+2*rnd.IntN(2)), "dists/stable/odd", "odd"))
	}
	return all
}

func compareWithSearch(t *testing.T, f *fixture, p Publication, manifests map[uint64][]Entry, paths map[string]bool) {
	t.Helper()
	for name := range paths {
		want, found := blob.Digest{}, false
		for i, ref := range p.refs() {
			for _, e := range manifests[ref.Number] {
				if !found && e.Path == name && (i == 0 || e.Kind.lasting()) {
					want, found = e.Digest, true
				}
			}
		}
		got, err := f.Resolve("debian", name, anySuite)
		if (err == nil) != found || got.Digest != want || err != nil && !errors.Is(err, ErrNoPath) {
			t.Fatalf("%s with %v current and %v retained: %v, %v; want %v, %v", name, p.Current.Number, numbers(p.Retained), got.Digest, err, want, found)
		}
	}
}

// One suite has dropped a package lately that another one has under the same
// name with other bytes.
func TestWhatIsCurrentGoesBeforeWhatIsRetained(t *testing.T) {
	f := newFixture(t)
	f.serve("vendor", "stable", "testing")
	f.publish("vendor", f.add("stable", entries("stable", "a", map[string]string{"pool/tool.deb": "old", "pool/gone.deb": "gone"})), testTime)
	f.publish("vendor", f.add("stable", entries("stable", "b", nil)), testTime.Add(time.Hour))
	f.publish("vendor", f.add("testing", entries("testing", "a", map[string]string{"pool/tool.deb": "new"})), testTime.Add(time.Hour))
	f.wantFile("vendor", "pool/tool.deb", "new")
	f.wantFile("vendor", "pool/gone.deb", "gone")
}
