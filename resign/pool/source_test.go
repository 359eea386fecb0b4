package pool

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/deb822"
)

func TestSourcePackages(t *testing.T) {
	p := newPool(t, nil)
	orig, debian := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0-1.debian.tar.xz", "debian")
	dsc := newSource(t, "hello", "2:1.0-1", orig, debian)
	added := add(t, p, orig, dsc, debian)
	want := []string{"main/h/hello/hello_1.0-1.debian.tar.xz", "main/h/hello/hello_1.0-1.dsc", "main/h/hello/hello_1.0.orig.tar.xz"}
	if diff := cmp.Diff(want, list(t, p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range added.New {
		kind := catalog.PoolSourceFile
		if strings.HasSuffix(f.Path, ".dsc") {
			kind = catalog.PoolSource
		}
		if f.Kind != kind || f.Package != "hello" || f.Version != "2:1.0-1" || f.Component != "main" || (kind == catalog.PoolSource) == (f.Stanza == blob.Digest{}) {
			t.Errorf("%+v", f)
		}
	}
	if again := add(t, p, dsc); len(again.New) != 0 || len(again.Known) != 1 {
		t.Errorf("again, without its files: %+v", again)
	}
}

func TestSourcePackagesThatAreNotWhole(t *testing.T) {
	orig, debian := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0-1.debian.tar.xz", "debian")
	text := dscText(t, "hello", "1.0-1", orig, debian)
	changed := func(old, new string) File {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in\n%s", old, text)
		}
		return file("hello_1.0-1.dsc", strings.ReplaceAll(text, old, new))
	}
	sums, _, _ := strings.Cut(text[strings.Index(text, "Checksums-Sha256"):], "Files:")
	p := newPool(t, nil)
	for _, c := range []struct {
		name   string
		dsc    File
		files  []File
		reason Reason
		want   string
	}{
		{"a file is missing", newSource(t, "hello", "1.0-1", orig, debian), []File{orig}, Incomplete, "hello_1.0-1.debian.tar.xz"},
		{"a file has changed", newSource(t, "hello", "1.0-1", orig, debian), []File{orig, file(debian.Name, "Debian")}, Malformed, "hello_1.0-1.dsc says"},
		{"a file has grown", newSource(t, "hello", "1.0-1", orig, debian), []File{orig, file(debian.Name, "debian more")}, Malformed, "has 11 bytes"},
		{"a file too many", newSource(t, "hello", "1.0-1", orig), []File{orig, debian}, Incomplete, "neither a package nor named"},
		{"another name", named("hello_2.dsc", newSource(t, "hello", "1.0-1", orig)), []File{orig}, Malformed, "it is hello_1.0-1.dsc"},
		{"no files", newSource(t, "hello", "1.0-1"), nil, Malformed, ""},
		{"weak digests alone", changed(sums, ""), []File{orig, debian}, Malformed, "Checksums-Sha256"},
		{"lists that disagree", changed(" 6 hello_1.0-1.debian.tar.xz\nFiles:", " 5 hello_1.0-1.debian.tar.xz\nFiles:"), []File{orig, debian}, Malformed, ""},
		{"a path", changed("hello_1.0.orig.tar.xz", "../hello_1.0.orig.tar.xz"), []File{debian}, Malformed, ""},
		{"a file of another", changed("hello_1.0.orig.tar.xz", "world_1.0.orig.tar.xz"), []File{debian, file("world_1.0.orig.tar.xz", "orig")}, Malformed, "no name for a file of this source package"},
		{"no source", changed("Source: hello\n", ""), []File{orig, debian}, Malformed, "without the field Source"},
		{"no version", changed("Version: 1.0-1\n", ""), []File{orig, debian}, Malformed, "without the field Version"},
		{"a bad version", changed("Version: 1.0-1\n", "Version: one\n"), []File{orig, debian}, Malformed, "ersion"},
		{"a bad name", changed("Source: hello\n", "Source: ../hello\n"), []File{orig, debian}, Malformed, "no package name"},
		{"upper case", changed("Source: hello\n", "Source: Hello\n"), []File{orig, debian}, Malformed, "no name of a source package"},
		{"a folder", changed("Source: hello\n", "Source: hello\nDirectory: /etc\n"), []File{orig, debian}, Malformed, "belongs into an index"},
		{"a bad relation", changed("(= 13)", "(= 13"), []File{orig, debian}, Malformed, "Build-Depends"},
		{"a bad section", changed("deb misc optional", "deb ../misc optional"), []File{orig, debian}, Malformed, "names no component"},
		{"two stanzas", file("hello_1.0-1.dsc", text+"\n"+text), []File{orig, debian}, Malformed, ""},
		{"nonsense", file("hello_1.0-1.dsc", "hello"), []File{orig, debian}, Malformed, ""},
		{"half a signature", file("hello_1.0-1.dsc", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"+text), []File{orig, debian}, Malformed, "before its signature"},
		{"too long", file("hello_1.0-1.dsc", text+"X: "+strings.Repeat("x", maxTextBytes)+"\n"), []File{orig, debian}, Malformed, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, p, c.reason, c.want, append(c.files, c.dsc)...)
		})
	}
}

func TestFilesThatThePoolHasOtherwise(t *testing.T) {
	p := newPool(t, nil)
	orig, other := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0.orig.tar.xz", "other")
	one, two := file("hello_1.0-1.debian.tar.xz", "one"), file("hello_1.0-2.debian.tar.xz", "two")
	add(t, p, newSource(t, "hello", "1.0-1", orig, one), orig, one)
	refused(t, p, Conflict, "the pool has it with", newSource(t, "hello", "1.0-2", other, two), two)
	refused(t, p, Conflict, "other bytes", newSource(t, "hello", "1.0-2", other, two), other, two)
}

// fieldsOf reads a stanza: values by name, in lower case and with single blanks.
func fieldsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	s, err := deb822.ParseOne([]byte(text), deb822.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	fields := map[string]string{}
	for _, f := range s.Fields() {
		fields[strings.ToLower(string(f.Name))] = strings.Join(strings.Fields(string(f.Value)), " ")
	}
	return fields
}

// kept reads the stanza that the pool keeps of a package.
func kept(t *testing.T, p *Pool, f catalog.PoolFile) string {
	t.Helper()
	stanza, err := p.Cache.Blobs.ReadAll(t.Context(), f.Stanza, maxTextBytes)
	if err != nil {
		t.Fatal(err)
	}
	return string(stanza)
}

// same compares fields, but for those that only one side has to have.
func same(t *testing.T, who, theirs, ours string, without ...string) {
	t.Helper()
	want, got := fieldsOf(t, theirs), fieldsOf(t, ours)
	for _, name := range without {
		delete(want, name)
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-%s +ours):\n%s", who, diff)
	}
}

func TestStanzasOfBinaryPackagesAreTheirs(t *testing.T) {
	f := named("hello_1.0-1_all.deb", newDeb(t, control("hello", "1.0-1", "all", "Section: misc\nPriority: optional\nDepends: libc6 (>= 2), x | y\nHomepage: http://mirror.example.org/\nX-Site: yes\n"), "hello"))
	p, dir := newPool(t, nil), inFolder(t, f)
	ours := kept(t, p, add(t, p, f).New[0])
	outer := []string{"filename", "size", "md5sum", "sha1", "sha256", "sha512"}
	t.Run("dpkg-scanpackages", func(t *testing.T) {
		same(t, "dpkg-scanpackages", output(t, dir, "dpkg-scanpackages", "."), ours, outer...)
	})
	t.Run("apt-ftparchive", func(t *testing.T) {
		same(t, "apt-ftparchive", output(t, dir, "apt-ftparchive", "packages", "."), ours, append(outer, "description-md5")...)
	})
}

func TestStanzasOfSourcePackagesAreTheirs(t *testing.T) {
	orig, debian := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0-1.debian.tar.xz", "debian")
	dsc := newSource(t, "hello", "1.0-1", orig, debian)
	p, dir := newPool(t, nil), inFolder(t, dsc, orig, debian)
	added := add(t, p, dsc, orig, debian).New
	ours := kept(t, p, added[slices.IndexFunc(added, func(f catalog.PoolFile) bool { return f.Kind == catalog.PoolSource })])
	for _, c := range []struct{ tool, arg string }{{"apt-ftparchive", "sources"}, {"dpkg-scansources", ""}} {
		t.Run(c.tool, func(t *testing.T) {
			args := strings.Fields(c.arg + " .")
			theirs := output(t, dir, c.tool, args...)
			same(t, c.tool, theirs, ours, "directory", "priority", "section", "checksums-sha512", "files", "checksums-sha1", "checksums-sha256")
			for _, list := range []string{"files", "checksums-sha1", "checksums-sha256"} {
				got, want := words(fieldsOf(t, ours)[list]), words(fieldsOf(t, theirs)[list])
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-%s +ours):\n%s", list, c.tool, diff)
				}
			}
		})
	}
}

// words are the three columns of a list of files, sorted.
func words(list string) (rows []string) {
	for row := range slices.Chunk(strings.Fields(list), 3) {
		rows = append(rows, strings.Join(row, " "))
	}
	slices.Sort(rows)
	return rows
}

// buildPackage makes a real source package with dpkg-buildpackage, and its .changes.
func buildPackage(t *testing.T, args ...string) (dir string) {
	t.Helper()
	tool(t, "dpkg-buildpackage")
	dir = t.TempDir()
	for name, text := range map[string]string{
		"debian/control":       "Source: hello\nSection: contrib/misc\nPriority: optional\nMaintainer: Tester <tester@mirror.example.org>\nStandards-Version: 4.6.2\n\nPackage: hello\nArchitecture: all\nDescription: for tests\n It does nothing.\n",
		"debian/changelog":     "hello (1:1.0) stable; urgency=medium\n\n  * New.\n\n -- Tester <tester@mirror.example.org>  Sun, 01 Mar 2026 12:00:00 +0000\n",
		"debian/source/format": "3.0 (native)\n",
		"debian/rules": "#!/usr/bin/make -f\nbuild clean build-indep build-arch binary-arch:\n\nbinary binary-indep:\n" +
			"\tmkdir -p debian/tmp/DEBIAN debian/tmp/usr/share/doc/hello\n\techo hi > debian/tmp/usr/share/doc/hello/x\n" +
			"\tdpkg-gencontrol -phello\n\tdpkg-deb --root-owner-group -b debian/tmp ..\n",
	} {
		path := filepath.Join(dir, "hello-1.0", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	output(t, filepath.Join(dir, "hello-1.0"), "dpkg-buildpackage", append([]string{"-d", "--no-sign"}, args...)...)
	return dir
}

func TestWhatDpkgBuildpackageMakes(t *testing.T) {
	dir := buildPackage(t)
	t.Run("unsigned", func(t *testing.T) {
		p := newPool(t, nil)
		files := fromFolder(t, dir, ".dsc", ".tar.xz", ".deb", ".changes", ".buildinfo")
		if len(files) != 5 {
			t.Fatalf("it made %d files", len(files))
		}
		add(t, p, files...)
		want := []string{"contrib/h/hello/hello_1.0.dsc", "contrib/h/hello/hello_1.0.tar.xz", "contrib/h/hello/hello_1.0_all.deb"}
		if diff := cmp.Diff(want, list(t, p)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("signed by gpg", func(t *testing.T) {
		_, ring, fingerprint := gpgKey(t)
		changes := filepath.Join(dir, fromFolder(t, dir, ".changes")[0].Name)
		output(t, dir, "gpg", "--batch", "--clearsign", "--output", changes+".asc", changes)
		if err := os.Rename(changes+".asc", changes); err != nil {
			t.Fatal(err)
		}
		p := newPool(t, func(c *Config) { c.Uploaders = ring })
		added := add(t, p, fromFolder(t, dir, ".dsc", ".tar.xz", ".deb", ".buildinfo", ".changes")...)
		if len(added.New) != 3 || added.New[0].Signer != fingerprint {
			t.Errorf("added %+v", added)
		}
	})
}

func FuzzSource(f *testing.F) {
	orig := file("hello_1.0.orig.tar.xz", "orig")
	f.Add([]byte(dscText(f, "hello", "1.0-1", orig)))
	f.Add([]byte(dscText(f, "hello", "1:1.0-1", orig, file("hello_1.0-1.debian.tar.xz", ""))))
	f.Fuzz(func(t *testing.T, text []byte) {
		src, err := parseSource(file("hello_1.0-1.dsc", text), text)
		if err != nil {
			return
		}
		names, err := sourceFiles(src.stanza)
		if err != nil || len(names) != len(src.files) {
			t.Errorf("%v, %d files and then %d of\n%s", err, len(src.files), len(names), src.stanza)
		}
	})
}
