package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
)

// randomEntries makes a set of entries with distinct paths; about half of the
// indexes have second names.
func randomEntries(rnd *rand.Rand, n int) []Entry {
	var all []Entry
	used := map[string]bool{}
	for len(all) < n {
		name := fmt.Sprintf("pool/%c/%d_%s", 'a'+rnd.IntN(4), rnd.IntN(4*n), strings.Repeat("x", rnd.IntN(40)))
		if used[name] {
			continue
		}
		used[name] = true
		e := entry(Kind(rnd.IntN(2)), name, fmt.Sprint(rnd.Uint64()))
		if rnd.IntN(3) == 0 {
			e.Kind = KindPackage
		}
		e.Size = rnd.Int64()
		all = append(all, e)
		if e.Kind == KindIndex && rnd.IntN(2) == 0 {
			all = append(all, byHash(e))
		}
	}
	return all
}

func TestTableGivesBackWhatWasAdded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 10, 1000} {
		all := randomEntries(rnd, n)
		table := tableOf(t, all)
		slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
		if diff := cmp.Diff(all, slices.Collect(table.All())); diff != "" {
			t.Fatalf("%d entries: %s", n, diff)
		}
		for i, e := range all {
			if got, ok := table.Find(e.Path); !ok || got != e {
				t.Errorf("Find(%q): %v, %v", e.Path, got, ok)
			}
			if got, ok := table.Search(e.Path); !ok || got != i {
				t.Errorf("Search(%q): %d, %v; want %d", e.Path, got, ok, i)
			}
			for _, absent := range []string{e.Path + "x", e.Path[:len(e.Path)-1], ""} {
				if got, ok := table.Find(absent); ok && got.Path != absent {
					t.Errorf("Find(%q): %v", absent, got)
				}
			}
		}
	}
}

func TestManifestIsTheSameInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	all := randomEntries(rnd, 50)
	same := entry(KindIndex, "dists/stable/a", "same")
	alias := byHash(same)
	alias.Plain = "dists/stable/b"
	again := entry(KindPackage, "dists/stable/a", "same") // an index that a package index names too
	all = append(all, same, byHash(same), entry(KindIndex, "dists/stable/b", "same"), alias, again, all[0])
	want := encode(t, all)
	for range 20 {
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := encode(t, all); string(got) != string(want) {
			t.Fatal("another order of Add makes another manifest")
		}
	}
	if e, _ := tableOf(t, all).Find("dists/stable/a"); e.Kind != KindIndex {
		t.Errorf("a path that is an index and a package has kind %d, want index: its bytes may change", e.Kind)
	}
}

func TestManifestCleansPaths(t *testing.T) {
	index := entry(KindIndex, "./Packages", "index")
	second := index
	second.Kind, second.Path = KindByHash, "./by-hash/SHA256/"+index.Digest.String()
	table := tableOf(t, []Entry{index, second, entry(KindPackage, "./pool//a.deb", "a")})
	for _, name := range []string{"Packages", "by-hash/SHA256/" + index.Digest.String(), "pool/a.deb"} {
		if _, ok := table.Find(name); !ok {
			t.Errorf("%s is not found", name)
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	index := entry(KindIndex, "dists/stable/Packages", "index")
	pkg := entry(KindPackage, "pool/a.deb", "a")
	change := func(e Entry, change func(*Entry)) Entry {
		change(&e)
		return e
	}
	for name, all := range map[string][]Entry{
		"a second name of nothing":              {byHash(index)},
		"a second name of a package":            {pkg, byHash(pkg)},
		"a second name with another digest":     {index, change(byHash(index), func(e *Entry) { e.Digest[0]++ })},
		"a second name with another size":       {index, change(byHash(index), func(e *Entry) { e.Size++ })},
		"a second name of a second name":        {index, byHash(index), change(byHash(index), func(e *Entry) { e.Plain = e.Path; e.Path = "x" })},
		"an empty path":                         {entry(KindPackage, "", "a")},
		"the root":                              {entry(KindPackage, "./", "a")},
		"a path above the root":                 {entry(KindPackage, "pool/../../a", "a")},
		"an absolute path":                      {entry(KindPackage, "/pool/a.deb", "a")},
		"a path that does not fit":              {entry(KindPackage, strings.Repeat("x", 1<<16), "a")},
		"a negative size":                       {change(pkg, func(e *Entry) { e.Size = -1 })},
		"an image with a size":                  {change(pkg, func(e *Entry) { e.Kind = KindImage })},
		"an unknown kind":                       {change(pkg, func(e *Entry) { e.Kind = lastKind + 1 })},
		"a package of another name at upstream": {change(pkg, func(e *Entry) { e.Plain = "pool/b.deb" })},
	} {
		var m Manifest
		for _, e := range all {
			m.Add(e)
		}
		if raw, err := m.Encode(); err == nil {
			t.Errorf("%s: made a manifest of %d bytes", name, len(raw))
		}
	}
}

func TestManifestNamesAConflict(t *testing.T) {
	a, b := entry(KindPackage, "pool/a.deb", "one"), entry(KindPackage, "pool/a.deb", "other")
	sizes := a
	sizes.Size++
	for _, other := range []Entry{b, sizes} {
		var m Manifest
		m.Add(entry(KindPackage, "pool/0.deb", "0"))
		m.Add(a)
		m.Add(other)
		_, err := m.Encode()
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Path != a.Path {
			t.Fatalf("%v, want a ConflictError of %s", err, a.Path)
		}
		want := map[int64]blob.Digest{a.Size: a.Digest, other.Size: other.Digest}
		if got := map[int64]blob.Digest{conflict.SizeA: conflict.A, conflict.SizeB: conflict.B}; !cmp.Equal(got, want) {
			t.Errorf("conflict of %v, want %v", got, want)
		}
	}
}

func TestManifestIsBounded(t *testing.T) {
	m := Manifest{entries: make([]Entry, MaxEntries)}
	m.Add(entry(KindPackage, "pool/a.deb", "a"))
	if len(m.entries) > MaxEntries {
		t.Errorf("it holds %d entries", len(m.entries))
	}
	if _, err := m.Encode(); err == nil {
		t.Error("Encode left an entry out without an error")
	}
}

// mutations each spoil the manifest of sampleManifest in one way.
var mutations = map[string]func(raw []byte) []byte{
	"nothing at all":         func([]byte) []byte { return nil },
	"half a header":          func(raw []byte) []byte { return raw[:manifestHeader-1] },
	"another version":        func(raw []byte) []byte { raw[len(manifestMagic)-1]++; return raw },
	"one row too many":       func(raw []byte) []byte { raw[len(manifestMagic)]++; return raw },
	"one row too few":        func(raw []byte) []byte { raw[len(manifestMagic)]--; return raw },
	"a byte too few":         func(raw []byte) []byte { return raw[:len(raw)-1] },
	"a byte too many":        func(raw []byte) []byte { return append(raw, 'x') },
	"a byte more of names":   func(raw []byte) []byte { raw[len(manifestMagic)+4]++; return append(raw, 'x') },
	"a path that is shorter": func(raw []byte) []byte { raw[manifestHeader+lengthAt]--; return raw },
	"a path that overlaps":   func(raw []byte) []byte { raw[manifestHeader+rowSize]--; return raw },
	"a path far outside": func(raw []byte) []byte {
		binary.LittleEndian.PutUint32(raw[manifestHeader:], 1<<31)
		return raw
	},
	"two equal rows": func(raw []byte) []byte {
		copy(raw[manifestHeader+rowSize:], raw[manifestHeader:manifestHeader+rowSize])
		return raw
	},
	"paths out of order":     func(raw []byte) []byte { raw[len(raw)-1] = 0; return raw },
	"an unknown kind":        func(raw []byte) []byte { raw[manifestHeader+kindAt] = byte(lastKind) + 1; return raw },
	"something in the gap":   func(raw []byte) []byte { raw[manifestHeader+kindAt+1] = 1; return raw },
	"an image with a size":   func(raw []byte) []byte { raw[manifestHeader+kindAt] = byte(KindImage); return raw },
	"a negative size":        func(raw []byte) []byte { raw[manifestHeader+sizeAt+7] = 0x80; return raw },
	"a row for no row":       func(raw []byte) []byte { raw[manifestHeader+plainAt+3] = 0xff; return raw },
	"a row for another":      func(raw []byte) []byte { raw[manifestHeader+plainAt]++; return raw },
	"a second name of wrong": func(raw []byte) []byte { raw[manifestHeader+rowSize+plainAt]++; return raw },
	"another digest of both": func(raw []byte) []byte { raw[manifestHeader+rowSize+digestAt]++; return raw },
}

// sampleManifest has an index in row 0, its second name in row 1, and packages
// of one letter in rows 2 and 3.
func sampleManifest(t testing.TB) []byte {
	index := entry(KindIndex, "0", "index")
	second := index
	second.Kind, second.Path = KindByHash, "1"
	return encode(t, []Entry{index, second, entry(KindPackage, "2", "a"), entry(KindPackage, "3", "b")})
}

func TestOpenTableRefuses(t *testing.T) {
	if _, err := OpenTable(sampleManifest(t)); err != nil {
		t.Fatalf("the manifest as it was made: %v", err)
	}
	for name, mutate := range mutations {
		if _, err := OpenTable(mutate(sampleManifest(t))); !errors.Is(err, errManifest) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

func FuzzOpenTable(f *testing.F) {
	f.Add(sampleManifest(f))
	for _, mutate := range mutations {
		f.Add(mutate(sampleManifest(f)))
	}
	f.Add(encode(f, randomEntries(rand.New(rand.NewPCG(5, 6)), 20)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		table, err := OpenTable(raw)
		if err != nil {
			return
		}
		var again Manifest
		for i := range table.Len() {
			e := table.At(i)
			if found, ok := table.Find(e.Path); !ok || found != e {
				t.Fatalf("Find(%q): %v, %v; want %v", e.Path, found, ok, e)
			}
			if plain, ok := table.Find(e.Plain); !ok || plain.Digest != e.Digest {
				t.Fatalf("%q stands for %v, %v", e.Path, plain, ok)
			}
			again.Add(e)
		}
		if table.minus(table).Len() != 0 {
			t.Fatal("a table serves something beside itself")
		}
		// Paths that are not clean are harmless in a table, but Add cleans them.
		if out, err := again.Encode(); err == nil && len(out) == len(raw) && string(out) != string(raw) {
			t.Fatalf("the same entries are written in two ways:\n%x\n%x", raw, out)
		}
	})
}

// A retained table and a newer one together serve what the retained one did.
func TestMinusLeavesWhatTheNewerTableDoesNotServe(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		pool := randomEntries(rnd, 12)
		older, newer := tableOf(t, someOf(rnd, pool)), tableOf(t, someOf(rnd, pool))
		left := older.minus(newer)
		for e := range older.All() {
			in, inNewer := newer.Find(e.Path)
			rest, inRest := left.Find(e.Path)
			served := inNewer && in.Kind.lasting() && in.Digest == e.Digest
			switch {
			case e.Kind.lasting() && !served && (!inRest || rest != e):
				t.Fatalf("%v is lost", e)
			case e.Kind.lasting() && served && inRest:
				t.Fatalf("%v is in both", e)
			case e.Kind == KindRelease && inRest:
				t.Fatalf("%v is retained", e)
			}
		}
		for e := range left.All() {
			if _, ok := older.Find(e.Path); !ok {
				t.Fatalf("%v came from nowhere", e)
			}
		}
	}
}

// someOf keeps each entry with its second name, leaves it out, or changes its
// bytes.
func someOf(rnd *rand.Rand, pool []Entry) []Entry {
	var all []Entry
	for _, e := range pool {
		if e.Kind == KindByHash {
			continue
		}
		switch rnd.IntN(4) {
		case 0:
			continue
		case 1:
			e.Digest[0]++
		case 2:
			e.Kind = Kind(rnd.IntN(2)) * KindPackage // release or package
		}
		all = append(all, e)
		if e.Kind == KindIndex {
			all = append(all, byHash(e))
		}
	}
	return all
}
