package policy

import (
	"fmt"
	"strings"
	"testing"

	"aptmirror/upstream/deb822"
)

func TestRead(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	for _, test := range []struct {
		name, stanza string
		kind         Kind
		want         string
	}{
		{"all there is", "package: a\nVersion: 1-1\nArchitecture: all\nSection: s\nPriority: Required\nSource: b (2)\nEssential: yes\nProtected: yes\nMulti-Arch: foreign\nSHA256: " + digest + "\n", Deb,
			"a_1-1_all s required b 2 true true 2 abab"},
		{"what is not there", "Package: a\nVersion: 1\nArchitecture: amd64\n", Deb, "a_1_amd64   a 1 false false 0 0000"},
		{"values in the next line", "Package: a\nVersion: 1\nArchitecture: amd64\nSection:\n s\nPriority:\n required\nSource:\n b (2)\nEssential:\n yes\nProtected: \v0x01\nMulti-Arch: same\n \nSHA256:\n " + digest + "\n", Deb,
			"a_1_amd64 s required b 2 true true 1 abab"},
		{"odd values", "Package: a\nVersion: 1\nArchitecture: amd64\nPriority: high\nSource: b\nEssential: no\nImportant: 1\nMulti-Arch: always\nSHA256: 12\n", Udeb, "a_1_amd64  extra b 1 false true 0 0000"},
		{"a source", "Package: a\nBinary: b, c\nVersion: 1\nArchitecture: any\nChecksums-Sha256:\n " + strings.Repeat("cd", 32) + " 10 a_1.tar.gz\n " + digest + " 12 a_1.dsc\n", Source,
			"a_1_source   a 1 false false 0 abab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := deb822.ParseOne([]byte(test.stanza), deb822.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			p := Package{Input: vendor, FirstSeen: noon}
			if err := p.Read(s, test.kind); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s %s %s %s %v %v %d %x", p.FullName(), p.Section, p.Priority, p.SourceName, p.SourceVersion, p.Essential, p.Protected, p.MultiArch, p.Digest[:2])
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if p.Input != vendor || p.FirstSeen != noon || p.Kind != test.kind {
				t.Errorf("Input, FirstSeen or Kind were lost: %v", p)
			}
		})
	}
	s, err := deb822.ParseOne([]byte("Package: a\nDepends: b\n"), deb822.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Package).Read(s, Deb); err == nil {
		t.Error("a package without a version was read")
	}
}

func TestField(t *testing.T) {
	p := Package{Stanza: "Package: a\nSuggests: b,\n c\n\td\nDescription: x\n Suggests: y\nLast: z"}
	for name, want := range map[string]string{"suggests": "b,\n c\n\td", "Package": "a", "Last": "z", "Description": "x\n Suggests: y", "Enhances": "", "Pack": ""} {
		if got := p.Field(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestInputsHaveNames(t *testing.T) {
	for want, in := range map[string]*Input{"debian/bookworm": stable, "pool internal": internal, "flat": {Archive: "flat"}, "x/s": {Archive: "x", Suite: "s"}} {
		if got := in.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSecurityIsWhatComesFromThereAndWhatIsNewer(t *testing.T) {
	set := makeSet(t, `
		Package: a
		Version: 1

		Package: a
		Version: 2
		X-Input: fixes

		Package: a
		Version: 3

		Package: b
		Version: 1
		`)
	p, err := ParsePattern("?security")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Versions(set, noon)); got != "[1 2]" {
		t.Errorf("versions %s", got)
	}
	if got := fmt.Sprint(p.Packages(set, "amd64", noon)); got != "[a]" {
		t.Errorf("packages %s", got)
	}
}

func TestAgeOfPackages(t *testing.T) {
	set := makeSet(t, "Package: old\nVersion: 1\n\nPackage: new\nVersion: 1\nX-Seen: 1d\n\nPackage: week\nVersion: 1\nX-Seen: 7d\n")
	for pattern, want := range map[string]string{"?x-age(< 7d)": "[new]", "?x-age(>= 1w)": "[old week]", "?x-age(>=12h)": "[new old week]", "!?x-age(< 25h)": "[old week]"} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.Packages(set, "amd64", noon)); got != want {
			t.Errorf("%s selects %s, want %s", pattern, got, want)
		}
	}
}

func TestArchitectures(t *testing.T) {
	for _, test := range []struct {
		spec string
		arch string
		want bool
	}{
		{"amd64", "amd64", true}, {"amd64", "i386", false}, {"any", "riscv64", true}, {"linux-any", "armhf", true}, {"linux-any", "hurd-i386", false},
		{"any-amd64", "kfreebsd-amd64", true}, {"any-arm", "armhf", true}, {"any-arm", "armel", true}, {"any-arm64", "armhf", false}, {"musl-linux-any", "musl-linux-arm64", true},
		{"musl-any-any", "musl-linux-armhf", true}, {"gnu-any-any", "musl-linux-armhf", false}, {"bsd-any-any", "freebsd-amd64", true}, {"eabihf-gnu-linux-any", "armhf", true},
		{"x32-any-any-any", "x32", true}, {"linux-amd64", "amd64", true}, {"source", "source", true}, {"any-mips64el", "mips64el", true},
	} {
		if got := newArchSpec(test.spec).matches(test.arch); got != test.want {
			t.Errorf("%s for %s: %v", test.spec, test.arch, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("Package: a\nVersion: 1\nArchitecture: all\nSource: b (2)\nDepends: c,\n d\nPriority: high\nSHA256: 12\n\nPackage: x\nVersion: 1:2-3\nChecksums-Sha256:\n 12 34 x.dsc\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for sc := deb822.NewBytesScanner(text, deb822.Limits{}); sc.Scan(); {
			for kind := range Source + 1 {
				var p Package
				if err := p.Read(sc.Stanza(), kind); err == nil && (p.Name == "" || p.Version == "" || p.SourceName == "" && p.Field("Source") == "") {
					t.Errorf("read %+v", p)
				}
				for _, field := range sc.Stanza().Fields() {
					if got, want := p.Field(string(field.Name)), strings.Trim(string(field.Value), " \t\r\n\v\f"); got != want {
						t.Errorf("%s is %q, want %q", field.Name, got, want)
					}
				}
				for _, field := range append(relationFields, "Provides") {
					p.relations(field)
				}
			}
		}
	})
}
