package catalog

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestDropDisputed(t *testing.T) {
	index := entry(KindIndex, "dists/stable/Packages", "index")
	other := func(e Entry) Entry {
		e.Digest[0]++
		return e
	}
	longer := func(e Entry) Entry {
		e.Size++
		return e
	}
	a, b, c, d := entry(KindPackage, "pool/a.deb", "a"), entry(KindPackage, "pool/b.deb", "b"), entry(KindPackage, "pool/c.deb", "c"), entry(KindPackage, "pool/d.deb", "d")
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		all := []Entry{index, byHash(index), a, a, a, b, other(b), b, c, longer(c), d}
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var m Manifest
		for _, e := range all {
			m.Add(e)
		}
		if got := m.DropDisputed(); !slices.Equal(got, []DisputedPath{{b.Path, 3}, {c.Path, 2}}) {
			t.Fatalf("took out %v", got)
		}
		raw, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(raw) != string(encode(t, []Entry{index, byHash(index), a, d})) {
			t.Fatal("what is left is not all the others")
		}
		m.Add(other(d))
		if got := m.DropDisputed(); !slices.Equal(got, []DisputedPath{{d.Path, 2}}) {
			t.Fatalf("of what was added later, %v was taken out", got)
		}
	}
}

// Only packages are files that clients can do without.
func TestDisputedPathsOfOtherKindsAreRefused(t *testing.T) {
	for _, k := range []Kind{KindRelease, KindIndex, KindPatch} {
		var m Manifest
		m.Add(entry(k, "pool/a.deb", "a"))
		m.Add(entry(KindPackage, "pool/a.deb", "b"))
		m.Add(entry(KindPackage, "pool/a.deb", "c"))
		if got := m.DropDisputed(); got != nil {
			t.Errorf("kind %d: %v was taken out", k, got)
		}
		if _, err := m.Encode(); !errors.As(err, new(*ConflictError)) {
			t.Errorf("kind %d: %v, want a ConflictError", k, err)
		}
	}
}

func TestResolveTellsWhatIsLeftOut(t *testing.T) {
	f := newFixture(t)
	f.serve("debian", "stable")
	before := map[string]string{"pool/disputed.deb": "a", "pool/weak.deb": "b", "pool/gone.deb": "c"}
	f.publish("debian", f.add("stable", entries("stable", "1", before)), testTime)
	g := f.add("stable", entries("stable", "2", nil))
	g.LeftOut = []LeftOut{{"pool/disputed.deb", Disputed}, {"pool/new.deb", NoDigest}, {"pool/weak.deb", NoDigest}}
	var err error
	if g.Number, err = f.AddGeneration(g); err != nil {
		t.Fatal(err)
	}
	f.publish("debian", g, testTime.Add(time.Hour))
	check := func() {
		t.Helper()
		f.wantFile("debian", "pool/gone.deb", "c")
		f.wantFile("debian", "pool/weak.deb", "b") // of those that know a digest, all know this one
		f.wantFile("debian", "pool/other.deb", "")
		for path, why := range map[string]Flaw{"pool/disputed.deb": Disputed, "pool/new.deb": NoDigest} {
			_, err := f.Resolve("debian", path, anySuite)
			if left := (*LeftOutError)(nil); !errors.As(err, &left) || *left != (LeftOutError{"stable", why}) || !errors.Is(err, ErrNoPath) {
				t.Errorf("%s: %v, want that it is left out as %s", path, err, why)
			}
		}
	}
	check()
	f.serve("debian")
	f.serve("debian", "stable")
	check()
}
