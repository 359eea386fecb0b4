package debian

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/upstream/deb822"
)

// fields makes a stanza of "Name: value" lines, with some replaced: a change
// "Name: value" for a name that is there replaces its line, "Name" drops it, and
// others are added.
func fields(base []string, changes ...string) string {
	lines := append([]string(nil), base...)
	for _, change := range changes {
		name, _, keep := strings.Cut(change, ":")
		at := len(lines)
		for i, l := range lines {
			if strings.HasPrefix(l, name+":") {
				at = i
			}
		}
		if at == len(lines) {
			lines = append(lines, "")
		}
		lines[at] = change
		if !keep {
			lines = append(lines[:at], lines[at+1:]...)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

var packageFields = []string{"Package: libx-1.0+y", "Version: 1:2.0~rc1-3+b1", "Architecture: amd64",
	"Filename: pool/main/libx/libx-1.0+y_2.0~rc1-3+b1_amd64.deb", "Size: 1234", "SHA256: " + sum(7, 32)}

var wantPackage = Package{Name: "libx-1.0+y", Version: "1:2.0~rc1-3+b1", Architecture: "amd64",
	Filename: "pool/main/libx/libx-1.0+y_2.0~rc1-3+b1_amd64.deb", Size: 1234, SHA256: sum256(7), HasSHA256: true}

func TestParsePackage(t *testing.T) {
	flat, sha512, weak, odd, only512 := wantPackage, wantPackage, wantPackage, wantPackage, wantPackage
	odd.Name, odd.Version = "AZaz09+-._", "1AZ.az"
	flat.Filename = "a/x.deb"
	sha512.SHA512 = bytes.Repeat([]byte{8}, 64)
	weak.SHA256, weak.HasSHA256 = [32]byte{}, false
	only512.SHA256, only512.HasSHA256, only512.SHA512 = [32]byte{}, false, sha512.SHA512
	var p Package // the same all through: nothing may be left from the one before
	for _, tt := range []struct {
		text string
		want Package
	}{
		{fields(packageFields, "SHA512: "+sum(8, 64)), sha512},
		{fields(packageFields), wantPackage},
		{fields(packageFields, "Filename: ./a/./x.deb"), flat},
		{fields(packageFields, "SHA256", "MD5sum: "+sum(1, 16)), weak},
		{fields(packageFields, "Package: AZaz09+-._", "Version: 1AZ.az"), odd},
		{fields(packageFields, "SHA256: "+strings.ToUpper(sum(7, 32))), wantPackage},
		{fields(packageFields, "SHA256: "+sum(1, 31)), weak},
		{fields(packageFields, "SHA256:"), weak},
		{fields(packageFields, "SHA256: "+sum(1, 31)+"zz"), weak},
		{fields(packageFields, "SHA256: "+sum(7, 32)+" "+sum(7, 32)), weak},
		{fields(packageFields, "SHA512: "+sum(1, 32)), wantPackage},
		{fields(packageFields, "SHA256: -", "SHA512: "+sum(8, 64)), only512},
	} {
		if err := ParsePackage(one(t, tt.text), &p); err != nil {
			t.Errorf("%q: %v", tt.text, err)
		} else if diff := cmp.Diff(tt.want, p); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestParsePackageRefuses(t *testing.T) {
	for change, want := range map[string]string{
		"Package":                    "line 1: stanza without field Package",
		"Package:":                   "line 1: field Package: no value",
		"Package: ../x":              `line 1: field Package: "../x" is no package name`,
		"Package: a b":               "is no package name",
		"Package: -a":                "is no package name",
		"Package: a\n b":             "is no package name",
		"Package: a%n":               "is no package name",
		"Version":                    "without field Version",
		"Version: 1 2":               "line 2: field Version: version",
		"Version: 1/2":               "line 2: field Version: version",
		"Architecture":               "without field Architecture",
		"Architecture: amd64/..":     "is no architecture",
		"Architecture: AMD64":        "is no architecture",
		"Filename":                   "without field Filename",
		"Filename:":                  "line 4: field Filename: no value",
		"Filename: /etc/passwd":      "line 4: field Filename: path is absolute",
		"Filename: pool/../../x":     `line 4: field Filename: path has a ".." segment`,
		"Filename: a\n b":            "line 4: field Filename: path",
		`Filename: a\b`:              "line 4: field Filename: path",
		"Filename: ./":               "empty segment",
		"Size":                       "without field Size",
		"Size: 0":                    "line 5: field Size: a package cannot be empty",
		"Size: 1e3":                  "line 5: field Size: size",
		"Size: -1":                   "line 5: field Size: size",
		"Size: 9007199254740992":     "line 5: field Size: size",
		"Size: 99999999999999999999": "line 5: field Size: size",
	} {
		var p Package
		err := ParsePackage(one(t, fields(packageFields, change)), &p)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: error %v, want ...%s...", change, err, want)
		}
	}
}

func TestPackagesOutliveTheirBuffer(t *testing.T) {
	text := []byte(fields(packageFields, "SHA512: "+sum(8, 64)))
	sc := deb822.NewBytesScanner(text, deb822.Limits{})
	var p Package
	if !sc.Scan() {
		t.Fatal(sc.Err())
	}
	if err := ParsePackage(sc.Stanza(), &p); err != nil {
		t.Fatal(err)
	}
	first := p
	clear(text)
	if err := ParsePackage(one(t, fields(packageFields, "Package: other", "SHA512: "+sum(9, 64))), &p); err != nil {
		t.Fatal(err)
	}
	want := wantPackage
	want.SHA512 = bytes.Repeat([]byte{8}, 64)
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the first package changed (-want +got):\n%s", diff)
	}
}

func TestParsePackageAllocatesOnce(t *testing.T) {
	s := one(t, fields(packageFields))
	var p Package
	if n := testing.AllocsPerRun(100, func() {
		if err := ParsePackage(s, &p); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("ParsePackage allocates %v times", n)
	}
}

func FuzzParsePackage(f *testing.F) {
	f.Add([]byte(fields(packageFields)))
	f.Add([]byte(fields(packageFields, "Filename: ./x", "SHA512: "+sum(1, 64))))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := deb822.ParseOne(text, deb822.Limits{})
		if err != nil {
			return
		}
		var p Package
		if ParsePackage(s, &p) != nil {
			return
		}
		if clean, err := CleanPath(p.Filename); err != nil || clean != p.Filename || p.Size <= 0 || p.Name == "" || p.Version == "" || p.Architecture == "" {
			t.Errorf("%+v: %v", p, err)
		}
	})
}

func BenchmarkParsePackages(b *testing.B) {
	var text bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&text, "Package: package-%d\nVersion: 1.%d-%d\nInstalled-Size: %d\nMaintainer: Somebody <somebody@example.org>\nArchitecture: amd64\n"+
			"Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 11), package-%d (= 1.%d)\nDescription: %s\n"+
			"Homepage: https://www.example.org/%d/\nDescription-md5: %032x\nTag: %s\nSection: devel\nPriority: optional\n"+
			"Filename: pool/main/p/package-%d/package-%d_1.%d-%d_amd64.deb\nSize: %d\nMD5sum: %032x\nSHA256: %064x\n\n",
			i, i, i%9, i, i, i, strings.Repeat("word ", i%12), i, i, strings.Repeat("role::program, ", i%20), i, i, i, i%9, i+1, i, i)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		sc := deb822.NewScanner(bytes.NewReader(text.Bytes()), deb822.Limits{})
		var p Package
		for sc.Scan() {
			if err := ParsePackage(sc.Stanza(), &p); err != nil {
				b.Fatal(err)
			}
		}
		if sc.Err() != nil {
			b.Fatal(sc.Err())
		}
	}
}
