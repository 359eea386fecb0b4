package main

import (
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
)

// TestLiveKeysAreFollowed installs a kit and then the keyring package of the
// repository on Debian's releases, and lets the site change its key in two steps:
// "apt-get upgrade" is all that the machine does.
func TestLiveKeysAreFollowed(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, release)
			a, _, _ := sample(t)
			h := newSiteHost(t, a)
			h.edit(func(text string) string {
				return replaceOnce(t, text, "  policy = \"workstations\"\n", "  policy = \"workstations\"\n  keyring_package = true\n")
			})
			h.must("sync")
			h.serve()
			suite := func() admin.SuiteStatus { return data[admin.Status](h, "status").Suites[0] }
			signWith := func(old, new string, signers int) {
				before := suite().Generation
				h.edit(func(text string) string { return replaceOnce(t, text, "\nsign_with = "+old, "\nsign_with = "+new) })
				h.must("reload")
				eventually(t, "the suite has the keys of "+new+" and is signed by them", func() bool {
					s := suite()
					return len(s.Signers) == signers && s.Generation > before
				})
			}
			const (
				first, both, last = `["keys/site.asc"]`, `["keys/site.asc", "keys/next.asc"]`, `["keys/next.asc"]`
				upgrade           = "apt-get update -qq --error-on=any && apt-get upgrade -qq -y"
				installed         = "dpkg-query -W -f '${Version}' site-archive-keyring"
			)
			h.must("client", "add", "machine.example.org")
			h.must("client", "kit", "machine.example.org", "--format", "deb", "--out", "kit.deb")
			r.host("cp", filepath.Join(h.dir, "kit.deb"), r.dir+"/root/kit.deb")
			r.sh("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; dpkg -i /root/kit.deb")
			r.sh("apt-get update -qq --error-on=any && apt-get install -qq -y site-archive-keyring")
			before := r.sh(installed)

			h.must("key", "create", "next")
			signWith(first, both, 2)
			r.sh(upgrade)
			if after := r.sh(installed); after == before {
				t.Errorf("the keyring package is still %s", after)
			}
			signWith(both, last, 1)
			r.sh(upgrade)
			r.sh("apt-get download -qq hello")

			r.sh("dpkg -i /root/kit.deb && " + upgrade) // an older kit takes nothing back
			r.sh("dpkg --purge aptmirror-apt-source")
			if r.lacks("/usr/share/keyrings/site-archive-keyring.gpg") {
				t.Error("purging the kit took the keyring of another package")
			}
			if out := r.sh("dpkg --verify site-archive-keyring"); strings.TrimSpace(out) != "" {
				t.Errorf("files of the keyring package were changed:\n%s", out)
			}
		})
	}
}
