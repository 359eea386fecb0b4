package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aptmirror/cache/blob"
)

// ways in which a generation becomes unreadable, each of them on a closed
// store or an open one.
var ways = map[string]func(f *fixture, g Generation){
	"its manifest is missing": func(f *fixture, g Generation) {
		if err := f.blobs.Delete(f.t.Context(), g.Manifest); err != nil {
			f.t.Fatal(err)
		}
	},
	"its manifest has a flipped byte": func(f *fixture, g Generation) {
		raw, err := f.blobs.ReadAll(f.t.Context(), g.Manifest, maxManifest)
		if err != nil {
			f.t.Fatal(err)
		}
		f.close()
		flipByte(f.t, filepath.Join(f.dir, "blobs"), raw)
		f.open()
	},
	"its manifest is something else": func(f *fixture, g Generation) {
		g.Manifest = f.put([]byte("something else"))
		f.set(numbered(generationPrefix(g.Archive, g.Suite), g.Number), g)
	},
	"its row is missing": func(f *fixture, g Generation) {
		err := f.db.Update(func(txn *badger.Txn) error {
			return txn.Delete(numbered(generationPrefix(g.Archive, g.Suite), g.Number))
		})
		if err != nil {
			f.t.Fatal(err)
		}
	},
	"its row is garbage": func(f *fixture, g Generation) {
		f.set(numbered(generationPrefix(g.Archive, g.Suite), g.Number), "garbage")
	},
}

func (f *fixture) set(k []byte, value any) {
	f.t.Helper()
	if err := f.db.Update(func(txn *badger.Txn) error { return set(txn, k, value) }); err != nil {
		f.t.Fatal(err)
	}
}

// flipByte changes a byte of stored content in the files of a closed store.
func flipByte(t testing.TB, dir string, content []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(data, content); at >= 0 {
			data[at+len(content)/2] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the content is not in the store's files")
}

// manyPackages makes a manifest long enough to be in a file of its own kind.
func manyPackages(state string) map[string]string {
	packages := map[string]string{"pool/" + state + ".deb": state}
	for i := range 30 {
		packages[fmt.Sprintf("pool/%d.deb", i)] = fmt.Sprint(i)
	}
	return packages
}

// damagedFixture has two generations in suite stable, one in testing and one in
// another repository, and one of stable's made unreadable before it is served again.
func damagedFixture(t *testing.T, damage func(*fixture, Generation), current bool) (f *fixture, harmed Generation, indexes []Entry) {
	f = newFixture(t)
	var generations []Generation
	for i, state := range []string{"a", "b"} {
		all := entries("stable", state, manyPackages(state))
		generations = append(generations, f.add("stable", all))
		indexes = append(indexes, all[1])
		f.publish("debian", generations[i], testTime.Add(time.Duration(i)*time.Hour))
	}
	testing := f.add("testing", entries("testing", "t", map[string]string{"pool/t.deb": "t"}))
	f.publish("debian", testing, testTime)
	f.publish("other", testing, testTime)
	// Badger cuts its newest file off at a byte that is not as it was written:
	// what is to stay readable must not be behind it.
	f.reopen()
	f.put(bytes.Repeat([]byte("behind"), 1000))
	harmed = generations[0]
	if current {
		harmed = generations[1]
	}
	damage(f, harmed)
	f.serveAll()
	return f, harmed, indexes
}

func (f *fixture) serveAll() {
	f.t.Helper()
	err := f.Serve(f.t.Context(), map[string][]string{"debian": {"stable", "testing"}, "other": {"testing"}})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestDamageOfTheCurrentGenerationStaysInItsSuite(t *testing.T) {
	for name, damage := range ways {
		t.Run(name, func(t *testing.T) {
			f, harmed, indexes := damagedFixture(t, damage, true)
			want := []Damage{{Repository: "debian", Suite: "stable", Generation: harmed.Ref(), Current: true}}
			if diff := cmp.Diff(want, f.Damaged(), cmpopts.IgnoreFields(Damage{}, "Err")); diff != "" {
				t.Error(diff)
			}
			for _, gone := range []string{"dists/stable/InRelease", indexes[1].Path, byHash(indexes[1]).Path, "pool/b.deb"} {
				if _, err := f.Resolve("debian", gone, anySuite); !errors.Is(err, ErrNoGeneration) {
					t.Errorf("%s: %v, want ErrNoGeneration", gone, err)
				}
			}
			f.wantFile("debian", byHash(indexes[0]).Path, "index a")
			f.wantFile("debian", "pool/a.deb", "a")
			f.wantFile("debian", "pool/1.deb", "1")
			f.wantFile("debian", "pool/t.deb", "t")
			f.wantFile("debian", "dists/testing/InRelease", "release t")
			f.wantFile("debian", "dists/testing/nothing", "")
			f.wantFile("other", "dists/testing/InRelease", "release t")
			f.wantFile("other", "pool/a.deb", "")
		})
	}
}

func TestDamageOfARetainedGenerationIsNotNoticed(t *testing.T) {
	for name, damage := range ways {
		t.Run(name, func(t *testing.T) {
			f, harmed, indexes := damagedFixture(t, damage, false)
			want := []Damage{{Repository: "debian", Suite: "stable", Generation: harmed.Ref()}}
			if diff := cmp.Diff(want, f.Damaged(), cmpopts.IgnoreFields(Damage{}, "Err")); diff != "" {
				t.Error(diff)
			}
			f.wantFile("debian", "dists/stable/InRelease", "release b")
			f.wantFile("debian", "pool/1.deb", "1")
			f.wantFile("debian", byHash(indexes[0]).Path, "")
			next := f.add("stable", entries("stable", "c", manyPackages("c")))
			f.publish("debian", next, testTime.Add(2*time.Hour))
			f.wantFile("debian", "dists/stable/InRelease", "release c")
			f.wantFile("debian", "pool/b.deb", "b")
		})
	}
}

// A damaged generation counts as none, so that what a refresh finds upstream is
// taken in once more.
func TestADamagedManifestIsMendedByTheNextRefresh(t *testing.T) {
	for _, name := range []string{"its manifest is missing", "its manifest has a flipped byte"} {
		t.Run(name, func(t *testing.T) {
			f, harmed, indexes := damagedFixture(t, ways[name], true)
			if g, err := f.Latest(t.Context(), "upstream", "stable"); err != ErrNotFound {
				t.Fatalf("latest is %d, %v; want none", g.Number, err)
			}
			again := f.add("stable", entries("stable", "b", manyPackages("b")))
			if again.Manifest != harmed.Manifest || again.Number != harmed.Number+1 {
				t.Fatalf("generation %d with manifest %v", again.Number, again.Manifest)
			}
			f.publish("debian", again, testTime.Add(2*time.Hour))
			check := func() {
				t.Helper()
				f.wantFile("debian", "dists/stable/InRelease", "release b")
				f.wantFile("debian", "pool/b.deb", "b")
				f.wantFile("debian", "pool/1.deb", "1")
				f.wantFile("debian", "pool/a.deb", "a")
				f.wantFile("debian", byHash(indexes[0]).Path, "index a")
				if d := f.Damaged(); d != nil {
					t.Errorf("still damaged: %v", d)
				}
				if g, err := f.Latest(t.Context(), "upstream", "stable"); g.Number != again.Number || err != nil {
					t.Errorf("latest is %d, %v", g.Number, err)
				}
			}
			check()
			f.reopen()
			f.serveAll()
			check()
		})
	}
}

func TestAGenerationWithoutItsReleaseIsNotTheLatest(t *testing.T) {
	f := newFixture(t)
	g := f.add("stable", entries("stable", "a", nil))
	if err := f.blobs.Delete(t.Context(), g.Release); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Latest(t.Context(), "upstream", "stable"); err != ErrNotFound {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

func TestAnUnreadablePublicationStaysInItsSuite(t *testing.T) {
	f, _, _ := damagedFixture(t, func(f *fixture, _ Generation) { f.set(key('p', "debian", "stable"), "garbage") }, true)
	if d := f.Damaged(); len(d) != 1 || !d[0].Current || d[0].Err == nil {
		t.Errorf("damage: %v", d)
	}
	if _, err := f.Resolve("debian", "dists/stable/InRelease", anySuite); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("%v, want ErrNoGeneration", err)
	}
	f.wantFile("debian", "dists/testing/InRelease", "release t")
}

// What says nothing of the store is no damage.
func TestServeFailsWhereItCannotRead(t *testing.T) {
	f := newFixture(t)
	g := f.add("stable", entries("stable", "a", nil))
	f.publish("debian", g, testTime)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	served := map[string][]string{"debian": {"stable"}}
	if err := f.Serve(ctx, served); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
	if err := f.blobs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Serve(t.Context(), served); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("with closed blobs: %v", err)
	}
	if err := f.Catalog.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Serve(t.Context(), served); !errors.Is(err, badger.ErrDBClosed) {
		t.Errorf("with a closed catalog: %v", err)
	}
}
