package resign

import (
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKeyAt(testNow.Add(-time.Hour), "Example site", "", EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *store) sign(g catalog.Generation, h Header, keys ...*Key) *catalog.Signed {
	s.t.Helper()
	signed, release, err := s.builder().Sign(s.t.Context(), g, h, keys)
	if err != nil {
		s.t.Fatal(err)
	}
	release()
	return signed
}

func (s *store) read(d blob.Digest) string {
	s.t.Helper()
	data, err := s.Blobs.ReadAll(s.t.Context(), d, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func TestSignedReleaseIsWhatItShouldBe(t *testing.T) {
	s := newStore(t)
	g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{
		amd64: stanza("aaa", "1", "amd64"), "main/binary-i386/Packages": "", "main/source/Sources": sourceStanza("aaa", "1"),
		"main/i18n/Translation-en": "Package: aaa\nDescription-md5: 00000000000000000000000000000003\nDescription-en: a\n long\n\n",
	}))).Generation
	h := Header{
		Origin: "Example", Label: "Example site", Suite: "stable", Codename: "bookworm", Description: "for all", NotAutomatic: true, ButAutomaticUpgrades: true,
		Snapshots: "https://mirror.example.org/site/snapshot/@SNAPSHOTID@/", Date: testNow, ValidUntil: testNow.Add(time.Hour),
	}
	signed := s.sign(g, h, testKey(t), testKey(t))
	text := s.read(signed.Release)
	release, err := debian.ParseRelease([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := `Origin: Example
Label: Example site
Suite: stable
Codename: bookworm
Date: Tue, 03 Nov 2026 12:00:00 UTC
Valid-Until: Tue, 03 Nov 2026 13:00:00 UTC
NotAutomatic: yes
ButAutomaticUpgrades: yes
Changelogs: no
Snapshots: https://mirror.example.org/site/snapshot/@SNAPSHOTID@/
Description: for all
Architectures: all amd64 i386
Components: main
No-Support-for-Architecture-all: Packages
Acquire-By-Hash: yes
SHA256:
`
	if !strings.HasPrefix(text, want) {
		t.Errorf("Release is\n%s\nwant it to begin\n%s", text, want)
	}
	for _, p := range []string{amd64, amd64 + ".gz", "main/source/Sources", "main/source/Sources.gz", "main/i18n/Translation-en.gz"} {
		if f, ok := release.File(p); !ok || f.Size == 0 || f.SHA1 != nil || f.SHA512 != nil {
			t.Errorf("%s: %+v, %v", p, f, ok)
		}
	}
	if f, ok := release.File("main/binary-i386/Packages"); !ok || f.Size != 0 {
		t.Errorf("the empty index: %+v, %v", f, ok)
	}
	if len(signed.Signers) != 2 || signed.Signers[0].Name != "Example site" || !signed.Date.Equal(testNow) || !signed.ValidUntil.Equal(h.ValidUntil) {
		t.Errorf("%+v", signed)
	}
}

// Every file that Release lists in a stored form is in the manifest, under its
// name and by hash.
func TestReleaseAndManifestAgree(t *testing.T) {
	s := newStore(t)
	g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64"), "main/source/Sources": sourceStanza("aaa", "1")}))).Generation
	release, err := debian.ParseRelease([]byte(s.read(s.sign(g, Header{Suite: "stable", Date: testNow}, testKey(t)).Release)))
	if err != nil {
		t.Fatal(err)
	}
	table := s.table(g)
	indexes := 0
	for e := range table.All() {
		if e.Kind != catalog.KindIndex {
			continue
		}
		indexes++
		f, ok := release.File(strings.TrimPrefix(e.Path, "dists/stable/"))
		if !ok || f.Size != e.Size || blob.Digest(f.SHA256) != e.Digest {
			t.Errorf("Release says %+v of %+v", f, e)
		}
		dir := e.Path[:strings.LastIndex(e.Path, "/")]
		if h, ok := table.Find(dir + "/by-hash/SHA256/" + e.Digest.String()); !ok || h.Kind != catalog.KindByHash || h.Plain != e.Path {
			t.Errorf("%s by hash is %+v", e.Path, h)
		}
		if _, err := s.Blobs.Stat(e.Digest); err != nil {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
	if indexes != 2 {
		t.Errorf("%d indexes", indexes)
	}
}

func TestWhatWouldBreakReleaseIsRefused(t *testing.T) {
	for _, h := range []Header{
		{Origin: "a\nDate: now"}, {Label: "a\x00"}, {Description: " a"}, {Description: "a\t"}, {Origin: "\xff"},
	} {
		h.Date = testNow
		if text, err := ReleaseText(h, nil); err == nil {
			t.Errorf("%q", text)
		}
	}
	s := newStore(t)
	g := s.build(recipe(s.mirror("debian", "bookworm", map[string]string{amd64: stanza("aaa", "1", "amd64")}))).Generation
	if _, _, err := s.builder().Sign(t.Context(), g, Header{Suite: "stable", Date: testNow}, nil); err == nil {
		t.Error("signed without a key")
	}
}

func TestNextDate(t *testing.T) {
	for _, c := range []struct{ previous, now, want time.Duration }{
		{-time.Hour, 0, 0},
		{-time.Hour, 900 * time.Millisecond, 0},
		{0, 0, time.Second},
		{0, 300 * time.Millisecond, time.Second},
		{time.Hour, 0, time.Hour + time.Second},
	} {
		if got := NextDate(testNow.Add(c.previous), testNow.Add(c.now)); !got.Equal(testNow.Add(c.want)) {
			t.Errorf("after %v at %v: %v", c.previous, c.now, got)
		}
	}
}

func TestValidUntil(t *testing.T) {
	at := func(d time.Duration) time.Time { return testNow.Add(d) }
	for _, c := range []struct {
		name     string
		validFor time.Duration
		inputs   []time.Time
		want     time.Time
	}{
		{"own", time.Hour, nil, at(time.Hour)},
		{"never", 0, []time.Time{{}}, time.Time{}},
		{"an input ends first", 3 * time.Hour, []time.Time{{}, at(2 * time.Hour), at(4 * time.Hour)}, at(2 * time.Hour)},
		{"an input ends at all", 0, []time.Time{at(time.Hour)}, at(time.Hour)},
	} {
		if got := ValidUntil(testNow, c.validFor, c.inputs...); !got.Equal(c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
