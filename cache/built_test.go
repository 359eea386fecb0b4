package cache

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// built is a site's repository in the making: every part may be changed before
// it is recorded.
type built struct {
	f        *fixture
	key      *upstreamtest.Key
	text     string // of the uncompressed index
	packages map[string]content
	entries  []catalog.Entry
	listed   map[string]content // by Release, without the suite's folder
	g        catalog.Generation
	pool     []catalog.PoolFile
}

const builtIndex = "main/binary-amd64/Packages"

// build prepares a generation of repository "site" with packages of archive
// "upstream", and those of pool "internal" that are added here.
func (f *fixture) build(key *upstreamtest.Key, suite string, archive, pool []file) *built {
	f.t.Helper()
	b := &built{f: f, key: key, packages: map[string]content{}, listed: map[string]content{}}
	b.g = catalog.Generation{Archive: catalog.BuiltBy("site"), Suite: suite, Created: f.clock, Fields: f.put([]byte("fields")), Recipe: blob.Sum([]byte("recipe"))}
	for _, p := range archive {
		b.addPackage(catalog.OriginPath("upstream", "pool/"+p.name), p)
	}
	for _, p := range pool {
		b.addToPool(p)
	}
	b.index("", []byte(b.text))
	b.index(".gz", zipped(f.t, b.text))
	for name, c := range b.packages {
		b.entries = append(b.entries, catalog.Entry{Path: name, Plain: name, Kind: catalog.KindPackage, Size: c.size, Digest: c.digest})
	}
	b.listed["main/binary-all/Packages"] = emptyPlain
	b.g.Indexes = []string{catalog.SuiteDir(suite) + builtIndex + ".gz"}
	return b
}

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (b *built) addPackage(name string, p file) {
	b.packages[name] = content{int64(p.size), p.digest()}
	b.text += fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: amd64\nFilename: %s\nSize: %d\nSHA256: %s\n\n", p.name, name, p.size, p.digest())
}

func (b *built) addToPool(p file) {
	b.f.t.Helper()
	b.addPackage(catalog.OriginPath("internal", "main/"+p.name), p)
	b.pool = append(b.pool, catalog.PoolFile{
		Pool: "internal", Component: "main", Path: "main/" + p.name, Kind: catalog.PoolDeb, Package: p.name, Version: "1", Architecture: "amd64",
		Digest: b.f.put(p.content()), Size: int64(p.size), Stanza: b.f.put([]byte("Package: " + p.name + "\nVersion: 1\n")), Added: b.f.clock,
	})
}

// index adds a form of the index, stored unless it is the uncompressed one.
func (b *built) index(ending string, data []byte) {
	b.f.t.Helper()
	c := content{int64(len(data)), blob.Sum(data)}
	b.listed[builtIndex+ending] = c
	if ending == "" {
		return
	}
	b.f.put(data)
	name := catalog.SuiteDir(b.g.Suite) + builtIndex + ending
	b.entries = append(b.entries, catalog.Entry{Path: name, Plain: name, Kind: catalog.KindIndex, Size: c.size, Digest: c.digest})
	b.entries = append(b.entries, catalog.Entry{Path: path.Dir(name) + "/by-hash/SHA256/" + c.digest.String(), Plain: name, Kind: catalog.KindByHash, Size: c.size, Digest: c.digest})
}

// record adds the pool's files and the generation.
func (b *built) record() catalog.Generation {
	b.f.t.Helper()
	if err := b.f.Catalog.AddPoolFiles(b.f.t.Context(), "internal", b.pool); err != nil {
		b.f.t.Fatal(err)
	}
	var m catalog.Manifest
	for _, e := range b.entries {
		m.Add(e)
	}
	raw, err := m.Encode()
	if err != nil {
		b.f.t.Fatal(err)
	}
	b.g.Manifest = b.f.put(raw)
	if b.g.Number, err = b.f.Catalog.AddGeneration(b.g); err != nil {
		b.f.t.Fatal(err)
	}
	return b.g
}

// sign makes what is signed at the present moment.
func (b *built) sign() *catalog.Signed {
	b.f.t.Helper()
	date := b.f.clock.UTC().Truncate(time.Second)
	s := &catalog.Signed{Date: date, ValidUntil: date.AddDate(0, 0, 7), Signers: []catalog.Signer{{Fingerprint: b.key.Fingerprint()}}}
	var text strings.Builder
	fmt.Fprintf(&text, "Origin: Site\nSuite: %s\nDate: %s\nValid-Until: %s\nAcquire-By-Hash: yes\nSHA256:\n", b.g.Suite, date.Format(time.RFC1123), s.ValidUntil.Format(time.RFC1123))
	for name, c := range b.listed {
		fmt.Fprintf(&text, " %s %d %s\n", c.digest, c.size, name)
	}
	release := []byte(text.String())
	s.Release = b.f.put(release)
	s.InRelease = b.f.put(upstreamtest.Clearsign(b.f.t, release, date, b.key))
	s.ReleaseGPG = b.f.put(upstreamtest.DetachSign(b.f.t, release, date, b.key))
	return s
}

// publishIn signs and publishes in a repository.
func (b *built) publishIn(repository string, m catalog.Move) catalog.Publication {
	b.f.t.Helper()
	before, _ := b.f.Catalog.Publication(repository, b.g.Suite) // an empty one, if there is none
	m.Repository, m.Suite, m.Expect, m.Next = repository, b.g.Suite, before.Current, b.g.Ref()
	if m.Signed == nil {
		m.Signed = b.sign()
	}
	p, err := b.f.Catalog.Publish(b.f.t.Context(), m, b.f.clock)
	if err != nil {
		b.f.t.Fatal(err)
	}
	return p
}

func (f *fixture) verified(keys map[string]*pgp.Keyring) (problems []string) {
	f.t.Helper()
	r, err := f.Verify(f.t.Context(), func(of string) *pgp.Keyring { return keys[of] }, func(string) {})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, p := range r.Problems {
		problems = append(problems, p.Where+": "+p.What)
	}
	return problems
}

func keyringOf(t testing.TB, keys ...*upstreamtest.Key) *pgp.Keyring {
	t.Helper()
	var all []byte
	for _, k := range keys {
		all = append(all, k.Public()...)
	}
	ring, err := pgp.ReadKeyring(bytes.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestVerifyFindsNothingInABuiltRepositoryItsRingAndItsSnapshot(t *testing.T) {
	f := newFixture(t, Options{})
	site, production := upstreamtest.NewKey(t), upstreamtest.NewKey(t)
	b := f.build(site, "stable", packages(2), []file{{"tool", unit}})
	b.record()
	p := b.publishIn("site", catalog.Move{})
	b.publishIn("site/snapshot/june", catalog.Move{})
	b.key = production
	b.publishIn("production", catalog.Move{Snapshot: "june"})
	f.addSnapshot("june", false, p)
	keys := map[string]*pgp.Keyring{"@site": keyringOf(t, site), "@production": keyringOf(t, production)}
	if got := f.verified(keys); got != nil {
		t.Errorf("found %q", got)
	}
	if got := f.quick(); got != nil {
		t.Errorf("quickly found %q", got)
	}
	lost, err := f.Lost(t.Context())
	if err != nil || lost.Count() != 0 || lost.Snapshots != nil {
		t.Errorf("lost: %+v, %v", lost, err)
	}
}

func (f *fixture) addSnapshot(name string, complete bool, publications ...catalog.Publication) catalog.Snapshot {
	f.t.Helper()
	s := catalog.Snapshot{Name: name, Created: f.clock, Complete: complete}
	for _, p := range publications {
		s.Pins = append(s.Pins, catalog.Pin{Repository: p.Repository, Suite: p.Suite, Ref: p.Current, Published: p.Published})
	}
	if err := f.Catalog.AddSnapshot(f.t.Context(), s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestVerifyFindsAForgedBuiltGeneration(t *testing.T) {
	dir := "dists/stable/"
	find := func(b *built, end string) *catalog.Entry {
		for i := range b.entries {
			if strings.HasSuffix(b.entries[i].Path, end) {
				return &b.entries[i]
			}
		}
		b.f.t.Fatalf("no entry ends in %s", end)
		return nil
	}
	remove := func(b *built, part string) {
		kept := b.entries[:0]
		for _, e := range b.entries {
			if !strings.Contains(e.Path, part) {
				kept = append(kept, e)
			}
		}
		b.entries = kept
	}
	const generation, repository = "repository site, suite stable, built generation 1: ", "repository site, suite stable: "
	for name, c := range map[string]struct {
		forge func(b *built)
		want  string
	}{
		"a package too many": {func(b *built) {
			b.entries = append(b.entries, catalog.Entry{Path: "pool/upstream/evil", Plain: "pool/upstream/evil", Kind: catalog.KindPackage, Size: 5})
		}, generation + "pool/upstream/evil: no index of this generation names it"},
		"a package of nobody": {func(b *built) {
			b.entries = append(b.entries, catalog.Entry{Path: "evil", Plain: "evil", Kind: catalog.KindPackage, Size: 5})
		}, generation + "evil: the path does not say"},
		"a package too few":          {func(b *built) { remove(b, "package-00") }, "package-00: an index names it, the manifest does not"},
		"a package with other bytes": {func(b *built) { find(b, "package-00").Digest[0] ^= 1 }, "package-00: the manifest has another size or digest"},
		"an index without its hash":  {func(b *built) { remove(b, "by-hash") }, builtIndex + ".gz: the manifest does not have it as"},
		"a name that is no hash": {func(b *built) {
			find(b, b.listed[builtIndex+".gz"].digest.String()).Path = dir + "main/binary-amd64/by-hash/SHA256/00"
		}, "the name is not the digest"},
		"an index that is not stored":             {func(b *built) { b.f.drop(b.listed[builtIndex+".gz"].digest) }, generation + dir + builtIndex + ".gz: it is not in the store"},
		"an index of which the row knows nothing": {func(b *built) { b.g.Indexes = nil }, "tool: no index of this generation names it"},
		"a Release of its own": {func(b *built) {
			b.entries = append(b.entries, catalog.Entry{Path: dir + "Release", Plain: dir + "Release", Kind: catalog.KindRelease})
		}, generation + dir + "Release: a built generation has no such file"},
		"fields that are not stored":  {func(b *built) { b.f.drop(b.g.Fields) }, generation + "fields: it is not in the store"},
		"an index that is not listed": {func(b *built) { delete(b.listed, builtIndex+".gz") }, repository + dir + builtIndex + ".gz: Release does not list it"},
		"an index that is listed otherwise": {func(b *built) { b.listed[builtIndex+".gz"] = content{1, blob.Sum([]byte("x"))} },
			repository + dir + builtIndex + ".gz: the manifest has another size or digest than Release"},
		"another uncompressed form": {func(b *built) { b.listed[builtIndex] = content{1, blob.Sum([]byte("x"))} },
			repository + dir + builtIndex + ": Release lists it, and no index is that uncompressed"},
		"something that is not there": {func(b *built) { b.listed["main/Contents-amd64"] = content{1, blob.Sum([]byte("x"))} },
			repository + dir + "main/Contents-amd64: Release lists it, and no index is that uncompressed"},
		"two forms that differ": {func(b *built) { b.index(".xz", []byte("no xz at all")) }, repository + dir + builtIndex + ".xz: "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Options{})
			key := upstreamtest.NewKey(t)
			b := f.build(key, "stable", packages(2), []file{{"tool", unit}})
			c.forge(b)
			b.record()
			b.publishIn("site", catalog.Move{})
			got := f.verified(map[string]*pgp.Keyring{"@site": keyringOf(t, key)})
			if !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("%q is not found; found %q", c.want, got)
			}
		})
	}
}

func TestVerifyFindsWhatWasSignedWrongly(t *testing.T) {
	const place = "repository site, suite stable: "
	for name, c := range map[string]struct {
		change func(f *fixture, b *built, s *catalog.Signed)
		want   string
	}{
		"by another key": {func(f *fixture, b *built, s *catalog.Signed) { b.key = upstreamtest.NewKey(f.t); *s = *b.sign() }, place + "Release: verifying InRelease: "},
		"a Release that says something else": {func(f *fixture, b *built, s *catalog.Signed) { s.Release = f.put([]byte("Suite: evil\n")) },
			place + "Release: verifying InRelease: it does not say the same as Release"},
		"a signature of something else": {func(f *fixture, b *built, s *catalog.Signed) {
			s.ReleaseGPG = f.put(upstreamtest.DetachSign(f.t, []byte("other"), f.clock, b.key))
		}, place + "Release: verifying Release.gpg: "},
		"another date": {func(f *fixture, b *built, s *catalog.Signed) { s.Date = s.Date.Add(time.Hour) }, place + "row: "},
		"another end":  {func(f *fixture, b *built, s *catalog.Signed) { s.ValidUntil = time.Time{} }, place + "row: "},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Options{})
			key := upstreamtest.NewKey(t)
			b := f.build(key, "stable", packages(1), nil)
			b.record()
			s := b.sign()
			c.change(f, b, s)
			b.publishIn("site", catalog.Move{Signed: s})
			got := f.verified(map[string]*pgp.Keyring{"@site": keyringOf(t, key)})
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("want %q alone; found %q", c.want, got)
			}
		})
	}
}

func TestVerifyLeavesOutARepositoryThatIsNoLongerConfigured(t *testing.T) {
	f := newFixture(t, Options{})
	b := f.build(upstreamtest.NewKey(t), "stable", packages(1), nil)
	b.record()
	b.publishIn("site", catalog.Move{})
	r, err := f.Verify(t.Context(), func(string) *pgp.Keyring { return nil }, func(string) {})
	want := []Problem{{"repository site, suite stable", "not checked: the repository is no longer configured"}}
	if err != nil || len(r.Problems) != 0 || !slices.Equal(r.Unchecked, want) || r.Generations != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWhatTheSiteOwnsIsMissed(t *testing.T) {
	for name, c := range map[string]struct {
		drop func(b *built, p catalog.Publication) blob.Digest
		want string // in a problem of both readings
		lost func(l Lost) int
	}{
		"an InRelease": {func(_ *built, p catalog.Publication) blob.Digest { return p.Signed.InRelease }, "repository site, suite stable: InRelease: ", func(l Lost) int { return len(l.Publications) }},
		"an index":     {func(b *built, _ catalog.Publication) blob.Digest { return b.listed[builtIndex+".gz"].digest }, builtIndex + ".gz: ", func(l Lost) int { return len(l.Built) }},
		"a manifest":   {func(b *built, _ catalog.Publication) blob.Digest { return b.g.Manifest }, "built generation 1", func(l Lost) int { return len(l.Built) }},
		"fields":       {func(b *built, _ catalog.Publication) blob.Digest { return b.g.Fields }, "fields: ", func(l Lost) int { return len(l.Built) }},
		"a package":    {func(b *built, _ catalog.Publication) blob.Digest { return b.pool[0].Digest }, "pool internal: main/tool: it is not in the store", func(l Lost) int { return len(l.Pool) }},
		"a stanza":     {func(b *built, _ catalog.Publication) blob.Digest { return b.pool[0].Stanza }, "pool internal: main/tool: its control stanza: ", func(l Lost) int { return len(l.Pool) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Options{})
			key := upstreamtest.NewKey(t)
			b := f.build(key, "stable", packages(1), []file{{"tool", unit}})
			b.record()
			p := b.publishIn("site", catalog.Move{})
			f.drop(c.drop(b, p))
			if got := f.verified(map[string]*pgp.Keyring{"@site": keyringOf(t, key)}); !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("want %q, found %q", c.want, got)
			}
			if got := f.quick(); len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("want %q, quickly found %q", c.want, got)
			}
			if l, err := f.Lost(t.Context()); err != nil || c.lost(l) != 1 || l.Count() != 1 {
				t.Errorf("lost: %+v, %v", l, err)
			}
			_, err := f.Catalog.Latest(t.Context(), "@site", "stable")
			if l, _ := f.Lost(t.Context()); (err != nil) != (len(l.Built) > 0) {
				t.Errorf("what a build compares with: %v", err)
			}
		})
	}
}

func TestVerifyReadsStanzasOfPools(t *testing.T) {
	f := newFixture(t, Options{})
	b := f.build(upstreamtest.NewKey(t), "stable", nil, []file{{"tool", unit}, {"blank", unit}})
	b.pool[0].Stanza, b.pool[1].Stanza = f.put([]byte("Package: other\nVersion: 1\n")), f.put([]byte("\n"))
	if err := f.Catalog.AddPoolFiles(t.Context(), "internal", b.pool); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(f.verified(nil), "\n")
	for _, want := range []string{`main/tool: its control stanza: its Package is "other", the catalog says "tool"`, "main/blank: its control stanza: it is empty"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not found in %q", want, got)
		}
	}
}

func TestVerifyCountsWhatACompleteSnapshotLacks(t *testing.T) {
	f := newFixture(t, Options{})
	key := upstreamtest.NewKey(t)
	b := f.build(key, "stable", packages(3), nil)
	b.record()
	s := f.addSnapshot("june", true, b.publishIn("site", catalog.Move{}))
	f.mustFill(packages(3)...)
	s.Completed = f.clock
	if err := f.Catalog.SaveSnapshot(s); err != nil {
		t.Fatal(err)
	}
	if got := f.quick(); got != nil {
		t.Errorf("found %q", got)
	}
	f.drop(packages(1)[0].digest())
	if got := f.quick(); len(got) != 1 || !strings.Contains(got[0], "snapshot june, repository site, suite stable: 1 files") {
		t.Errorf("found %q", got)
	}
}

func TestLostNamesSnapshotsThatAreBeyondMending(t *testing.T) {
	f := newFixture(t, Options{})
	b := f.build(upstreamtest.NewKey(t), "stable", packages(1), nil)
	b.record()
	f.addSnapshot("june", false, b.publishIn("site", catalog.Move{}))
	f.drop(b.g.Fields)
	if l, err := f.Lost(t.Context()); err != nil || len(l.Built) != 1 || l.Snapshots != nil {
		t.Errorf("of the newest generation: %+v, %v", l, err)
	}
	again := f.build(b.key, "stable", packages(2), nil)
	again.g.Fields = f.put([]byte("other fields"))
	f.drop(b.g.Fields)
	again.record()
	if l, err := f.Lost(t.Context()); err != nil || len(l.Snapshots) != 1 || l.Snapshots[0].Name != "june" {
		t.Errorf("of an older generation: %+v, %v", l, err)
	}
}

func TestWhatTheSiteOwnsIsNeitherEvictedNorCollected(t *testing.T) {
	f := newFixture(t, Options{MaxSize: 6*unit + metadata})
	key := upstreamtest.NewKey(t)
	f.generation("stable", packages(8)...) // so that archive "upstream" is known
	b := f.build(key, "stable", packages(2), []file{{"tool", unit}, {"gone", unit}})
	b.record()
	b.publishIn("site", catalog.Move{})
	// One is no longer in the pool, but the publication has it.
	if err := f.Catalog.RemovePoolFiles(t.Context(), "internal", []string{"main/gone"}, "uid 0", time.Now()); err != nil {
		t.Fatal(err)
	}
	owned := []blob.Digest{b.pool[0].Digest, b.pool[1].Digest, b.pool[0].Stanza, b.g.Fields, b.g.Manifest, b.listed[builtIndex+".gz"].digest}
	f.mustFill(packages(2)...)
	check := func(when string, b *built) {
		t.Helper()
		p, err := f.Catalog.Publication("site", "stable")
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append(owned, p.Signed.InRelease, p.Signed.Release, p.Signed.ReleaseGPG) {
			if !f.has(d) {
				t.Errorf("%s, an own file has gone", when)
			}
		}
	}
	for range 2 {
		for _, p := range packages(8)[2:] {
			f.clock = f.clock.Add(time.Minute)
			f.mustFill(p)
		}
		check("after evicting", b)
		f.clock = f.clock.AddDate(0, 0, 10)
		old := b.sign()
		b.publishIn("site", catalog.Move{})
		f.collected(false)
		check("after collecting", b)
		if f.has(old.InRelease) && f.has(old.Release) {
			p, _ := f.Catalog.Publication("site", "stable")
			if p.Signed.InRelease != old.InRelease {
				t.Error("what was signed before is kept")
			}
		}
	}
	if got := f.stored(packages(2)...); len(got) != 0 {
		t.Errorf("what an archive has is kept too: %v", got)
	}
}

func TestCompleteSnapshotsKeepTheirPackages(t *testing.T) {
	f, all := limited(t, 5), packages(7)
	g := f.generation("stable", all...)
	f.publish(g)
	p, err := f.Catalog.Publication("debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	old := f.generation("testing", all[:3]...)
	f.publish(old)
	q, err := f.Catalog.Publication("debian", "testing")
	if err != nil {
		t.Fatal(err)
	}
	f.addSnapshot("whole", true, q)
	f.addSnapshot("names", false, p)
	for _, x := range all {
		f.clock = f.clock.Add(time.Minute)
		f.mustFill(x)
	}
	if got := f.stored(all[:3]...); len(got) != 3 {
		t.Errorf("of a complete snapshot, only %v are left", got)
	}
	if err := f.Catalog.RemoveSnapshot(t.Context(), "whole"); err != nil {
		t.Fatal(err)
	}
	f.mustFill(all[3:]...)
	if got := f.stored(all[:3]...); len(got) == 3 {
		t.Error("what a snapshot kept stays without it")
	}
}

func TestCollectKeepsWhatSnapshotsPin(t *testing.T) {
	f := newFixture(t, Options{})
	generations, own, _ := history(f)
	f.addSnapshot("first", false, catalog.Publication{Repository: "debian", Suite: "stable", Current: generations[0].Ref()})
	f.clock = f.clock.AddDate(1, 0, 0)
	f.collected(false)
	f.wantWhole(generations[0])
	if !f.has(own[0].digest()) {
		t.Error("a package of a snapshot has gone")
	}
	if err := f.Catalog.RemoveSnapshot(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	f.collected(false)
	if f.has(own[0].digest()) || f.has(generations[0].Manifest) {
		t.Error("what only the snapshot needed is kept")
	}
}
