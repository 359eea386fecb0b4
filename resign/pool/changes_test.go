package pool

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges(t *testing.T) {
	p := newPool(t, nil)
	orig, info := file("hello_1.0.orig.tar.xz", "orig"), file("hello_1.0-1_amd64.buildinfo", "Format: 1.0\n")
	dsc, binary := newSource(t, "hello", "1.0-1", orig), named("hello_1.0-1_all.deb", newDeb(t, control("hello", "1.0-1", "all", "Section: contrib/x\n"), ""))
	changes := file("hello_1.0-1_amd64.changes", changesText(t, "contrib/x", dsc, orig, binary, info))
	add(t, p, changes, binary, orig, dsc, info)
	want := []string{"contrib/h/hello/hello_1.0-1.dsc", "contrib/h/hello/hello_1.0-1_all.deb", "contrib/h/hello/hello_1.0.orig.tar.xz"}
	if diff := cmp.Diff(want, list(t, p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangesThatDoNotFit(t *testing.T) {
	one, two := named("one.deb", newDeb(t, control("one", "1", "all", ""), "")), named("two.deb", newDeb(t, control("two", "1", "all", ""), ""))
	text := changesText(t, "misc", one, two)
	p := newPool(t, nil)
	changed := func(old, new string) File {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in\n%s", old, text)
		}
		return file("x.changes", strings.ReplaceAll(text, old, new))
	}
	files := text[strings.Index(text, "Files:"):]
	sums, _, _ := strings.Cut(text[strings.Index(text, "Checksums-Sha256"):], "Files:")
	firstSum, _, _ := strings.Cut(strings.TrimPrefix(sums, "Checksums-Sha256:\n"), "\n")
	for _, c := range []struct {
		name    string
		changes File
		files   []File
		reason  Reason
		want    string
	}{
		{"a file is missing", file("x.changes", text), []File{one}, Incomplete, `lists "two.deb", which is neither in the set nor in the pool`},
		{"a file too many", file("x.changes", changesText(t, "misc", one)), []File{one, two}, Incomplete, "x.changes does not list it"},
		{"another file", file("x.changes", text), []File{one, named("two.deb", one)}, Malformed, "x.changes says"},
		{"no Checksums-Sha256", changed(sums, ""), []File{one, two}, Malformed, "nothing can be verified"},
		{"no Files", changed(files, ""), []File{one, two}, Malformed, "without the field Files"},
		{"a short list", changed(firstSum+"\n", ""), []File{one, two}, Malformed, "disagree"},
		{"a line twice", changed(firstSum, firstSum+"\n"+firstSum), []File{one, two}, Malformed, "twice"},
		{"a line of four", changed(firstSum, firstSum+" x"), []File{one, two}, Malformed, "not a digest, a size and a name"},
		{"a digest of another length", changed(firstSum, " 12 34 one.deb"), []File{one, two}, Malformed, "line"},
		{"a size with a sign", changed(firstSum, strings.Replace(firstSum, " ", " +", 2)), []File{one, two}, Malformed, "line"},
		{"no columns", changed(" misc optional one.deb", " one.deb"), []File{one, two}, Malformed, "not MD5, size, section"},
		{"a way out", changed("one.deb", "../one.deb"), []File{one, two}, Incomplete, "neither in the set"},
		{"nonsense", file("x.changes", "hello"), []File{one, two}, Malformed, ""},
		{"two of them", file("x.changes", text), []File{one, two, file("y.changes", text)}, Malformed, "a second .changes"},
		{"a build record alone", file("x.buildinfo", text), []File{one}, Incomplete, "neither a package"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, p, c.reason, c.want, append(c.files, c.changes)...)
		})
	}
}

// A package may have come alone before the .changes that lists it.
func TestChangesOfFilesThatThePoolHas(t *testing.T) {
	p := newPool(t, nil)
	one, two := named("one.deb", newDeb(t, control("one", "1", "all", ""), "")), named("two.deb", newDeb(t, control("two", "1", "all", ""), ""))
	add(t, p, one)
	if added := add(t, p, two, file("x.changes", changesText(t, "misc", one, two))); len(added.New) != 1 {
		t.Errorf("added %+v", added)
	}
}

func TestListed(t *testing.T) {
	orig := file("hello_1.orig.tar.xz", "orig")
	for name, f := range map[string]File{"dsc": newSource(t, "hello", "1", orig), "changes": file("x.changes", changesText(t, "misc", orig))} {
		if names, err := Listed(f); err != nil || len(names) != 1 || names[0] != orig.Name {
			t.Errorf("%s: %q, %v", name, names, err)
		}
	}
	if names, err := Listed(file("x.changes", "hello")); err == nil {
		t.Errorf("listed %q", names)
	}
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte(changesText(f, "misc", file("hello_1.0.orig.tar.xz", "orig"), file("x.deb", ""))))
	f.Add([]byte("Checksums-Sha256:\n\nFiles:\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &changes{}
		list, err := c.parse(text)
		if err != nil {
			return
		}
		for _, l := range list {
			if _, ok := c.sections[l.name]; !ok || l.size < 0 {
				t.Errorf("%+v without section in\n%s", l, text)
			}
		}
	})
}
