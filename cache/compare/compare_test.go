package compare

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stanza is a package "name version architecture [content] [source]".
func stanza(line string) string {
	f := append(strings.Fields(line), "", "")
	name, version, arch, content, source := f[0], f[1], f[2], f[3], f[4]
	text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\n", name, version, arch)
	if source != "" {
		text += "Source: " + strings.Replace(source, "=", " (", 1)
		if strings.Contains(source, "=") {
			text += ")"
		}
		text += "\n"
	}
	return text + fmt.Sprintf("Filename: pool/%s_%s_%s.deb\nSize: %d\nSHA256: %x\n\n", name, strings.ReplaceAll(version, ":", "%3a"), arch, 10+len(content), sha256.Sum256([]byte(line)))
}

func setOf(t testing.TB, lines ...string) *Set {
	t.Helper()
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(stanza(l))
	}
	s := &Set{}
	if err := s.AddPackages(strings.NewReader(text.String())); err != nil {
		t.Fatal(err)
	}
	return s
}

// told writes a comparison down in short.
func told(sources []Source) (lines []string) {
	for _, s := range sources {
		lines = append(lines, fmt.Sprintf("%s %s>%s", s.Name, s.From, s.To))
		for _, c := range s.Changes {
			lines = append(lines, fmt.Sprintf("  %s %s %s %s>%s", c.Kind, c.Name, c.Architecture, c.From, c.To))
		}
	}
	return lines
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		before, after, want []string
	}{
		"nothing":                               {[]string{"a 1 amd64", "b 1 all"}, []string{"b 1 all", "a 1 amd64"}, nil},
		"a package of every architecture twice": {[]string{"a 1 all", "a 1 all"}, []string{"a 1 all"}, nil},
		"added and removed":                     {[]string{"a 1 amd64"}, []string{"b 1 amd64"}, []string{"a 1>", "  removed a amd64 1>", "b >1", "  added b amd64 >1"}},
		"upgraded":                              {[]string{"a 1.9 amd64"}, []string{"a 1.10 amd64"}, []string{"a 1.9>1.10", "  upgraded a amd64 1.9>1.10"}},
		"downgraded":                            {[]string{"a 1:1 amd64"}, []string{"a 2 amd64"}, []string{"a 1:1>2", "  downgraded a amd64 1:1>2"}},
		"downgraded to a pre-release":           {[]string{"a 1 amd64"}, []string{"a 1~rc1 amd64"}, []string{"a 1>1~rc1", "  downgraded a amd64 1>1~rc1"}},
		"other bytes":                           {[]string{"a 1 amd64 x"}, []string{"a 1 amd64 y"}, []string{"a 1>1", "  replaced a amd64 1>1"}},
		"the same version spelled otherwise":    {[]string{"a 1 amd64"}, []string{"a 0:1 amd64"}, []string{"a 1>0:1", "  replaced a amd64 1>0:1"}},
		"each architecture by itself": {[]string{"a 1 amd64", "a 1 arm64"}, []string{"a 2 amd64", "a 1 arm64"},
			[]string{"a 1>2", "  upgraded a amd64 1>2"}},
		"several versions": {[]string{"a 1 amd64", "a 2 amd64"}, []string{"a 2 amd64", "a 3 amd64"},
			[]string{"a 2>3", "  removed a amd64 1>", "  upgraded a amd64 2>3"}},
		"an old version more": {[]string{"a 2 amd64"}, []string{"a 1 amd64", "a 2 amd64"}, []string{"a 2>2", "  added a amd64 >1"}},
		"all versions":        {[]string{"a 1 amd64", "a 2 amd64"}, nil, []string{"a 2>", "  removed a amd64 1>", "  removed a amd64 2>"}},
		"by source": {
			[]string{"liba 1 amd64 x a", "a-doc 1 all x a", "same 1 all x a", "b 5 all x c=7"},
			[]string{"liba 2 amd64 x a", "a-doc 2 all x a", "same 1 all x a", "b 6 all x c=8"},
			[]string{"a 1>2", "  upgraded a-doc all 1>2", "  upgraded liba amd64 1>2", "c 7>8", "  upgraded b all 5>6"},
		},
		"built from another source": {[]string{"a 1 all x old"}, []string{"a 2 all x new"}, []string{"new >2", "  upgraded a all 1>2"}},
	} {
		if diff := cmp.Diff(c.want, told(Compare(setOf(t, c.before...), setOf(t, c.after...)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSourcePackagesAreComparedByTheirDsc(t *testing.T) {
	sources := func(version, content string) *Set {
		sum := sha256.Sum256([]byte(content))
		text := fmt.Sprintf("Package: a\nFormat: 3.0 (quilt)\nVersion: %s\nDirectory: pool/a\nChecksums-Sha256:\n %x 7 a_%s.dsc\n %x 9 a_%s.tar.xz\n", version, sum, version, sum, version)
		s := &Set{}
		if err := s.AddSources(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := Compare(sources("1", "x"), sources("2", "x"))
	want := []Source{{"a", "1", "2", []Change{{Upgraded, "a", "source", "1", "2", 16, 16}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := told(Compare(sources("1", "x"), sources("1", "y"))); len(got) != 2 || !strings.Contains(got[1], "replaced") {
		t.Errorf("with other bytes: %v", got)
	}
}

func TestCountSumsUp(t *testing.T) {
	before := setOf(t, "a 1 all", "b 1 all", "c 2 all", "d 1 all x", "same 1 all")
	after := setOf(t, "a 2 all", "c 1 all", "d 1 all y", "e 1 all 12345", "same 1 all")
	if diff := cmp.Diff(Total{Added: 1, Removed: 1, Upgraded: 1, Downgraded: 1, Replaced: 1, Bytes: 10 + 10 + 11 + 15}, Count(Compare(before, after))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoIndexIsAnError(t *testing.T) {
	for _, text := range []string{"Package: a\n", "no field", "Package: a\nVersion: 1\nArchitecture: all\nFilename: ../a\nSize: 1\nSHA256: 00\n"} {
		if err := (&Set{}).AddPackages(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for packages", text)
		}
		if err := (&Set{}).AddSources(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken for sources", text)
		}
	}
}

// FuzzCompare wants that nothing crashes, that a state does not differ from
// itself, and that both directions find the same number of changes.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(stanza("a 1 all")+stanza("a 2 all")), []byte(stanza("a 2 all x b=3")+stanza("c 1:2 amd64")))
	f.Add([]byte(""), []byte(stanza("a 1~ all")))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		read := func(text []byte) *Set {
			s := &Set{}
			if s.AddPackages(bytes.NewReader(text)) != nil {
				t.Skip()
			}
			return s
		}
		if same := Compare(read(x), read(x)); len(same) != 0 {
			t.Errorf("a state differs from itself: %v", told(same))
		}
		there, back := Count(Compare(read(x), read(y))), Count(Compare(read(y), read(x)))
		if there.Added != back.Removed || there.Removed != back.Added || there.Upgraded != back.Downgraded || there.Downgraded != back.Upgraded || there.Replaced != back.Replaced {
			t.Errorf("there %+v, back %+v", there, back)
		}
	})
}

// benchText is an index of 60,000 packages; every hundredth differs by state.
func benchText(state int) []byte {
	var text bytes.Buffer
	for i := range 60_000 {
		version := 0
		if i%100 == 0 {
			version = state
		}
		fmt.Fprintf(&text, "Package: lib%05d-common-dev\nSource: lib%05d\nVersion: 1.2.3-4+deb12u%d\nInstalled-Size: 1234\n", i, i, version)
		fmt.Fprintf(&text, "Maintainer: The maintainers of the library <maintainers@lists.mirror.example.org>\nArchitecture: amd64\n")
		fmt.Fprintf(&text, "Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 12), zlib1g (>= 1:1.2.0), lib%05d (= 1.2.3-4+deb12u0)\n", i)
		fmt.Fprintf(&text, "Description: one of the many libraries of this archive\nMulti-Arch: same\nHomepage: https://mirror.example.org/lib%05d\n", i)
		fmt.Fprintf(&text, "Description-md5: %032x\nTag: devel::lang:c, devel::library, role::devel-lib, implemented-in::c\n", i)
		fmt.Fprintf(&text, "Section: libdevel\nPriority: optional\nFilename: pool/main/l/lib%05d/lib%05d_1.2.3-4+deb12u%d_amd64.deb\nSize: %d\nMD5sum: %032x\nSHA256: %x\n\n", i, i, version, 1000+i, i, sha256.Sum256(fmt.Append(nil, i, version)))
	}
	return text.Bytes()
}

// BenchmarkCompare reads two states of 60,000 packages, side by side as the
// daemon does, and compares them.
func BenchmarkCompare(b *testing.B) {
	texts := [2][]byte{benchText(0), benchText(1)}
	b.SetBytes(int64(len(texts[0]) + len(texts[1])))
	b.ReportAllocs()
	for b.Loop() {
		var sets [2]Set
		done := make(chan error, 2)
		for i := range sets {
			go func() { done <- sets[i].AddPackages(bytes.NewReader(texts[i])) }()
		}
		for range sets {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		if t := Count(Compare(&sets[0], &sets[1])); t.Upgraded != 600 || t.Added != 0 {
			b.Fatalf("%+v", t)
		}
	}
}
