package debian

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/upstream/deb822"
)

// list is a checksum field of the files a.dsc (5 bytes) and a.tar.xz (6 bytes).
func list(name string, hashSize int) string {
	return fmt.Sprintf("%s:\n %s 5 a.dsc\n %s 6 a.tar.xz", name, sum(1, hashSize), sum(2, hashSize))
}

var sourceFields = []string{"Package: a", "Version: 1-2", "Directory: pool/main/a/a", list("Files", 16), list("Checksums-Sha256", 32)}

func TestParseSource(t *testing.T) {
	file := func(path string, size int64, c byte) SourceFile {
		return SourceFile{Path: path, Size: size, SHA256: sum256(c), HasSHA256: true}
	}
	plain := []SourceFile{file("pool/main/a/a/a.dsc", 5, 1), file("pool/main/a/a/a.tar.xz", 6, 2)}
	flat := []SourceFile{file("a.dsc", 5, 1), file("a.tar.xz", 6, 2)}
	both := []SourceFile{plain[0], plain[1]}
	both[0].SHA512, both[1].SHA512 = bytes.Repeat([]byte{1}, 64), bytes.Repeat([]byte{2}, 64)
	weak := []SourceFile{{Path: plain[0].Path, Size: 5}, {Path: plain[1].Path, Size: 6}}
	var src Source // the same all through: nothing may be left from the one before
	for text, want := range map[string][]SourceFile{
		fields(sourceFields):                               plain,
		fields(sourceFields, "Directory: pool/main/a/a/"):  plain,
		fields(sourceFields, "Directory: ./pool/main/a/a"): plain,
		fields(sourceFields, "Files"):                      plain,
		fields(sourceFields, list("Checksums-Sha1", 20)):   plain,
		fields(sourceFields, "Directory: ."):               flat,
		fields(sourceFields, "Directory: ./"):              flat,
		fields(sourceFields, "Directory"):                  flat,
		fields(sourceFields, "Directory:"):                 flat,
		fields(sourceFields, list("Checksums-Sha512", 64)): both,
		fields(sourceFields, "Checksums-Sha256"):           weak,
	} {
		if err := ParseSource(one(t, text), &src); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(Source{Name: "a", Version: "1-2", Files: want}, src); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseSourceRefuses(t *testing.T) {
	for change, want := range map[string]string{
		"Package":                                "line 1: stanza without field Package",
		"Package: a/b":                           "line 1: field Package: ",
		"Version":                                "without field Version",
		"Version: 1 2":                           "line 2: field Version: ",
		"Directory: ..":                          `line 5: field Files: path has a ".." segment`,
		"Directory: /a":                          "line 5: field Files: path is absolute",
		"Directory: a\\b":                        "line 5: field Files: path",
		"Directory: a//":                         "empty segment",
		"Files:\n " + sum(1, 16) + " 5 ../a.dsc": "line 5: field Files: file name with a directory",
		"Files:\n " + sum(1, 16) + " 5 ..":       `path has a ".." segment`,
		"Files:\n " + sum(1, 16) + " 9 a.dsc":    "line 7: field Checksums-Sha256: path pool/main/a/a/a.dsc is listed with sizes 9 and 5",
		"Files:\n " + sum(1, 15) + " 5 a.dsc":    "line 5: field Files: hash",
		"Checksums-Sha256:\n junk":               "line 8: field Checksums-Sha256: 1 words",
		list("Checksums-Sha256", 32) + "\n " + sum(3, 32) + " 5 a.dsc": "line 10: field Checksums-Sha256: path pool/main/a/a/a.dsc is listed with two hashes",
	} {
		var src Source
		err := ParseSource(one(t, fields(sourceFields, change)), &src)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: error %v, want ...%s...", change, err, want)
		}
	}
	var src Source
	if err := ParseSource(one(t, fields(sourceFields, "Files", "Checksums-Sha256")), &src); err == nil {
		t.Error("a source package without files was accepted")
	}
}

func TestParseSourceIsBounded(t *testing.T) {
	var many strings.Builder
	many.WriteString("Files:")
	for i := range maxSourceFiles + 1 {
		fmt.Fprintf(&many, "\n %s 1 f%d", sum(1, 16), i)
	}
	var src Source
	if err := ParseSource(one(t, fields(sourceFields, many.String())), &src); err == nil {
		t.Errorf("%d files were accepted", len(src.Files))
	}
}

func FuzzParseSource(f *testing.F) {
	f.Add([]byte(fields(sourceFields)))
	f.Add([]byte(fields(sourceFields, "Directory: .", list("Checksums-Sha512", 64))))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := deb822.ParseOne(text, deb822.Limits{})
		if err != nil {
			return
		}
		var src Source
		if ParseSource(s, &src) != nil {
			return
		}
		seen := map[string]bool{}
		for _, file := range src.Files {
			if clean, err := CleanPath(file.Path); err != nil || clean != file.Path || seen[clean] || file.Size < 0 {
				t.Errorf("bad file %+v: %v", file, err)
			}
			seen[file.Path] = true
		}
		if len(src.Files) == 0 {
			t.Error("no files")
		}
	})
}

func BenchmarkParseSource(b *testing.B) {
	s := one(b, fields(sourceFields))
	var src Source
	b.SetBytes(int64(len(s.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseSource(s, &src); err != nil {
			b.Fatal(err)
		}
	}
}
