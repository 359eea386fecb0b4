package aptsources

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ubuntuSources are as Ubuntu's installer writes them since 24.04, and what its
// tools add: a PPA with its key, subscriptions, the ports of other architectures.
const ubuntuSources = `# See http://help.example.org/community/UpgradeNotes
Types: deb
URIs: http://archive.example.org/ubuntu/
Suites: noble noble-updates noble-backports
Components: main universe restricted multiverse
Architectures: amd64
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

## Ubuntu security updates. Aside from URIs and Suites,
## this should mirror your choices in the previous section.
Types: deb
URIs: http://security.example.org/ubuntu/
Suites: noble-security
Components: main universe restricted multiverse
Architectures: amd64
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://ports.example.org/ubuntu-ports/
Suites: noble noble-updates noble-backports noble-security
Components: main universe restricted multiverse
Architectures: arm64
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: https://ppa.example.org/deadsnakes/ppa/ubuntu/
Suites: noble
Components: main
Architectures: amd64
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGUwXPIBEADGm0
 =bAtp
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://esm.example.org/apps/ubuntu/
Suites: noble-apps-security noble-apps-updates
Components: main
Architectures: amd64
Signed-By: /usr/share/keyrings/ubuntu-pro-esm-apps.gpg
`

// ubuntuLines are as the installer wrote them before.
const ubuntuLines = `# deb cdrom:[Ubuntu-Server 22.04 LTS _Jammy Jellyfish_ - Release amd64]/ jammy main restricted
deb http://archive.example.org/ubuntu jammy main restricted
# deb-src http://archive.example.org/ubuntu jammy main restricted
deb http://archive.example.org/ubuntu jammy-updates main restricted
deb http://archive.example.org/ubuntu jammy universe
deb http://archive.example.org/ubuntu jammy-updates universe
deb http://archive.example.org/ubuntu jammy multiverse
deb http://archive.example.org/ubuntu jammy-updates multiverse
deb http://archive.example.org/ubuntu jammy-backports main restricted universe multiverse
deb http://security.example.org/ubuntu jammy-security main restricted
deb http://security.example.org/ubuntu jammy-security universe
deb http://security.example.org/ubuntu jammy-security multiverse
`

func TestUbuntu(t *testing.T) {
	const keys = "/usr/share/keyrings/ubuntu-"
	for file, c := range map[string]struct {
		text string
		want []string
	}{
		"ubuntu.sources": {ubuntuSources, []string{
			"ubuntu|http://archive.example.org/ubuntu|noble,noble-updates,noble-backports|main,universe,restricted,multiverse|amd64|en|" + keys + "archive-keyring.gpg",
			"ubuntu-noble-security|http://security.example.org/ubuntu|noble-security|main,universe,restricted,multiverse|amd64|en|" + keys + "archive-keyring.gpg",
			"ubuntu-ports|http://ports.example.org/ubuntu-ports|noble,noble-updates,noble-backports,noble-security|main,universe,restricted,multiverse|arm64|en|" + keys + "archive-keyring.gpg",
			"deadsnakes-ppa|https://ppa.example.org/deadsnakes/ppa/ubuntu|noble|main|amd64|en|",
			"ubuntu-noble-apps-security|https://esm.example.org/apps/ubuntu|noble-apps-security,noble-apps-updates|main|amd64|en|" + keys + "pro-esm-apps.gpg",
		}},
		"sources.list": {ubuntuLines, []string{
			"ubuntu|http://archive.example.org/ubuntu|jammy,jammy-updates,jammy-backports|main,restricted,universe,multiverse|amd64|en|",
			"ubuntu-jammy-security|http://security.example.org/ubuntu|jammy-security|main,restricted,universe,multiverse|amd64|en|",
		}},
	} {
		sources, unread := Text(file, c.text, "amd64")
		archives, skipped := Archives(sources)
		var got []string
		for _, a := range archives {
			got = append(got, brief(a))
			if a.Name == "deadsnakes-ppa" && !bytes.Contains(a.SignedByKey, []byte("-----\n\nmQINBG")) {
				t.Errorf("the key of the PPA is %q", a.SignedByKey)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" || len(unread)+len(skipped) > 0 {
			t.Errorf("%s (-want +got):\n%s\nunread %v, skipped %v", file, diff, unread, skipped)
		}
		checkConfigTakes(t, archives)
	}
}
