package main

import (
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// TestLiveSitePackagesAreInstalled installs from a merged and filtered
// repository on Debian's releases, with all that apt and dpkg do.
func TestLiveSitePackagesAreInstalled(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, release)
			a, _, _ := sample(t)
			a.AddPackage(upstreamtest.Package{Name: "chess", Section: "games"})
			a.Publish()
			h := newSiteHost(t, a)
			h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.0", Depends: "hello (>= 2)", Data: []byte("made here\n")})
			h.must("sync")
			h.serve()
			h.must("client", "add", "machine.example.org")
			h.must("client", "kit", "machine.example.org", "--format", "deb", "--out", "kit.deb")
			r.host("cp", filepath.Join(h.dir, "kit.deb"), r.dir+"/root/kit.deb")
			r.sh("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; dpkg -i /root/kit.deb; apt-get update -qq --error-on=any")

			if out := r.sh("apt-get install -y chess 2>&1 && exit 1 || true"); !strings.Contains(out, "Unable to locate package chess") {
				t.Errorf("what the policy denies:\n%s", out)
			}
			r.sh("apt-get install -qq -y corp-tool")
			want := "corp-tool 1.0 installed\nhello 2.10-3+b1 installed\n"
			if got := r.sh("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' corp-tool hello"); got != want {
				t.Errorf("the system has\n%swant\n%s", got, want)
			}
			if got := r.sh("cat /usr/share/doc/corp-tool/data && dpkg --verify corp-tool hello"); got != "made here\n" {
				t.Errorf("its file says %q", got)
			}

			h.addToPool(upstreamtest.Package{Name: "corp-tool", Version: "1.1", Depends: "hello (>= 2)"})
			h.must("sync")
			r.sh("apt-get update -qq --error-on=any && apt-get upgrade -qq -y")
			if got := r.sh("dpkg-query -W -f '${Version}' corp-tool"); got != "1.1" {
				t.Errorf("after an upgrade it has corp-tool %s", got)
			}
		})
	}
}
