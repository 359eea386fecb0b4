package migrate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/config"
)

const sourcesText = `Types: deb
URIs: http://archive.example.org/ubuntu/
Suites: noble noble-updates
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: https://ppa.example.org/team/tools/ubuntu/
Suites: noble
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGUwXPIB
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://vendor.example.org
Suites: ./
Signed-By: /etc/apt/keyrings/vendor.asc

Enabled: no
Types: deb
URIs: https://off.example.org
Suites: ./

Types: deb
URIs: ftp://old.example.org
Suites: ./
`

func TestSources(t *testing.T) {
	m := Machine{Architecture: "amd64", HasKeyring: func(path string) bool { return filepath.Base(path) == "ubuntu-archive-keyring.gpg" }}
	r := Sources("ubuntu.sources", sourcesText, m)
	var got []string
	for _, a := range r.Archives {
		got = append(got, a.Name+" "+a.Architectures[0]+" "+a.Download+" "+a.SignedBy[0])
	}
	want := []string{
		"ubuntu amd64 on-demand /usr/share/keyrings/ubuntu-archive-keyring.gpg",
		"team-tools amd64 on-demand /etc/aptmirror/keys/team-tools.asc",
		"example amd64 on-demand /etc/apt/keyrings/vendor.asc",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(r.Repositories) != len(want) {
		t.Errorf("archives (-want +got):\n%s\nrepositories: %+v", diff, r.Repositories)
	}
	checkNotes(t, r.Notes, []string{
		"ubuntu.sources:7: archive team-tools: write the key that stands in Signed-By into /etc/aptmirror/keys/team-tools.asc",
		"ubuntu.sources:17: archive example: the keyring /etc/apt/keyrings/vendor.asc is not on this machine: bring it along",
		"ubuntu.sources:27: ftp: cannot be mirrored",
	})
}

// What apt fetches when somebody asks is not to be fetched whole.
func TestSourcesAreKnownByTheirNames(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"x.sources": "", "sources.list": config.OnDemand, "sources.list.d/x.list": config.OnDemand, "mirror.list": config.All,
	} {
		text, path := "deb http://archive.example.org/ubuntu noble main\n", filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := File(path, "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range r.Archives {
			got = a.Download
		}
		if got != want {
			t.Errorf("%s: download is %q, want %q", name, got, want)
		}
	}
}
