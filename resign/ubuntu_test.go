package resign

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Ubuntu has amd64 in one archive and arm64 in another, the same packages for all
// architectures in both; and it hands updates out to ever more machines.
func TestUbuntusTwoArchivesAreOneSuite(t *testing.T) {
	s := newStore(t)
	phased := "Phased-Update-Percentage: 20"
	archive := s.mirror("ubuntu", "noble-updates", map[string]string{
		amd64:                                 joined(stanza("aaa", "1", "all"), stanza("bbb", "2", "amd64", phased)),
		"universe/binary-amd64/Packages.gz":   stanza("ccc", "1", "amd64"),
		"restricted/binary-amd64/Packages.gz": stanza("ddd", "1", "amd64"),
		"multiverse/binary-amd64/Packages.gz": stanza("eee", "1", "amd64"),
		"main/cnf/Commands-amd64":             "suite: noble\n",
		"main/dep11/Components-amd64.yml.gz":  "---\nFile: DEP-11\n",
		"universe/i18n/Translation-en":        "Package: ccc\nDescription-md5: " + strings.Repeat("0", 31) + "3\nDescription-en: c\n\n",
	})
	const arm64 = "main/binary-arm64/Packages"
	ports := s.mirror("ubuntu-ports", "noble-updates", map[string]string{arm64: joined(stanza("aaa", "1", "all"), stanza("bbb", "2", "arm64", phased))})
	g := s.build(recipe(archive, ports)).Generation
	for name, want := range map[string][]string{
		amd64: {"aaa 1", "bbb 2"}, arm64: {"aaa 1", "bbb 2"}, "universe/binary-amd64/Packages": {"ccc 1"},
		"restricted/binary-amd64/Packages": {"ddd 1"}, "multiverse/binary-amd64/Packages": {"eee 1"},
	} {
		text := s.index(g, name)
		if got := packages(t, text); !cmp.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		if got := strings.Count(text, phased+"\n"); strings.HasPrefix(name, "main/") && got != 1 {
			t.Errorf("%s has %d packages that are handed out bit by bit", name, got)
		}
	}
	for _, p := range []string{"pool/ubuntu/pool/main/bbb/bbb_2_amd64.deb", "pool/ubuntu-ports/pool/main/bbb/bbb_2_arm64.deb"} {
		if _, ok := s.table(g).Find(p); !ok {
			t.Errorf("%s is not there", p)
		}
	}
	fields, err := ReadFields(t.Context(), s.Blobs, g)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"Components: main multiverse restricted universe\n": true, "universe/i18n/Translation-en": true, "cnf/": false, "dep11/": false,
	} {
		if strings.Contains(fields.Listing, text) != want {
			t.Errorf("Release has %q: %v, want %v\n%s", text, !want, want, fields.Listing)
		}
	}
}
