package main

import (
	"compress/gzip"
	"context"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/upstream/upstreamtest"
)

// printed runs a program of Debian's in a folder, and gives what it prints.
func printed(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program + " is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, said.String())
	}
	return string(out)
}

// stanzas reads an index whose fields have one line each, but for descriptions.
func stanzas(index string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, text := range strings.Split(strings.TrimSpace(index), "\n\n") {
		fields, last := map[string]string{}, ""
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' {
				last = name
				fields[last] = strings.TrimSpace(value)
			} else {
				fields[last] += "\n" + strings.TrimSpace(line)
			}
		}
		all[fields["Filename"]] = fields
	}
	return all
}

func gunzipped(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writeDebs writes files of the archive as a folder has them.
func writeDebs(t *testing.T, dir string, packages ...upstreamtest.Package) {
	t.Helper()
	for _, p := range packages {
		name := filepath.Join(dir, p.Filename)
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, p.Deb, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A repository that is built is written as a folder, and what its indexes say is
// compared with what Debian's own tools find in the packages.
func TestDebiansToolsFindWhatIsWritten(t *testing.T) {
	t.Parallel()
	apt := upstreamtest.NewAPT(t)
	a := upstreamtest.New(t)
	kept := []upstreamtest.Package{
		a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1:2.10-3+b1", Source: "hello (1:2.10-3)", Depends: "libx (>= 1.0~rc1), common | other:any"}),
		a.AddPackage(upstreamtest.Package{Name: "libx", Version: "1.0", Section: "libs", Fields: []string{"Multi-Arch: same", "Provides: x (= 1.0), y"}}),
		a.AddPackage(upstreamtest.Package{Name: "common", Arch: "all", Priority: "important", Fields: []string{"Breaks: hello (<< 1)", "Recommends: corp-tool"}}),
	}
	denied := a.AddPackage(upstreamtest.Package{Name: "chess", Section: "games", Depends: "libx"})
	contents := "main/Contents-" + aptsources.Architecture() + ".gz"
	theirs := t.TempDir()
	writeDebs(t, theirs, append(kept, denied)...)
	a.Suite.Files = map[string][]byte{contents: zipped(t, printed(t, theirs, "apt-ftparchive", "contents", "pool"))}
	a.Publish()
	h := newSiteHost(t, a)
	h.edit(func(text string) string {
		return replaceOnce(t, text, "  policy = \"workstations\"\n", "  policy = \"workstations\"\n  contents = true\n")
	})
	h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.0-1", Arch: "all", Depends: "hello (>= 2), libx", Description: "a tool\nIt has\n .\n two paragraphs."})
	h.must("sync")
	h.must("snapshot", "create", "june", "--complete")
	h.must("export", "june", "--tree", "www")
	site := filepath.Join(h.dir, "www", "site")

	t.Run("apt-ftparchive packages", func(t *testing.T) {
		ours := stanzas(gunzipped(t, filepath.Join(site, "dists/stable/main/binary-"+aptsources.Architecture(), "Packages.gz")))
		found := stanzas(printed(t, site, "apt-ftparchive", "packages", "pool"))
		if want, got := slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(ours)); len(want) != len(kept)+1 || !cmp.Equal(want, got) {
			t.Fatalf("the index has %q, the folder %q", got, want)
		}
		for name, want := range found {
			got := ours[name]
			for _, field := range []string{"MD5sum", "SHA1", "SHA512"} { // one is enough
				if got[field] == "" {
					delete(want, field)
				}
			}
			if got["Description-md5"] != "" { // the archive has long texts in a file of their own
				delete(got, "Description-md5")
				want["Description"], _, _ = strings.Cut(want["Description"], "\n")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-apt-ftparchive +ours)\n%s", name, diff)
			}
		}
	})
	t.Run("apt-ftparchive contents", func(t *testing.T) {
		lines := func(text string) (all []string) {
			for line := range strings.Lines(text) {
				if words := strings.Fields(line); len(words) == 2 && !strings.Contains(line, "corp-tool") { // the site's own are not listed
					all = append(all, strings.Join(words, " "))
				}
			}
			slices.Sort(all)
			return all
		}
		want := lines(printed(t, site, "apt-ftparchive", "contents", "pool"))
		if diff := cmp.Diff(want, lines(gunzipped(t, filepath.Join(site, "dists/stable", contents)))); len(want) < len(kept) || diff != "" {
			t.Errorf("(-apt-ftparchive +ours)\n%s", diff)
		}
	})
	t.Run("python3-apt", func(t *testing.T) {
		const python = "/usr/bin/python3" // Debian's modules are for no other
		if err := exec.CommandContext(t.Context(), python, "-c", "import apt_pkg").Run(); err != nil {
			t.Skip("python3-apt is not installed")
		}
		h.must("key", "export", "site", "--binary", "--out", filepath.Join(apt.Dir(), "site.gpg"))
		apt.Sources("deb [signed-by=" + apt.Dir() + "/site.gpg] file:" + site + " stable main")
		if out, err := apt.Get("update", "--error-on=any"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := apt.Run(python, "-c", `
import apt_pkg
apt_pkg.init()
cache = apt_pkg.Cache(None)
records = apt_pkg.PackageRecords(cache)
for package in cache.packages:
    for version in package.version_list:
        records.lookup(version.file_list[0])
        print("found", package.name, version.ver_str, version.arch, version.size, records.filename, records.hashes.find("sha256"))
`)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var got, want []string
		for line := range strings.Lines(out) {
			if words, ok := strings.CutPrefix(strings.TrimSpace(line), "found "); ok {
				got = append(got, words)
			}
		}
		for name, p := range stanzas(printed(t, site, "apt-ftparchive", "packages", "pool")) {
			want = append(want, strings.Join([]string{p["Package"], p["Version"], p["Architecture"], p["Size"], name, "SHA256:" + p["SHA256"]}, " "))
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-apt-ftparchive +python3-apt)\n%s", diff)
		}
	})
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out strings.Builder
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(out.String())
}
