package debian

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aptmirror/upstream/deb822"
)

// sum is the hexadecimal form of a hash of n bytes c.
func sum(c byte, n int) string { return hex.EncodeToString(bytes.Repeat([]byte{c}, n)) }

func sum256(c byte) [32]byte { return [32]byte(bytes.Repeat([]byte{c}, 32)) }

const date = "Date: Sat, 11 Jul 2026 10:16:37 UTC\n"

// ubuntuLike has a field after the lists, and a path that only one list has.
var ubuntuLike = "Origin: Ubuntu\nLabel: Ubuntu\nSuite: noble-updates\nVersion: 24.04\nCodename: noble\n" +
	"Date: Fri, 20 Nov 2026  2:27:59 UTC\nValid-Until: Fri, 27 Nov 2026 02:27:59 UTC\nArchitectures: amd64 all\nComponents: main updates/main\n" +
	"Description: Ubuntu Noble Updates\nNo-Support-for-Architecture-all: Packages\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n" +
	"Changelogs: https://mirror.example.org/@CHANGEPATH@_changelog\nSnapshots: https://mirror.example.org/@SNAPSHOTID@/\n" +
	"Signed-By: " + strings.Repeat("A", 40) + ", " + strings.Repeat("B", 40) + "!\n" +
	"MD5Sum:\n " + sum(1, 16) + "   10 main/binary-amd64/Packages\n " + sum(2, 16) + " 20 only-md5\n" +
	"SHA256:\n " + sum(3, 32) + " 10 main/binary-amd64/Packages\n " + sum(4, 32) + " 0 ./empty\n" +
	"SHA512:\n " + sum(5, 64) + " 10\tmain/binary-amd64/Packages\n " + strings.ToUpper(sum(0xab, 64)) + " 9007199254740991 big\n" +
	"SHA3-256:\n what apt 3.3 may list\n" +
	"Acquire-By-Hash: yes\n"

func TestParseReleaseReadsAllFields(t *testing.T) {
	got, err := ParseRelease([]byte(ubuntuLike))
	if err != nil {
		t.Fatal(err)
	}
	want := &Release{
		Origin: "Ubuntu", Label: "Ubuntu", Suite: "noble-updates", Codename: "noble", Version: "24.04", Description: "Ubuntu Noble Updates",
		Date:          time.Date(2026, 11, 20, 2, 27, 59, 0, time.UTC),
		ValidUntil:    time.Date(2026, 11, 27, 2, 27, 59, 0, time.UTC),
		Architectures: []string{"amd64", "all"}, Components: []string{"main", "updates/main"},
		NoSupportForArchitectureAll: true, AcquireByHash: true, NotAutomatic: true, ButAutomaticUpgrades: true,
		Changelogs: "https://mirror.example.org/@CHANGEPATH@_changelog", Snapshots: "https://mirror.example.org/@SNAPSHOTID@/",
		SignedBy: []string{strings.Repeat("A", 40), strings.Repeat("B", 40) + "!"},
		Files: []IndexFile{
			{Path: "main/binary-amd64/Packages", Size: 10, MD5: bytes.Repeat([]byte{1}, 16), SHA256: sum256(3), HasSHA256: true, SHA512: bytes.Repeat([]byte{5}, 64)},
			{Path: "empty", SHA256: sum256(4), HasSHA256: true},
			{Path: "big", Size: 1<<53 - 1, SHA512: bytes.Repeat([]byte{0xab}, 64)},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Release{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReleaseFileFindsByPath(t *testing.T) {
	parsed, err := ParseRelease([]byte(ubuntuLike))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Release{"parsed": parsed, "made by hand": {Files: parsed.Files}} {
		if f, ok := r.File("big"); !ok || f.Path != "big" || f.Size != 1<<53-1 {
			t.Errorf("%s: File(big) = %+v, %v", name, f, ok)
		}
		for _, absent := range []string{"only-md5", "", "./empty", "packages"} {
			if f, ok := r.File(absent); ok {
				t.Errorf("%s: File(%q) = %+v, want none", name, absent, f)
			}
		}
	}
}

func TestParseReleaseTakesWhatDiffersInForm(t *testing.T) {
	entry := " " + sum(1, 32) + " 5 a\n"
	for name, text := range map[string]string{
		"entry on the first line":       date + "SHA256:" + entry,
		"names in another case":         "dAtE: Sat, 11 Jul 2026 10:16:37 UTC\nsha256:\n" + entry,
		"empty lines around":            "\n" + date + "SHA256:\n" + entry + "\n\n",
		"the same entry twice":          date + "SHA256:\n" + entry + entry,
		"the same path spelled in two":  date + "SHA256:\n" + entry + " " + sum(1, 32) + " 5 ./a\n",
		"a weak list with another file": date + "SHA256:\n" + entry + "MD5Sum:\n " + sum(2, 16) + " 7 b\n",
		"an empty line in the list":     date + "SHA256:\n" + entry + " \n",
	} {
		r, err := ParseRelease([]byte(text))
		if err != nil || len(r.Files) != 1 || r.Files[0].Path != "a" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	r, err := ParseRelease([]byte(date + "SHA256:\n"))
	if err != nil || len(r.Files) != 0 {
		t.Errorf("an archive without files: %+v, %v", r, err)
	}
}

func TestParseReleaseRefuses(t *testing.T) {
	entry := " " + sum(1, 32) + " 5 a\n"
	list := "SHA256:\n" + entry
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "no stanza"},
		{"two stanzas", date + list + "\nOrigin: x\n", "line 5, column 1: a second stanza"},
		{"a duplicate field", date + list + "date: x\n", "line 4, column 1: field date occurs twice"},
		{"text before", "x\n" + date + list, "line 1, column 1"},
		{"no date", "Origin: x\n" + list, "line 1: stanza without field Date"},
		{"empty date", "Date:\n" + list, "line 1: field Date: no value"},
		{"foreign zone", "Date: Sat, 11 Jul 2026 10:16:37 CEST\n" + list, "line 1: field Date: date"},
		{"bad Valid-Until", date + "Valid-Until: never\n" + list, "line 2: field Valid-Until: date"},
		{"empty Valid-Until", date + "Valid-Until:\n" + list, "line 2: field Valid-Until: date"},
		{"no list", date, "neither SHA256 nor SHA512"},
		{"weak lists only", date + "MD5Sum:\n " + sum(1, 16) + " 5 a\nSHA1:\n " + sum(1, 20) + " 5 a\n", "neither SHA256 nor SHA512"},
		{"control character", date + "Origin: a\x1b[31mb\n" + list, "line 2, column 10: control character"},
		{"CRLF", strings.ReplaceAll(date+list, "\n", "\r\n"), "line 1, column 36: control character"},
		{"delete character", date + "Origin: \x7f\n" + list, "line 2, column 9: control character"},
		{"C1 control character", date + "Origin: \u009b\n" + list, "line 2, column 9: control character"},
		{"invalid UTF-8", date + "Origin: \xff\n" + list, "line 2, column 9: control character or invalid UTF-8"},
		{"NUL", date + "Origin: \x00\n" + list, "line 2, column 9: control character"},
		{"short hash", date + "SHA256:\n " + sum(1, 31) + " 5 a\n", "line 3: field SHA256: hash"},
		{"long hash", date + "SHA256:\n " + sum(1, 33) + " 5 a\n", "line 3: field SHA256: hash"},
		{"no hexadecimal", date + "SHA256:\n " + strings.Repeat("g", 64) + " 5 a\n", "line 3: field SHA256: hash"},
		{"negative size", date + "SHA256:\n " + sum(1, 32) + " -5 a\n", "size"},
		{"hexadecimal size", date + "SHA256:\n " + sum(1, 32) + " 0x5 a\n", "size"},
		{"size of 2^53", date + "SHA256:\n " + sum(1, 32) + " 9007199254740992 a\n", "size"},
		{"size that overflows", date + "SHA256:\n " + sum(1, 32) + " 18446744073709551621 a\n", "size"},
		{"two words", date + "SHA256:\n " + sum(1, 32) + " 5\n", "2 words"},
		{"four words", date + "SHA256:\n " + sum(1, 32) + " 5 a b\n", "4 words"},
		{"path upwards", date + list + " " + sum(1, 32) + " 5 ../a\n", `line 4: field SHA256: path has a ".." segment`},
		{"absolute path", date + "SHA256:\n " + sum(1, 32) + " 5 /a\n", "absolute"},
		{"two hashes in one list", date + list + " " + sum(2, 32) + " 5 a\n", "line 4: field SHA256: path a is listed with two hashes"},
		{"two hashes, two spellings", date + list + " " + sum(2, 32) + " 5 ./a\n", "path a is listed with two hashes"},
		{"two sizes in one list", date + list + " " + sum(1, 32) + " 6 a\n", "path a is listed with sizes 5 and 6"},
		{"two sizes in two lists", date + list + "MD5Sum:\n " + sum(1, 16) + " 6 a\n", "line 5: field MD5Sum: path a is listed with sizes 5 and 6"},
		{"bad entry in a weak list", date + list + "MD5Sum:\n junk\n", "line 5: field MD5Sum: 1 words"},
	} {
		r, err := ParseRelease([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "parsing Release: ") {
			t.Errorf("%s: error %v, want ...%s...", tt.name, err, tt.want)
		}
		if r != nil {
			t.Errorf("%s: a Release came with the error", tt.name)
		}
	}
}

func TestParseReleaseIsBounded(t *testing.T) {
	many := func(n int) []byte {
		var b bytes.Buffer
		b.WriteString(date + "SHA256:\n")
		for i := range n {
			fmt.Fprintf(&b, " %064x 1 f%d\n", i, i)
		}
		return b.Bytes()
	}
	if _, err := ParseRelease(many(maxReleaseFiles)); err != nil {
		t.Errorf("%d files: %v", maxReleaseFiles, err)
	}
	if _, err := ParseRelease(many(maxReleaseFiles + 1)); !errors.Is(err, errTooManyFiles) {
		t.Errorf("%d files: %v", maxReleaseFiles+1, err)
	}
	long := []byte(date + "SHA256:\nDescription: ")
	long = append(long, bytes.Repeat([]byte("x"), maxReleaseBytes-len(long))...)
	if _, err := ParseRelease(long); err != nil {
		t.Errorf("%d bytes: %v", len(long), err)
	}
	if _, err := ParseRelease(append(long, 'x')); err == nil {
		t.Errorf("%d bytes were accepted", len(long)+1)
	}
	for _, name := range []string{"Architectures", "Components", "Signed-By"} {
		for n, ok := range map[int]bool{maxReleaseWords: true, maxReleaseWords + 1: false} {
			_, err := ParseRelease([]byte(date + name + ":" + strings.Repeat(" a", n) + "\nSHA256:\n"))
			if (err == nil) != ok {
				t.Errorf("%d words in %s: %v", n, name, err)
			}
		}
	}
}

func TestReleaseSwitchesKnowAptsWords(t *testing.T) {
	for value, want := range map[string]bool{"yes": true, "YES": true, "true": true, "1": true, "on": true, "no": false, "0": false, "": false, "2": false, "yes please": false} {
		r, err := ParseRelease([]byte(date + "Acquire-By-Hash: " + value + "\nSHA256:\n"))
		if err != nil || r.AcquireByHash != want {
			t.Errorf("Acquire-By-Hash: %q is %v, %v", value, r != nil && r.AcquireByHash, err)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte(ubuntuLike))
	f.Add([]byte(date + "SHA256:\n " + sum(1, 32) + " 5 ./a/./b\n " + sum(1, 32) + " 5 a/b\n"))
	f.Add([]byte(date + "SHA256: x\n\nA: b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRelease(text)
		if err != nil {
			return
		}
		if r.Date.IsZero() {
			t.Error("no date")
		}
		seen := map[string]bool{}
		for _, file := range r.Files {
			clean, err := CleanPath(file.Path)
			if err != nil || clean != file.Path || seen[clean] || !file.strong() || file.Size < 0 {
				t.Errorf("bad file %+v: %v", file, err)
			}
			seen[clean] = true
			if found, ok := r.File(clean); !ok || found.Path != clean {
				t.Errorf("File(%q) does not find it", clean)
			}
		}
	})
}

func BenchmarkParseRelease(b *testing.B) {
	var text bytes.Buffer
	text.WriteString(date)
	for _, list := range []struct {
		name string
		size int
	}{{"MD5Sum", 16}, {"SHA256", 32}} {
		text.WriteString(list.name + ":\n")
		for i := range 1000 {
			fmt.Fprintf(&text, " %0*x %8d main/binary-amd64/Packages%d.xz\n", 2*list.size, i, i, i)
		}
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRelease(text.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

// one parses a single stanza for the tests of other files.
func one(t testing.TB, text string) *deb822.Stanza {
	t.Helper()
	s, err := deb822.ParseOne([]byte(text), deb822.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
