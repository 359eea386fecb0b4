package resign

import (
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// weakened takes the digests out of a stanza.
func weakened(stanza string) string {
	var out strings.Builder
	for line := range strings.Lines(stanza) {
		if !strings.HasPrefix(line, "SHA256: ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// at names another file in a stanza.
func at(file, stanza string) string {
	var out strings.Builder
	for line := range strings.Lines(stanza) {
		if strings.HasPrefix(line, "Filename: ") {
			line = "Filename: " + file + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// of512 is a package of which SHA-512 alone is signed, and its file is the text.
func of512(name, text string) string {
	return fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: amd64\nFilename: pool/%[1]s.deb\nSize: %d\nSHA512: %x\n\n", name, len(text), sha512.Sum512([]byte(text)))
}

// What nobody could verify is no part of what a site signs.
func TestWhatIsLeftOutOfAnInputIsNotBuilt(t *testing.T) {
	s := newStore(t)
	source := sourceStanza("src", "1")
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64: joined(stanza("aaa", "1", "amd64"), weakened(stanza("bbb", "1", "amd64")), weakened(stanza("ccc", "1", "all")),
			at("pool/ddd.deb", stanza("ddd", "1", "amd64")), at("./pool/ddd.deb", stanza("ddd", "2", "amd64")), of512("eee", "nobody has it"), stanza("zzz", "1", "all")),
		"main/source/Sources": joined(source, sourceStanza("old", "1"),
			"Package: part\nVersion: 1\nDirectory: pool/part\nFiles:\n "+strings.Repeat("0", 32)+" 900 part_1.dsc\n "+strings.Repeat("1", 32)+" 901 part_1.tar.gz\nChecksums-Sha256:\n "+blob.Sum(nil).String()+" 900 part_1.dsc\n\n"),
	})
	in.Generation.LeftOut = []catalog.LeftOut{
		{Path: "pool/ddd.deb", Why: catalog.Disputed}, {Path: "pool/main/bbb/bbb_1_amd64.deb", Why: catalog.NoDigest},
		{Path: "pool/main/ccc/ccc_1_all.deb", Why: catalog.NoDigest}, {Path: "pool/main/old/old_1.dsc", Why: catalog.Disputed}, {Path: "pool/part/part_1.tar.gz", Why: catalog.NoDigest},
	}
	r := recipe(in)
	built := s.build(r)
	if got, want := packages(t, s.index(built.Generation, amd64)), []string{"aaa 1", "zzz 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := packages(t, s.index(built.Generation, "main/source/Sources")), []string{"src 1"}; !slices.Equal(got, want) {
		t.Errorf("sources %q, want %q", got, want)
	}
	if built.Offered != 3 || built.Generation.Packages != 3 {
		t.Errorf("%d offered, %d files; want 3", built.Offered, built.Generation.Packages)
	}
	var told []string
	err := s.builder().Select(t.Context(), r, func(sel *Selection) error {
		for _, l := range sel.LeftOut {
			told = append(told, fmt.Sprintf("%s %s %s %s %s: %s", l.Kind, l.Name, l.Version, l.Input, l.File, l.Why))
		}
		return nil
	})
	want := []string{
		"deb bbb 1 archive:debian/bookworm pool/main/bbb/bbb_1_amd64.deb: " + catalog.NoDigest.String(),
		"deb ccc 1 archive:debian/bookworm pool/main/ccc/ccc_1_all.deb: " + catalog.NoDigest.String(),
		"deb ddd 1 archive:debian/bookworm pool/ddd.deb: " + catalog.Disputed.String(),
		"deb ddd 2 archive:debian/bookworm pool/ddd.deb: " + catalog.Disputed.String(),
		"deb eee 1 archive:debian/bookworm pool/eee.deb: " + nobodyHas,
		"source old 1 archive:debian/bookworm pool/main/old/old_1.dsc: " + catalog.Disputed.String(),
		"source part 1 archive:debian/bookworm pool/part/part_1.tar.gz: " + catalog.NoDigest.String(),
	}
	if err != nil || !slices.Equal(told, want) {
		t.Errorf("told %q, %v; want %q", told, err, want)
	}
}

// One index may have a package as it should be, and another may not.
func TestAPackageThatOneOfTwoIndexesHasWell(t *testing.T) {
	s := newStore(t)
	all := stanza("aaa", "1", "all")
	in := s.mirror("debian", "bookworm", map[string]string{"main/binary-all/Packages": weakened(all), amd64: all})
	in.Generation.LeftOut = []catalog.LeftOut{{Path: "pool/main/aaa/aaa_1_all.deb", Why: catalog.NoDigest}}
	if got := packages(t, s.index(s.build(recipe(in)).Generation, amd64)); !slices.Equal(got, []string{"aaa 1"}) {
		t.Errorf("%q", got)
	}
}

// A file that is found later is in an archive whose indexes are as they were.
func TestWhatIsFoundLaterIsBuilt(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{amd64: joined(stanza("aaa", "1", "amd64"), of512("eee", "found"))})
	in.Generation.Missing = []string{"pool/eee.deb"}
	if got := packages(t, s.index(s.build(recipe(in)).Generation, amd64)); !slices.Equal(got, []string{"aaa 1"}) {
		t.Fatalf("%q", got)
	}
	next := *in.Generation
	next.Missing = nil
	var m catalog.Manifest
	for e := range s.table(next).All() {
		m.Add(e)
	}
	m.Add(catalog.Entry{Path: "pool/eee.deb", Plain: "pool/eee.deb", Kind: catalog.KindPackage, Size: 5, Digest: s.put([]byte("found"))})
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	next.Manifest = s.put(raw)
	in.Generation = &next
	if got := packages(t, s.index(s.build(recipe(in)).Generation, amd64)); !slices.Equal(got, []string{"aaa 1", "eee 1"}) {
		t.Errorf("%q", got)
	}
}
