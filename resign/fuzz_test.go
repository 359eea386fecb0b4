package resign

import (
	"bytes"
	"path"
	"strings"
	"testing"

	"aptmirror/upstream/deb822"
)

// A stanza with another path is the same stanza but for the path.
func FuzzReplaced(f *testing.F) {
	f.Add([]byte("Package: a\nFilename: x\nSize: 1\n"))
	f.Add([]byte("filename:x\n"))
	f.Add([]byte("Filename:\n a\n\tb\nX: y\n"))
	f.Add([]byte("A: Filename: b\nFilename:  c  "))
	f.Fuzz(func(t *testing.T, text []byte) {
		before, err := deb822.ParseOne(bytes.Clone(text), deb822.Limits{})
		if err != nil {
			return
		}
		field, ok := before.Lookup("Filename")
		if !ok {
			return
		}
		parts := replaced(before.Raw, valueSpan(before, field), "pool/new")
		changed := bytes.Join(parts[:], nil)
		after, err := deb822.ParseOne(changed, deb822.Limits{})
		if err != nil {
			t.Fatalf("%q became %q: %v", text, changed, err)
		}
		if len(after.Fields()) != len(before.Fields()) {
			t.Fatalf("%q became %q", text, changed)
		}
		for i, x := range before.Fields() {
			y := after.Fields()[i]
			want := x.Value
			if strings.EqualFold(string(x.Name), "Filename") {
				want = []byte("pool/new")
			}
			if !bytes.Equal(x.Name, y.Name) || !bytes.Equal(y.Value, want) {
				t.Fatalf("%q became %q: field %s is %q", text, changed, y.Name, y.Value)
			}
		}
	})
}

// Filtered once more, contents stay as they are.
func FuzzContents(f *testing.F) {
	f.Add([]byte("bin/a x/b,c\nbin/b\td\n"), []byte("bin/a e\n"))
	f.Add([]byte("FILE LOCATION\n\n a\n"), []byte(nil))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		once := contentsOf(t, a, b)
		if again := contentsOf(t, once); !bytes.Equal(once, again) {
			t.Fatalf("%q and %q became %q, and then %q", a, b, once, again)
		}
	})
}

// contentsOf merges without filtering, of inputs that fit one piece.
func contentsOf(t *testing.T, inputs ...[]byte) []byte {
	p := newPacker(t.Context(), nil)
	var readers []*contentsReader
	for _, in := range inputs {
		readers = append(readers, newContentsReader(bytes.NewReader(in)))
	}
	if err := mergeContents(t.Context(), p, readers, func(name []byte) bool { return string(name) != "c" }); err != nil {
		t.Skip(err)
	}
	return bytes.Clone(p.piece)
}

func FuzzNameOfIndex(f *testing.F) {
	for _, seed := range []string{"main/binary-amd64/Packages", "Packages", "main/debian-installer/binary-arm64/Packages", "main/source/Sources", "updates/main/i18n/Translation-en_GB", "Contents-amd64", "main/Contents-udeb-amd64", "a/binary-/Packages"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if path.Clean(p) != p || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "../") {
			return // catalogs have no such paths
		}
		n, ok := nameOfIndex(p)
		if !ok || n.component == "" || n.variant == "" && n.content != sources {
			return
		}
		if again, ok := nameOfIndex(n.path()); !ok || again != n {
			t.Errorf("%q is %+v, whose own path %q is %+v", p, n, n.path(), again)
		}
	})
}
