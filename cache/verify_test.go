package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// sample is an archive with a bit of everything.
func sample(t *testing.T) *upstreamtest.Archive {
	t.Helper()
	a := upstreamtest.New(t)
	a.Suite.Hashes = []string{"MD5Sum", "SHA256", "SHA512"}
	a.Suite.ValidFor = 24 * time.Hour
	a.AddPackage(upstreamtest.Package{Name: "hello", Size: 5000})
	a.AddPackage(upstreamtest.Package{Name: "world", Arch: "all"})
	a.AddSource("hello", "1.0")
	a.Publish()
	return a
}

func TestVerifyFindsNothingInAGoodStore(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, a *upstreamtest.Archive) (suite string){
		"as it is":             func(*testing.T, *upstreamtest.Archive) string { return "stable" },
		"without InRelease":    func(_ *testing.T, a *upstreamtest.Archive) string { a.Suite.OmitInRelease = true; return "stable" },
		"with InRelease alone": func(_ *testing.T, a *upstreamtest.Archive) string { a.Suite.OmitRelease = true; return "stable" },
		"without by-hash":      func(_ *testing.T, a *upstreamtest.Archive) string { a.Suite.AcquireByHash = false; return "stable" },
		"with plain indexes": func(_ *testing.T, a *upstreamtest.Archive) string {
			a.Suite.Compressions = []string{""}
			return "stable"
		},
		"without any package": func(_ *testing.T, a *upstreamtest.Archive) string {
			a.RemovePackage("hello")
			a.RemovePackage("world")
			return "stable"
		},
		"a suite with a slash": func(_ *testing.T, a *upstreamtest.Archive) string {
			a.AddSuite("stable/updates")
			return "stable/updates"
		},
		"a flat suite":        func(_ *testing.T, a *upstreamtest.Archive) string { a.AddSuite("x/"); return "x/" },
		"a flat suite on top": func(_ *testing.T, a *upstreamtest.Archive) string { a.AddSuite("./"); return "./" },
		"with two signing keys": func(t *testing.T, a *upstreamtest.Archive) string {
			k := upstreamtest.NewKey(t)
			a.Trust(k)
			a.SignWith(k)
			return "stable"
		},
		"with a foreign cosigner": func(t *testing.T, a *upstreamtest.Archive) string {
			k := upstreamtest.NewKey(t)
			a.Trust(k)
			a.SignWith(upstreamtest.NewKey(t), k)
			return "stable"
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := sample(t)
			suite := prepare(t, a)
			a.Publish()
			s := newStore(t, a)
			g := s.refresh(suite)
			r := s.verify(s.keyring)
			if len(r.Problems) > 0 {
				t.Fatalf("problems in a store without packages: %v", r.Problems)
			}
			if n := len(s.entries(g)); r.Generations != 1 || r.Paths != n {
				t.Errorf("%d generations with %d paths were read, want 1 with %d", r.Generations, r.Paths, n)
			}
			s.fill(g)
			full := s.verify(s.keyring)
			if len(full.Problems) > 0 {
				t.Errorf("problems in a full store: %v", full.Problems)
			}
			if blobs, bytes, _ := s.Blobs.Usage(t.Context()); full.Blobs != blobs || full.Bytes != bytes {
				t.Errorf("%d blobs of %d bytes were read, there are %d of %d", full.Blobs, full.Bytes, blobs, bytes)
			}
		})
	}
}

func TestVerifyJudgesAKeyAsOfWhenItsSignatureWasAccepted(t *testing.T) {
	a := sample(t)
	k := upstreamtest.NewExpiredKey(t) // since yesterday
	a.Trust(k)
	a.SignWith(k)
	then := time.Now().Add(-36 * time.Hour)
	a.Publish(upstreamtest.At(then.Add(-time.Hour)))
	s := newStore(t, a)
	s.now = func() time.Time { return then }
	s.refresh("stable")
	if r := s.verify(s.keyring); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
}

// forged is a second generation that is like the first but for what a test
// changes of it.
type forged struct {
	*store
	catalog.Generation
	entries []catalog.Entry
}

// remove takes out the rows whose path contains part.
func (f *forged) remove(part string) {
	before := len(f.entries)
	f.entries = slices.DeleteFunc(f.entries, func(e catalog.Entry) bool { return strings.Contains(e.Path, part) })
	if len(f.entries) == before {
		f.t.Fatalf("no row contains %s", part)
	}
}

// find gives the row whose path ends so.
func (f *forged) find(end string) *catalog.Entry {
	i := slices.IndexFunc(f.entries, func(e catalog.Entry) bool { return strings.HasSuffix(e.Path, end) })
	if i < 0 {
		f.t.Fatalf("no row ends in %s", end)
	}
	return &f.entries[i]
}

func (f *forged) add(kind catalog.Kind, name, plain string, like catalog.Entry) {
	like.Kind, like.Path, like.Plain = kind, name, plain
	f.entries = append(f.entries, like)
}

// record writes the generation into the catalog.
func (f *forged) record() {
	f.t.Helper()
	var m catalog.Manifest
	for _, e := range f.entries {
		m.Add(e)
	}
	raw, err := m.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	f.Manifest = f.put(raw)
	if _, err := f.Catalog.AddGeneration(f.Generation); err != nil {
		f.t.Fatal(err)
	}
}

func TestVerifyFindsAForgedGeneration(t *testing.T) {
	const packages = "main/binary-amd64/Packages"
	for _, tc := range []struct {
		name  string
		forge func(f *forged)
		want  []string // each in one problem
	}{
		{"a package too many", func(f *forged) { f.add(catalog.KindPackage, "pool/evil.deb", "pool/evil.deb", *f.find(".deb")) },
			[]string{"pool/evil.deb: no index of this generation names it"}},
		{"a package too few", func(f *forged) { f.remove("hello_1.0_") }, []string{".deb: an index names it, the manifest does not"}},
		{"a source too few", func(f *forged) { f.remove(".dsc") }, []string{".dsc: an index names it, the manifest does not"}},
		{"a package with other bytes", func(f *forged) { f.find(".deb").Digest[0] ^= 1 }, []string{".deb: the manifest has another size or digest"}},
		{"a package of another size", func(f *forged) { f.find(".deb").Size++ }, []string{".deb: the manifest has another size or digest"}},
		{"an index that is not listed", func(f *forged) {
			f.add(catalog.KindIndex, "dists/stable/evil", "dists/stable/evil", *f.find("Packages.xz"))
		},
			[]string{"dists/stable/evil: Release does not list it"}},
		{"an index outside of the suite", func(f *forged) { f.add(catalog.KindIndex, packages+".xz", packages+".xz", *f.find("Packages.xz")) },
			[]string{": main/binary-amd64/Packages.xz: Release does not list it"}},
		{"an index of which a form is missing", func(f *forged) { f.withoutForm("dists/stable/" + packages + ".gz") },
			[]string{"Packages.gz: Release lists it, the manifest does not have it"}},
		{"an index without its name by SHA-256", func(f *forged) { f.remove(f.byHash(packages+".xz", "SHA256")) }, []string{"Packages.xz: the manifest does not have it as "}},
		{"an index without its name by SHA-512", func(f *forged) { f.remove(f.byHash(packages+".xz", "SHA512")) }, []string{"Packages.xz: the manifest does not have it as "}},
		{"a name by hash that is no digest", func(f *forged) {
			x := *f.find(packages + ".xz")
			f.add(catalog.KindByHash, "dists/stable/main/by-hash/SHA256/00", x.Path, x)
		}, []string{"by-hash/SHA256/00: the name is not the digest"}},
		{"an InRelease that is not in the manifest", func(f *forged) { f.remove("InRelease") }, []string{"InRelease: the manifest does not have it"}},
		{"a Release with other bytes", func(f *forged) { f.find("/Release").Digest[0] ^= 1 }, []string{"/Release: the manifest has other bytes than were signed"}},
		{"a Release of another size", func(f *forged) { f.find("/Release").Size++ }, []string{"/Release: the manifest has other bytes than were signed"}},
		{"a Release elsewhere", func(f *forged) {
			f.add(catalog.KindRelease, "dists/other/Release", "dists/other/Release", *f.find("/Release"))
		},
			[]string{"dists/other/Release: the manifest has other bytes than were signed"}},
		{"no signature", func(f *forged) { f.InRelease, f.ReleaseGPG = blob.Digest{}, blob.Digest{} }, []string{"Release: it has no signature"}},
		{"a changed InRelease", func(f *forged) { f.InRelease = f.changed(f.InRelease) }, []string{"verifying InRelease: "}},
		{"a changed Release", func(f *forged) { f.Release = f.changed(f.Release) }, []string{"verifying InRelease: it does not say the same as Release"}},
		{"a changed Release without InRelease", func(f *forged) { f.InRelease, f.Release = blob.Digest{}, f.changed(f.Release) }, []string{"verifying Release.gpg: "}},
		{"another date", func(f *forged) { f.Date = f.Date.Add(time.Second) }, []string{"row: "}},
		{"another end", func(f *forged) { f.ValidUntil = time.Time{} }, []string{"row: "}},
		{"another label", func(f *forged) { f.Label = "evil" }, []string{"row: "}},
		{"another by-hash", func(f *forged) { f.ByHash = false }, []string{"row: "}},
		{"a source index of which the row knows nothing", func(f *forged) {
			f.Indexes = slices.DeleteFunc(f.Indexes, func(s string) bool { return strings.Contains(s, "Sources") })
		}, []string{".dsc: no index", ".orig.tar.gz: no index", ".debian.tar.gz: no index"}},
		{"an index that the manifest does not have", func(f *forged) { f.Indexes = append(f.Indexes, "dists/stable/evil") },
			[]string{"dists/stable/evil: the manifest does not have this index"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := sample(t)
			if a.Arch != "amd64" {
				t.Skip("the paths are those of amd64")
			}
			s := newStore(t, a)
			g := s.refresh("stable")
			f := &forged{s, g, s.entries(g)}
			tc.forge(f)
			f.record()
			problems := s.verify(s.keyring).Problems
			for _, want := range tc.want {
				i := slices.IndexFunc(problems, func(p cache.Problem) bool {
					return strings.Contains(p.Where+": "+p.What, want) && strings.HasPrefix(p.Where, "archive upstream, suite stable, generation 2: ")
				})
				if i < 0 {
					t.Fatalf("%q is not found; found %q", want, problems)
				}
				problems = slices.Delete(problems, i, i+1)
			}
			if len(problems) > 0 {
				t.Errorf("found besides: %q", problems)
			}
		})
	}
}

// changed stores a Release file with another suite in it.
func (f *forged) changed(d blob.Digest) blob.Digest {
	return f.put(bytes.Replace(f.read(d), []byte("Suite: stable"), []byte("Suite: evil"), 1))
}

// byHash gives the name by digest of an index of the suite.
func (f *forged) byHash(name, kind string) string {
	plain := "dists/stable/" + name
	for _, e := range f.entries {
		if e.Kind == catalog.KindByHash && e.Plain == plain && strings.Contains(e.Path, kind) {
			return e.Path
		}
	}
	f.t.Fatalf("%s has no name by %s", name, kind)
	return ""
}

// withoutForm takes out an index with its names by digest.
func (f *forged) withoutForm(plain string) {
	f.entries = slices.DeleteFunc(f.entries, func(e catalog.Entry) bool { return e.Plain == plain })
}

func TestVerifyFindsWhatIsMissingOrDamaged(t *testing.T) {
	index := func(s *store, g catalog.Generation) blob.Digest {
		f := forged{s, g, s.entries(g)}
		return f.find("Packages.xz").Digest
	}
	for _, tc := range []struct {
		name string
		harm func(s *store, g catalog.Generation)
		want string
	}{
		{"InRelease", func(s *store, g catalog.Generation) { s.delete(g.InRelease) }, "generation 1: Release: verifying InRelease: "},
		{"Release", func(s *store, g catalog.Generation) { s.delete(g.Release) }, "generation 1: Release: "},
		{"Release.gpg", func(s *store, g catalog.Generation) { s.delete(g.ReleaseGPG) }, "generation 1: Release: verifying Release.gpg: "},
		{"the manifest", func(s *store, g catalog.Generation) { s.delete(g.Manifest) }, "generation 1: manifest: "},
		{"a generation", func(s *store, g catalog.Generation) { s.deleteRow(g) }, "repository debian, suite stable: generation 1 of archive upstream, suite stable: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStore(t, sample(t))
			g := s.refresh("stable")
			tc.harm(s, g)
			p := s.verify(s.keyring).Problems
			if len(p) != 1 || !strings.Contains(p[0].Where+": "+p[0].What, tc.want) {
				t.Errorf("found %q, want %q", p, tc.want)
			}
		})
	}
	t.Run("an index", func(t *testing.T) {
		s := newStore(t, sample(t))
		g := s.refresh("stable")
		s.delete(index(s, g))
		p := s.verify(s.keyring).Problems
		if len(p) != 3 || !strings.HasSuffix(p[0].Where, "Packages.xz") || !strings.Contains(p[0].What, blob.ErrNotFound.Error()) {
			t.Errorf("found %q, want the index and its two packages", p)
		}
	})
	t.Run("a flipped byte", func(t *testing.T) {
		s := newStore(t, sample(t))
		g := s.refresh("stable")
		s.close()
		s.open() // badger cuts its newest file off at such a byte: begin another
		s.fill(g)
		f := forged{s, g, s.entries(g)}
		d := f.find("hello_1.0_amd64.deb").Digest
		s.close()
		s.open()
		s.flipByte(d)
		p := s.verify(s.keyring).Problems
		if len(p) != 1 || p[0].Where != "blob "+d.String() {
			t.Errorf("found %q, want one in blob %v", p, d)
		}
	})
}

// deleteRow takes a generation out of the catalog, behind its back.
func (s *store) deleteRow(g catalog.Generation) {
	s.t.Helper()
	s.behind(func(txn *badger.Txn) error {
		if _, err := txn.Get(rowOf(g)); err != nil {
			return err
		}
		return txn.Delete(rowOf(g))
	})
}

func rowOf(g catalog.Generation) []byte {
	return binary.BigEndian.AppendUint64([]byte("g"+g.Archive+"\x00"+g.Suite+"\x00"), g.Number)
}

// behind changes the catalog while it is closed.
func (s *store) behind(change func(*badger.Txn) error) {
	s.t.Helper()
	s.close()
	defer s.open()
	db, err := badger.Open(badger.DefaultOptions(filepath.Join(s.dir, "catalog")).WithLogger(nil))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func TestVerifyGoesOnAfterARowThatCannotBeRead(t *testing.T) {
	a := sample(t)
	s := newStore(t, a)
	first := s.refresh("stable")
	a.Publish()
	second := s.refresh("stable")
	s.delete(second.InRelease)
	s.behind(func(txn *badger.Txn) error {
		return errors.Join(txn.Set(rowOf(first), []byte("garbage")), txn.Set([]byte("pother\x00stable"), []byte("garbage")))
	})
	var found []string
	for _, p := range s.verify(s.keyring).Problems {
		found = append(found, p.Where)
	}
	want := []string{"catalog", "archive upstream, suite stable, generation 2: Release", "catalog", "repository debian, suite stable"}
	if !slices.Equal(found, want) {
		t.Errorf("found problems in %q, want %q", found, want)
	}
}

func TestVerifyWantsTheKeysOfTheConfiguration(t *testing.T) {
	s := newStore(t, sample(t))
	s.refresh("stable")
	strange, err := pgp.ReadKeyring(bytes.NewReader(upstreamtest.NewKey(t).Public()))
	if err != nil {
		t.Fatal(err)
	}
	p := s.verify(func(archive string) *pgp.Keyring {
		if archive != "upstream" {
			t.Errorf("asked for the keys of %q", archive)
		}
		return strange
	}).Problems
	if len(p) != 1 || !strings.HasPrefix(p[0].What, "verifying InRelease: ") {
		t.Errorf("found %q", p)
	}
}

// What is kept for a week in case it comes back is nobody's fault.
func TestVerifyLeavesOutWhatIsNoLongerConfigured(t *testing.T) {
	s := newStore(t, sample(t))
	s.refresh("stable")
	r := s.verify(func(string) *pgp.Keyring { return nil })
	want := []cache.Problem{{Where: "archive upstream, suite stable, generation 1", What: "not checked: the archive is no longer configured"}}
	if len(r.Problems) != 0 || !slices.Equal(r.Unchecked, want) || r.Generations != 0 || r.Blobs == 0 {
		t.Errorf("%+v", r)
	}
}

func TestVerifyOfManyProblemsIsBounded(t *testing.T) {
	s := newStore(t, sample(t))
	g := s.refresh("stable")
	f := &forged{s, g, s.entries(g)}
	for i := range 1000 {
		name := fmt.Sprintf("pool/evil%d.deb", i)
		f.add(catalog.KindPackage, name, name, *f.find(".deb"))
	}
	f.record()
	p := s.verify(s.keyring).Problems
	if len(p) != 101 || p[100].What != "900 more problems like these" {
		t.Errorf("%d problems, the last of them %q", len(p), p[len(p)-1])
	}
}

func TestVerifyThatIsStoppedInventsNoProblems(t *testing.T) {
	s := newStore(t, sample(t))
	s.refresh("stable")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("stop")
	r, err := s.Verify(ctx, s.keyring, func(string) { cancel(reason) })
	if !errors.Is(err, reason) || len(r.Problems) > 0 {
		t.Errorf("%v with problems %v, want %v without", err, r.Problems, reason)
	}
}

func TestVerifyOfAClosedStoreIsAnError(t *testing.T) {
	s := newStore(t, sample(t))
	s.refresh("stable")
	if err := s.Blobs.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), s.keyring, func(string) {}); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
}

func TestOpenRefusesAStoreInUse(t *testing.T) {
	s := newStore(t, sample(t))
	if _, err := cache.Open(s.dir, nil); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("%v, want ErrLocked", err)
	}
}

// A store in which a file was lost is whole again after the next refresh.
func TestRefreshMendsAStoreThatLostFilesOfAGeneration(t *testing.T) {
	for name, lost := range map[string]func(catalog.Generation) blob.Digest{
		"manifest":    func(g catalog.Generation) blob.Digest { return g.Manifest },
		"InRelease":   func(g catalog.Generation) blob.Digest { return g.InRelease },
		"Release":     func(g catalog.Generation) blob.Digest { return g.Release },
		"Release.gpg": func(g catalog.Generation) blob.Digest { return g.ReleaseGPG },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, sample(t))
			s.delete(lost(s.refresh("stable")))
			var again upstream.Refreshed
			s.with(func(u *upstream.Upstream) {
				var err error
				if again, err = u.Refresh(t.Context(), s.archive, "stable"); err != nil {
					t.Fatal(err)
				}
			})
			if !again.New {
				t.Error("nothing was taken in")
			}
			if r := s.verify(s.keyring); len(r.Problems) > 0 {
				t.Error(r.Problems)
			}
		})
	}
}

// A row that nobody can read may name anything: it is reported, and nothing is
// removed.
func TestRowsThatCannotBeReadKeepEverything(t *testing.T) {
	a := sample(t)
	s := newStore(t, a)
	s.refresh("stable")
	for name, key := range map[string]string{"a snapshot": "tjune", "a pool's file": "ointernal\x00main/x.deb", "a publication": "psite\x00stable"} {
		s.behind(func(txn *badger.Txn) error { return txn.Set([]byte(key), []byte("garbage")) })
		problems := s.verify(s.keyring).Problems
		if len(problems) != 1 || problems[0].Where != "catalog" {
			t.Errorf("%s: found %q", name, problems)
		}
		spare := s.put([]byte("named by nobody, as far as can be read"))
		if _, err := s.Collect(t.Context(), false, catalog.Gone{}); err == nil {
			t.Errorf("%s: files were collected", name)
		}
		if _, err := s.Blobs.Stat(spare); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.behind(func(txn *badger.Txn) error { return txn.Delete([]byte(key)) })
	}
	if _, err := s.Collect(t.Context(), false, catalog.Gone{}); err != nil {
		t.Error(err)
	}
}
