package upstream

import (
	"strings"
	"testing"

	"aptmirror/upstream/debian"
)

// debianNames are the forms of name that Debian's Release lists for each of
// its components, with ARCH for each of its architectures.
const debianNames = `
COMP/Contents-ARCH.gz COMP/Contents-ARCH COMP/Contents-udeb-ARCH.gz COMP/Contents-ARCH.diff/Index
COMP/binary-ARCH/Packages.xz COMP/binary-ARCH/Packages.diff/Index COMP/binary-ARCH/Release
COMP/debian-installer/binary-ARCH/Packages.gz COMP/installer-ARCH/current/images/SHA256SUMS
COMP/installer-ARCH/20230607+deb12u15/images/MD5SUMS COMP/dep11/Components-ARCH.yml.gz COMP/dep11/CID-Index-ARCH.json.gz
COMP/cnf/Commands-ARCH.xz COMP/by-something/new-ARCH`

// namesFor gives the names for one component and one architecture.
func namesFor(component, arch string) []string {
	return strings.Fields(strings.NewReplacer("COMP", component, "ARCH", arch).Replace(debianNames))
}

func TestScope(t *testing.T) {
	release := &debian.Release{
		Components: []string{"main", "contrib", "non-free"}, Architectures: []string{"all", "amd64", "arm64", "hurd-i386"},
	}
	s := scope{archive: &Archive{Components: []string{"main"}, Architectures: []string{"amd64"}}, release: release}
	check := func(want bool, files ...string) {
		t.Helper()
		for _, f := range files {
			if got := s.has(f); got != want {
				t.Errorf("%s: in scope %v, want %v", f, got, want)
			}
		}
	}
	check(true, namesFor("main", "amd64")...)
	check(true, namesFor("main", "all")...)
	check(false, namesFor("contrib", "amd64")...)
	check(true, "main/by-something/new-arm64")
	for _, arch := range []string{"arm64", "hurd-i386"} {
		for _, f := range namesFor("main", arch) {
			check(strings.Contains(f, "by-something"), f)
		}
	}
	check(true, "main/i18n/Translation-en.bz2", "main/i18n/Translation-sr@latin.bz2", "main/i18n/Translation-de.diff/Index",
		"main/dep11/icons-64x64@2.tar.gz", "main/dep11/icons-48x48.tar", "main/Contents-new-thing.gz", "Something", "dep11/Something")
	check(true, "Contents-amd64.gz", "Contents-all.gz") // where Ubuntu has them
	check(false, "Contents-arm64.gz", "Contents-source.gz", "main/Contents-source.gz", "main/source/Sources.xz", "main/source/Sources.diff/Index", "main/source/Release")

	s.archive.Architectures = []string{"source"}
	check(true, "main/source/Sources.xz", "main/source/Sources.diff/Index", "main/Contents-source.gz")
	check(false, "main/binary-amd64/Packages.xz", "Contents-amd64.gz")
}

// Debian's security archive calls its components updates/main and has them
// under main.
func TestScopeOfComponentsWithAFolder(t *testing.T) {
	release := &debian.Release{Components: []string{"updates/main", "updates/contrib"}, Architectures: []string{"amd64"}}
	for _, configured := range []string{"main", "updates/main"} {
		s := scope{archive: &Archive{Components: []string{configured}, Architectures: []string{"amd64"}}, release: release}
		for file, want := range map[string]bool{
			"main/binary-amd64/Packages.xz": true, "main/Contents-amd64.gz": true,
			"contrib/binary-amd64/Packages.xz": false, "updates/contrib/binary-amd64/Packages.xz": false,
		} {
			if got := s.has(file); got != want {
				t.Errorf("%s configured, %s: in scope %v, want %v", configured, file, got, want)
			}
		}
	}
}

func TestScopeOfAFlatSuiteAndOfReleasesThatSayLittle(t *testing.T) {
	a := &Archive{Components: []string{"main"}, Architectures: []string{"amd64"}}
	flat := scope{archive: a, release: &debian.Release{}, flat: true}
	bare := scope{archive: a, release: &debian.Release{}}
	for file, want := range map[string]bool{"Packages.gz": true, "sub/Packages": true, "Contents-arm64.gz": false, "en.xz": true} {
		if got := flat.has(file); got != want {
			t.Errorf("flat: %s: in scope %v, want %v", file, got, want)
		}
	}
	for file, want := range map[string]bool{
		"main/binary-amd64/Packages": true, "main/binary-arm64/Packages": false, "main/Contents-arm64.gz": false, "other/Packages": true,
	} {
		if got := bare.has(file); got != want {
			t.Errorf("without Components and Architectures: %s: in scope %v, want %v", file, got, want)
		}
	}
}
