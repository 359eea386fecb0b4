package resign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/resign/deb"
)

func TestContentsOfPools(t *testing.T) {
	s := newStore(t)
	in := s.mirror("debian", "bookworm", map[string]string{
		amd64: joined(stanza("aaa", "1", "amd64"), stanza("ccc", "0", "amd64")), "main/Contents-amd64.gz": "bin/a\tnet/aaa\nusr/bin/bbb\tadmin/aaa\nusr/bin/ccc\tccc\n",
	})
	r := recipe(in, s.pool("internal", private("bbb", "2", "amd64"), private("bbb", "3", "amd64"), private("ddd", "1", "all"), private("eee", "1", "amd64")))
	r.Policy = rules(t, "deny ?exact-name(eee)\ndeny ?exact-name(ccc)\nallow ?true\n")
	g := s.build(r).Generation
	for name, want := range map[string]string{
		"main/Contents-amd64": "bin/a\tnet/aaa\nusr/bin/bbb\tadmin/aaa,net/bbb\n", "main/Contents-all": "usr/bin/ddd\tnet/ddd\n",
	} {
		if diff := cmp.Diff(want, s.index(g, name)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	r.WithoutContents = true
	if _, ok := s.table(s.build(r).Generation).Find("dists/stable/main/Contents-all.gz"); ok {
		t.Error("there are contents that were not asked for")
	}
}

func private(name, version, architecture string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nSection: net\n", name, version, architecture)
}

func TestContentsOfPoolsGoWhereArchivesHaveTheirs(t *testing.T) {
	s := newStore(t)
	in := s.mirror("ubuntu", "noble", map[string]string{amd64: stanza("aaa", "1", "amd64"), "Contents-amd64": "bin/a\taaa\n"})
	g := s.build(recipe(in, s.pool("internal", private("bbb", "2", "amd64")))).Generation
	if diff := cmp.Diff("bin/a\taaa\nusr/bin/bbb\tnet/bbb\n", s.index(g, "Contents-amd64")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What was added before lists of files were recorded, or lost its list, is read
// again; a package that the store has lost is left out.
func TestContentsOfPoolsWithoutAList(t *testing.T) {
	s := newStore(t)
	old := s.realDeb("old", "usr/bin/old", "etc/old")
	lost := s.realDeb("lost", "usr/bin/lost")
	pool := Input{Name: "pool:internal", Pool: "internal", Files: []catalog.PoolFile{old, lost}}
	s.spoil(lost.Digest)
	r := recipe(pool)
	r.Architectures = []string{"amd64"}
	g := s.build(r).Generation
	if diff := cmp.Diff("etc/old\told\nusr/bin/old\told\n", s.index(g, "main/Contents-all")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Who may upload must not be able to keep a suite, or one that is taken from it, from being built.
func TestContentsOfPoolsStayWithinBounds(t *testing.T) {
	const half = maxContentsLine / 2
	long := strings.Repeat("x", maxContentsLine)
	lines := []ownLine{{"a", strings.Repeat("b", half)}, {"a", strings.Repeat("c", half)}, {"a", "d"}, {long, "e"}, {"z", "f"}}
	want := "a\t" + lines[0].item + ",d\nz\tf\n"
	got := joinLines(lines, 0)
	if string(got) != want {
		t.Errorf("%d bytes, %.20q...", len(got), got)
	}
	for r := newContentsReader(bytes.NewReader(got)); r.next() || r.err() != nil; {
		if r.err() != nil {
			t.Fatal(r.err())
		}
	}
	list := appendKept([]byte("a"), []byte("bb,cc,d"), 6, func([]byte) bool { return true })
	if string(list) != "a,bb,d" {
		t.Errorf("got %s", list)
	}
}

func TestContentsLeaveOutPackagesWithTooManyFiles(t *testing.T) {
	s := newStore(t)
	many := bytes.Repeat([]byte("x\n"), maxOwnLines+1)
	in := s.pool("internal", private("aaa", "1", "all"), private("bbb", "1", "all"))
	for i := range in.Files {
		if in.Files[i].Package == "aaa" {
			in.Files[i].Paths = s.put(many)
		}
	}
	r := recipe(in)
	r.Architectures = []string{"amd64"}
	if diff := cmp.Diff("usr/bin/bbb\tnet/bbb\n", s.index(s.build(r).Generation, "main/Contents-all")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// realDeb gives a package in no pool, with these files.
func (s *store) realDeb(name string, files ...string) catalog.PoolFile {
	s.t.Helper()
	data := writeDeb(s.t, name, files...)
	return catalog.PoolFile{
		Pool: "internal", Component: "main", Kind: catalog.PoolDeb, Package: name, Version: "1", Architecture: "all", Path: "main/x/" + name + "_1_all.deb",
		Digest: s.put(data), Size: int64(len(data)), Stanza: s.put([]byte(controlText(name))), Added: s.now,
	}
}

func controlText(name string) string {
	return fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\nDescription: for tests\n", name)
}

func writeDeb(t testing.TB, name string, files ...string) []byte {
	t.Helper()
	p := deb.Package{Control: []byte(controlText(name)), Time: time.Unix(1_700_000_000, 0)}
	for _, f := range files {
		p.Files = append(p.Files, deb.File{Path: f, Mode: 0o644, Data: []byte(f)})
	}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestContentsAreThoseOfAptFtparchive(t *testing.T) {
	tool, err := exec.LookPath("apt-ftparchive")
	if err != nil {
		t.Skip("apt-ftparchive is not installed (package apt-utils)")
	}
	s, dir := newStore(t), t.TempDir()
	var packages []ownPackage
	for name, files := range map[string][]string{
		"aa": {"usr/bin/x", "etc/a file", "usr/share/doc/aa/copyright"}, "bb": {"usr/bin/x", "usr/bin/y"}, "empty": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".deb"), writeDeb(t, name, files...), 0o644); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, ownPackage{s.realDeb(name, files...), name})
	}
	out, err := exec.CommandContext(t.Context(), tool, "contents", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := s.builder().ownLines(t.Context(), packages)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(linesOf(out), linesOf(lines)); diff != "" {
		t.Errorf("(-apt-ftparchive +ours)\n%s", diff)
	}
}

// linesOf gives the lines in order, with one tab and the packages in order.
func linesOf(text []byte) (all []string) {
	in := newContentsReader(bytes.NewReader(text))
	for in.next() {
		items := strings.Split(string(in.list), ",")
		slices.Sort(items)
		all = append(all, string(in.path)+"\t"+strings.Join(items, ","))
	}
	slices.Sort(all)
	return all
}
